/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* EVENT_SOCKET: who talks to whom. */
#ifndef TOCSIN_NETWORK_H
#define TOCSIN_NETWORK_H

#include "change.h"
#include "socket.h"

/* Connects by sending. */
#define FAST_OPEN 0x20000000
#define IN_PROGRESS (-115)
#define ALREADY_CONNECTED (-106)
#define ALREADY_IN_PROGRESS (-114)
/* Where a call's own address lies, if it has one, and its data. */
struct message {
	__u64 address;
	__u64 address_size;
	__u64 size;
	__u64 data;
	__u64 buffers; /* where its data lies if it is in several */
	__u64 count;
};

static __always_inline void read_message(struct slot *slot, __u64 header, struct message *message)
{
	struct {
		__u64 name;
		__u64 name_size;
		__u64 buffers;
		__u64 count;
	} wide = {};
	bool narrow = slot->flags & EVENT_IA32;

	if (narrow) {
		__u32 packed[4] = {};

		if (bpf_probe_read_user(packed, sizeof(packed), (void *)header))
			goto fault;
		wide.name = packed[0];
		wide.name_size = packed[1];
		wide.buffers = packed[2];
		wide.count = packed[3];
	} else if (bpf_probe_read_user(&wide, sizeof(wide), (void *)header)) {
		goto fault;
	}
	message->address = wide.name;
	message->address_size = (__u32)wide.name_size;
	message->buffers = wide.buffers;
	message->count = wide.count;
	for (__u32 i = 0; i < BUFFERS_MAX && i < wide.count; i++) {
		struct buffer buffer = {};

		if (!read_buffer(slot, wide.buffers, i, &buffer))
			goto fault;
		message->size += buffer.size;
	}
	return;
fault:
	slot->flags |= EVENT_FAULT;
}

/* How long an address is that the kernel wrote, or 0: a sender without a name leaves the memory as it was. */
static __always_inline __u32 told_size(__u64 at)
{
	__u32 size = 0;

	bpf_probe_read_user(&size, sizeof(size), (void *)at);
	return size;
}

static __always_inline bool is_accept(__u32 call)
{
	return call == __NR_accept || call == __NR_accept4;
}

/* The first bytes that went through a message call. Calls for many messages count messages, not bytes. */
static __always_inline __u16 append_data(struct slot *slot, long result, struct message *message)
{
	__u64 size = message->size;

	if (result <= 0 || slot->call == __NR_sendmmsg || slot->call == __NR_recvmmsg)
		return 0;
	if (message->buffers)
		return append_buffers(slot, message->buffers, message->count, result);
	if (size > (__u64)result)
		size = result;
	if (size > EVENT_DATA_MAX)
		size = EVENT_DATA_MAX;
	return append_user_bytes(slot, message->data, size);
}

/* Whether the caller's address says more than the socket's own remote end. */
static __always_inline bool prefers_user(__u32 call, long result, struct event_socket *event, bool has_remote)
{
	if (call == __NR_connect)
		return !has_remote || (result < 0 && result != IN_PROGRESS && result != ALREADY_CONNECTED &&
				       result != ALREADY_IN_PROGRESS);
	if (event->type == TYPE_STREAM || event->type == TYPE_SEQPACKET)
		return !has_remote && (event->call_flags & FAST_OPEN);
	if (call == __NR_recvfrom || call == __NR_recvmsg || call == __NR_recvmmsg)
		return !has_remote && result >= 0;
	return true;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(socket_exit, struct pt_regs *regs, long result)
{
	struct slot *slot = begin_call(regs, result, EVENT_SOCKET, sizeof(struct event_socket));

	if (!slot)
		return 0;
	struct event_socket *event = (void *)slot->data;
	const struct shape *shape = &shapes[slot->call & (SYSCALL_LIMIT - 1)];
	__u32 call = slot->call;
	struct message message = {};
	struct ends ends = {};
	struct sock *sk = 0;
	struct file *file;
	bool bind_failed = call == __NR_bind && result < 0;
	bool from_user = false;

	event->fd = shape->fd == RESULT || (is_accept(call) && result >= 0) ? result : argument(slot, shape->fd);
	event->call_flags = argument(slot, shape->mode);
	if (call == __NR_socket || call == __NR_socketpair) {
		event->family = slot->args[0];
		event->type = slot->args[1] & TYPE_MASK;
		event->protocol = slot->args[2];
		event->call_flags = slot->args[1];
		event->message_size = slot->args[2];
		if (call == __NR_socketpair)
			event->fd = -1;
		finish(slot, EVENT_SOCKET, shape->admission);
		return 0;
	}
	if (shape->address) {
		message.address = argument(slot, shape->address);
		message.address_size = argument(slot, shape->address + 1);
		if (call == __NR_recvfrom)
			message.address_size = told_size(message.address_size);
	}
	if (shape->size) {
		message.size = argument(slot, shape->size);
		message.data = argument(slot, shape->size - 1);
	}
	if (shape->message)
		read_message(slot, argument(slot, shape->message), &message);
	event->message_size = message.size;

	file = file_of(current_task(), event->fd);
	if (file)
		sk = sock_of(file);
	if (sk) {
		read_ends(sk, &ends);
		event->type = FOLLOW(sk, sk_type);
		event->protocol = FOLLOW(sk, sk_protocol);
		event->state = FOLLOW(sk, __sk_common.skc_state);
	}
	if (bind_failed) {
		from_user = read_user_end(message.address, message.address_size, &ends.family, ends.local,
					  &ends.local_port);
	} else if (call != __NR_bind && message.address) {
		struct sock *peer = sk && ends.family == FAMILY_UNIX ? unix_peer(sk) : 0;

		if (prefers_user(call, result, event, ends.remote_port || peer))
			from_user = read_user_end(message.address, message.address_size, &ends.family, ends.remote,
						  &ends.remote_port);
	}
	event->from_user = from_user;
	event->family = ends.family;
	event->local_port = ends.local_port;
	event->remote_port = ends.remote_port;
	__builtin_memcpy(event->local_address, ends.local, 16);
	__builtin_memcpy(event->remote_address, ends.remote, 16);
	if (ends.family == FAMILY_UNIX) {
		struct sock *peer = sk ? unix_peer(sk) : 0;

		if (bind_failed && from_user)
			event->string_length[0] = append_user_unix(slot, message.address, message.address_size);
		else if (sk)
			event->string_length[0] = append_unix(slot, sk);
		if (from_user && !bind_failed)
			event->string_length[1] = append_user_unix(slot, message.address, message.address_size);
		else if (peer)
			event->string_length[1] = append_unix(slot, peer);
	}
	event->string_length[2] = append_data(slot, result, &message);
	finish(slot, EVENT_SOCKET, shape->admission);
	return 0;
}

#endif
