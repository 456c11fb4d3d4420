/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* EVENT_CALL and EVENT_EXECFAIL: calls told by their arguments. */
#ifndef TOCSIN_OTHER_H
#define TOCSIN_OTHER_H

#include "change.h"
#include "socket.h"

#define PR_SET_NAME 15
/* Arguments of a failed exec that are read. */
#define ARGUMENTS_MAX 64

/* The file behind the fd a call is about: its sort and, for a socket, both ends, else its path. */
static __always_inline void tell_descriptor(struct slot *slot, struct event_call *event, int fd)
{
	struct file *file = file_of(current_task(), fd);
	struct ends ends = {};
	struct sock *sk;

	if (!file)
		return;
	event->fd_mode = FOLLOW(file, f_inode, i_mode);
	slot->flags |= EVENT_FROM_FD;
	sk = sock_of(file);
	if (!sk) {
		walk_file(slot, file);
		event->string_length[1] = append_walk(slot);
		return;
	}
	read_ends(sk, &ends);
	event->fd_family = ends.family;
	event->fd_type = FOLLOW(sk, sk_type);
	event->fd_protocol = FOLLOW(sk, sk_protocol);
	event->fd_local_port = ends.local_port;
	event->fd_remote_port = ends.remote_port;
	__builtin_memcpy(event->fd_local_address, ends.local, 16);
	__builtin_memcpy(event->fd_remote_address, ends.remote, 16);
}

/* The first bytes that a call moved. */
static __always_inline __u16 append_moved(struct slot *slot, const struct shape *shape, __u64 moved)
{
	if (shape->vector)
		return append_buffers(slot, argument(slot, shape->vector), argument(slot, shape->vector + 1), moved);
	return append_user_bytes(slot, argument(slot, shape->data), moved < EVENT_DATA_MAX ? moved : EVENT_DATA_MAX);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(call_exit, struct pt_regs *regs, long result)
{
	struct slot *slot = begin_call(regs, result, EVENT_CALL, sizeof(struct event_call));

	if (!slot)
		return 0;
	struct event_call *event = (void *)slot->data;
	const struct shape *shape = &shapes[slot->call & (SYSCALL_LIMIT - 1)];
	int fd = -1;

	for (int i = 0; i < 6; i++)
		event->arguments[i] = slot->args[i];
	if (shape->credentials)
		read_capabilities(current_task(), &event->arguments[3], &event->arguments[4], &event->arguments[5]);
	if (shape->text && (slot->call != __NR_prctl || (__u32)slot->args[0] == PR_SET_NAME))
		event->string_length[0] = append_user(slot, argument(slot, shape->text));
	else if ((shape->data || shape->vector) && result > 0)
		event->string_length[0] = append_moved(slot, shape, result);
	/* A call that made no fd is about the one it was given: the first argument of dup and its kin. */
	if (shape->fd == RESULT)
		fd = result >= 0 ? result : slot->call == __NR_bpf ? -1 : (int)slot->args[0];
	else if (shape->fd)
		fd = argument(slot, shape->fd);
	if (shape->path)
		event->string_length[1] = append_user(slot, argument(slot, shape->path));
	else if (fd >= 0)
		tell_descriptor(slot, event, fd);
	finish(slot, EVENT_CALL, shape->admission ? shape->admission : RARE);
	return 0;
}

/* Appends the strings of an argv in user memory, each with its NUL; returns the bytes of all. */
static __always_inline __u16 append_arguments(struct slot *slot, __u64 argv, __u32 *total)
{
	__u32 start = slot->length;
	bool narrow = slot->flags & EVENT_IA32;
	__u32 size;

	for (int i = 0; i < ARGUMENTS_MAX; i++) {
		__u64 offset = slot->length, address = 0;
		long length;

		PIN(offset);
		if (offset > LAST_STRING_OFFSET || offset - start >= EVENT_ARGS_MAX)
			break;
		if (bpf_probe_read_user(&address, narrow ? 4 : 8, (void *)(argv + i * (narrow ? 4 : 8)))) {
			slot->flags |= EVENT_FAULT;
			break;
		}
		if (!address)
			break;
		length = bpf_probe_read_user_str(&slot->data[offset], EVENT_PATH_MAX, (void *)address);
		if (length < 0) {
			slot->flags |= EVENT_FAULT;
			break;
		}
		slot->length = offset + length;
	}
	size = slot->length - start;
	*total = size;
	if (size > EVENT_ARGS_MAX) {
		slot->flags |= EVENT_TRUNCATED;
		size = EVENT_ARGS_MAX;
		slot->length = start + size;
	}
	return size;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(exec_exit, struct pt_regs *regs, long result)
{
	if (result >= 0)
		return 0; /* told by the scheduler's tracepoint */
	struct slot *slot = begin_call(regs, result, EVENT_EXECFAIL, sizeof(struct event_exec));

	if (!slot)
		return 0;
	struct event_exec *event = (void *)slot->data;
	const struct shape *shape = &shapes[slot->call & (SYSCALL_LIMIT - 1)];

	event->string_length[0] = append_user(slot, argument(slot, shape->path));
	event->string_length[3] = append_arguments(slot, argument(slot, shape->text), &event->args_total);
	finish(slot, EVENT_EXECFAIL, shape->admission);
	return 0;
}

#endif
