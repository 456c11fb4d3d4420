/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Calls made through io_uring, which no system call tracepoint sees. They are told when they are submitted: paths are the
 * kernel's own copies, but results, opened files and sockets do not exist yet.
 */
#ifndef TOCSIN_SUBMISSION_H
#define TOCSIN_SUBMISSION_H

#include "change.h"
#include "open.h"
#include "socket.h"

/* Operation codes of <linux/io_uring.h>. */
#define OPERATION_RECVMSG 10
#define OPERATION_ACCEPT 13
#define ACCEPT_MULTISHOT 1
#define OPERATION_CONNECT 16
#define OPERATION_OPENAT 18
#define OPERATION_OPENAT2 28
#define OPERATION_RENAMEAT 35
#define OPERATION_UNLINKAT 36
#define OPERATION_MKDIRAT 37
#define OPERATION_SYMLINKAT 38
#define OPERATION_LINKAT 39
#define OPERATION_SENDMSG 9
#define OPERATION_SEND 26
#define OPERATION_RECV 27
#define OPERATION_FSETXATTR 41
#define OPERATION_SETXATTR 42
#define OPERATION_SOCKET 45
#define OPERATION_SEND_ZC 47
#define OPERATION_SENDMSG_ZC 48
#define OPERATION_FTRUNCATE 55
#define OPERATION_BIND 56
#define OPERATION_LISTEN 57

static __always_inline struct slot *begin_submission(__u8 kind, __u32 size, __u32 call)
{
	struct slot *slot;

	if (!(config.watch[call & (SYSCALL_LIMIT - 1)] & WATCH_NATIVE))
		return 0;
	slot = begin(current_task(), kind, call, size);
	if (!slot)
		return 0;
	slot->flags |= EVENT_IO_URING;
	return slot;
}

static __always_inline void submit_open(void *request, __u32 call)
{
	struct io_open *command = request;
	struct slot *slot;

	if (!bpf_core_field_exists(command->filename))
		return;
	slot = begin_submission(EVENT_OPEN, sizeof(struct event_open), call);
	if (!slot)
		return;
	struct event_open *event = (void *)slot->data;

	event->open_flags = FOLLOW(command, how.flags);
	if (event->open_flags & (O_CREATE | O_TEMPORARY))
		event->mode = FOLLOW(command, how.mode);
	event->resolve = FOLLOW(command, how.resolve);
	event->dirfd = FOLLOW(command, dfd);
	event->string_length[0] = append_kernel(slot, FOLLOW(command, filename, name));
	event->string_length[1] =
		append_base(slot, current_task(), event->dirfd, sizeof(*event), event->string_length[0]);
	finish(slot, EVENT_OPEN, event->open_flags & (O_ACCESS | O_CREATE | O_TEMPORARY) ? WRITE : READ);
}

/* A request is about a file that the ring numbers itself. */
#define FIXED_FILE 1
#define FILE_POINTER (~3UL)

/* A file by the ring's own number. */
static __always_inline struct file *file_in_ring(struct io_ring_ctx *ring, __u32 number)
{
	struct io_ring_ctx___plain *early = (void *)ring;
	unsigned long pointer = 0;

	if (bpf_core_field_exists(ring->file_table.data)) {
		struct io_rsrc_node *node = 0;

		if (number >= FOLLOW(ring, file_table.data.nr))
			return 0;
		bpf_probe_read_kernel(&node, sizeof(node), FOLLOW(ring, file_table.data.nodes) + number);
		if (node)
			pointer = FOLLOW(node, file_ptr);
	} else if (bpf_core_field_exists(early->file_table.files)) {
		if (number >= FOLLOW(early, nr_user_files))
			return 0;
		bpf_probe_read_kernel(&pointer, sizeof(pointer), FOLLOW(early, file_table.files) + number);
	}
	return (void *)(pointer & FILE_POINTER);
}

/* The number of the file that a request is about, the process's or the ring's, and the file. */
static __always_inline int descriptor_of(struct io_kiocb *request, struct file **file)
{
	int fd = bpf_core_field_exists(request->cqe) ? FOLLOW(request, cqe.fd) : 0;

	*file = (FOLLOW(request, flags) & FIXED_FILE) ? file_in_ring(FOLLOW(request, ctx), fd) :
							file_of(current_task(), fd);
	return fd;
}

static __always_inline void submit_path(__u32 call, int dirfd, __u32 mode, const char *name)
{
	struct slot *slot = begin_submission(EVENT_PATH, sizeof(struct event_path), call);

	if (!slot)
		return;
	struct event_path *event = (void *)slot->data;

	event->fd = dirfd;
	event->mode = mode;
	event->string_length[0] = append_kernel(slot, name);
	event->string_length[1] = append_base(slot, current_task(), dirfd, sizeof(*event), event->string_length[0]);
	finish(slot, EVENT_PATH, WRITE);
}

static __always_inline void submit_descriptor(__u32 call, struct io_kiocb *request)
{
	struct slot *slot = begin_submission(EVENT_PATH, sizeof(struct event_path), call);

	if (!slot)
		return;
	struct event_path *event = (void *)slot->data;
	struct file *file;

	slot->flags |= EVENT_FROM_FD;
	event->fd = descriptor_of(request, &file);
	if (file) {
		walk_file(slot, file);
		event->string_length[2] = append_walk(slot);
	}
	finish(slot, EVENT_PATH, WRITE);
}

static __always_inline void submit_attribute(__u32 call, struct io_kiocb *request)
{
	struct io_xattr *command = (void *)request;
	struct slot *slot;

	if (!bpf_core_field_exists(command->ctx.kname))
		return;
	slot = begin_submission(EVENT_CALL, sizeof(struct event_call), call);
	if (!slot)
		return;
	struct event_call *event = (void *)slot->data;

	event->string_length[0] = append_kernel(slot, FOLLOW(command, ctx.kname)->name);
	if (call == __NR_fsetxattr) {
		struct file *file;

		event->arguments[0] = descriptor_of(request, &file);
		if (file) {
			slot->flags |= EVENT_FROM_FD;
			event->fd_mode = FOLLOW(file, f_inode, i_mode);
			walk_file(slot, file);
			event->string_length[1] = append_walk(slot);
		}
	} else {
		event->string_length[1] = append_kernel(slot, FOLLOW(command, filename, name));
	}
	finish(slot, EVENT_CALL, RARE);
}

static __always_inline void submit_paths(__u32 call, struct io_rename *command, bool symlink)
{
	struct slot *slot = begin_submission(EVENT_PATHS, sizeof(struct event_paths), call);

	if (!slot)
		return;
	struct event_paths *event = (void *)slot->data;
	__u32 target;

	event->call_flags = symlink ? 0 : FOLLOW(command, flags);
	event->source_fd = symlink ? AT_CWD : FOLLOW(command, old_dfd);
	event->target_fd = FOLLOW(command, new_dfd);
	event->string_length[0] = append_kernel(slot, FOLLOW(command, oldpath, name));
	if (!symlink)
		event->string_length[1] = append_base(slot, current_task(), event->source_fd, sizeof(*event),
						      event->string_length[0]);
	target = slot->length;
	event->string_length[2] = append_kernel(slot, FOLLOW(command, newpath, name));
	event->string_length[3] =
		append_base(slot, current_task(), event->target_fd, target, event->string_length[2]);
	finish(slot, EVENT_PATHS, WRITE);
}

static __always_inline void read_socket(struct sock *sk, struct event_socket *event, struct ends *ends)
{
	read_ends(sk, ends);
	event->type = FOLLOW(sk, sk_type);
	event->protocol = FOLLOW(sk, sk_protocol);
	event->state = FOLLOW(sk, __sk_common.skc_state);
}

/* The socket of a request, as it is before. */
static __always_inline void tell_socket(struct io_kiocb *request, struct event_socket *event, struct ends *ends)
{
	struct file *file;
	struct sock *sk;

	event->fd = descriptor_of(request, &file);
	sk = file ? sock_of(file) : 0;
	if (!sk)
		return;
	read_socket(sk, event, ends);
}

static __always_inline void tell_ends(struct event_socket *event, struct ends *ends)
{
	event->family = ends->family;
	event->local_port = ends->local_port;
	event->remote_port = ends->remote_port;
	__builtin_memcpy(event->local_address, ends->local, 16);
	__builtin_memcpy(event->remote_address, ends->remote, 16);
}

static __always_inline void submit_connect(struct io_kiocb *request)
{
	struct io_connect *command = (void *)request;
	__u64 address = (__u64)FOLLOW(command, addr);
	__u32 size = FOLLOW(command, addr_len);
	struct slot *slot = begin_submission(EVENT_SOCKET, sizeof(struct event_socket), __NR_connect);

	if (!slot)
		return;
	struct event_socket *event = (void *)slot->data;
	struct ends ends = {};

	tell_socket(request, event, &ends);
	event->from_user =
		read_user_end(address, size, &ends.family, ends.remote, &ends.remote_port);
	tell_ends(event, &ends);
	if (ends.family == FAMILY_UNIX)
		event->string_length[1] = append_user_unix(slot, address, size);
	finish(slot, EVENT_SOCKET, WRITE);
}

/* The copy of an address to bind to is the first thing there on some kernels; a pointer there cannot look like a family. */
static __always_inline void submit_bind(struct io_bind *bind, __u64 copy, struct event_socket *event, struct ends *ends)
{
	__u16 family = 0;

	if (!bpf_core_field_exists(bind->addr_len))
		return;
	bpf_probe_read_kernel(&family, sizeof(family), (void *)copy);
	if (family != FAMILY_INET && family != FAMILY_INET6)
		copy += bpf_core_field_offset(struct io_async_msghdr, addr);
	event->from_user = read_end(true, copy, FOLLOW(bind, addr_len), &ends->family, ends->local, &ends->local_port);
}

/* Messages and bind: the addresses of what is sent or bound lie in the kernel already; whom a message came from is not known yet. */
static __always_inline void submit_addressed(struct io_kiocb *request, __u32 call)
{
	struct io_async_msghdr *copy = FOLLOW(request, async_data);
	struct slot *slot = begin_submission(EVENT_SOCKET, sizeof(struct event_socket), call);

	if (!slot)
		return;
	struct event_socket *event = (void *)slot->data;
	struct ends ends = {};

	tell_socket(request, event, &ends);
	if (copy && bpf_core_field_exists(copy->addr)) {
		if (call == __NR_bind) {
			submit_bind((void *)request, (__u64)copy, event, &ends);
		} else if (event->type != TYPE_STREAM && (call == __NR_sendto || call == __NR_sendmsg)) {
			event->from_user = read_end(true, (__u64)FOLLOW(copy, msg.msg_name),
						    (__u32)FOLLOW(copy, msg.msg_namelen), &ends.family,
						    ends.remote, &ends.remote_port);
		}
	}
	tell_ends(event, &ends);
	finish(slot, EVENT_SOCKET, call == __NR_bind || call == __NR_listen ? WRITE : READ);
}

static __always_inline void submit_socket(struct io_socket *command)
{
	struct slot *slot = begin_submission(EVENT_SOCKET, sizeof(struct event_socket), __NR_socket);

	if (!slot)
		return;
	struct event_socket *event = (void *)slot->data;

	event->fd = -1;
	event->family = FOLLOW(command, domain);
	event->call_flags = FOLLOW(command, type);
	event->type = event->call_flags & TYPE_MASK;
	event->protocol = FOLLOW(command, protocol);
	event->message_size = FOLLOW(command, protocol);
	finish(slot, EVENT_SOCKET, READ);
}

/* Requests that accept connection after connection: all answers but the last name the ring and what is the key here, and no request. */
struct accept_key {
	struct io_ring_ctx *ring;
	__u64 user_data;
};

struct accept_request {
	__u32 flags;
	__u32 slot; /* the socket gets no fd but this number of the ring, counted from 1, or the one that is answered */
};

#define SLOT_ANSWERED (~0u)

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct accept_key);
	__type(value, struct accept_request);
} accepts SEC(".maps");

static __always_inline void read_accept(struct io_accept *command, struct accept_request *asked)
{
	asked->flags = FOLLOW(command, flags);
	asked->slot = bpf_core_field_exists(command->file_slot) ? FOLLOW(command, file_slot) : 0;
}

static __always_inline void remember_accept(struct io_kiocb *request)
{
	struct io_accept *command = (void *)request;
	struct accept_key key = { .ring = FOLLOW(request, ctx) };
	struct accept_request asked;

	if (!(config.watch[__NR_accept4] & WATCH_NATIVE) || !bpf_core_field_exists(request->cqe))
		return;
	/* Before 6.10 nothing tells those that are answered once. */
	if (bpf_core_field_exists(command->iou_flags) && !(FOLLOW(command, iou_flags) & ACCEPT_MULTISHOT))
		return;
	key.user_data = FOLLOW(request, cqe.user_data);
	read_accept(command, &asked);
	bpf_map_update_elem(&accepts, &key, &asked, BPF_ANY);
}

static __always_inline void tell_accept(struct io_ring_ctx *ring, struct accept_request *asked, __s32 result)
{
	struct slot *slot;

	if (result < 0 && !(config.watch[__NR_accept4] & WATCH_FAILED)) {
		filter(EVENT_SOCKET, FILTER_FAILED);
		return;
	}
	slot = begin_submission(EVENT_SOCKET, sizeof(struct event_socket), __NR_accept4);
	if (!slot)
		return;
	struct event_socket *event = (void *)slot->data;
	struct ends ends = {};
	struct file *file;
	struct sock *sk;

	event->header.result = result;
	event->call_flags = asked->flags;
	event->fd = asked->slot && asked->slot != SLOT_ANSWERED && result >= 0 ? asked->slot - 1 : result;
	file = asked->slot ? file_in_ring(ring, event->fd) : file_of(current_task(), event->fd);
	sk = file ? sock_of(file) : 0;
	if (sk) {
		read_socket(sk, event, &ends);
		if (ends.family == FAMILY_UNIX)
			event->string_length[0] = append_unix(slot, sk);
	}
	tell_ends(event, &ends);
	finish(slot, EVENT_SOCKET, WRITE);
}

/* Answers: of interest are those to accepts, whose sockets do not exist when they are submitted. */
SEC("?tp_btf/io_uring_complete")
int ring_completed(__u64 *ctx)
{
	struct io_kiocb *request = (void *)ctx[1];
	struct accept_key key = { .ring = (void *)ctx[0] };
	struct accept_request asked, *known;
	__s32 result;

	if (!(config.watch[__NR_accept4] & WATCH_NATIVE))
		return 0;
	if (request && FOLLOW(request, opcode) != OPERATION_ACCEPT)
		return 0;
	if (is_muted(current_task()))
		return 0;
	if (complete_tells_entry) {
		struct io_uring_cqe *entry = (void *)ctx[2];

		key.user_data = FOLLOW(entry, user_data);
		result = FOLLOW(entry, res);
	} else {
		key.user_data = ctx[2];
		result = ctx[3];
	}
	if (request) {
		read_accept((void *)request, &asked);
		bpf_map_delete_elem(&accepts, &key);
	} else {
		known = bpf_map_lookup_elem(&accepts, &key);
		if (!known)
			return 0;
		asked = *known;
	}
	tell_accept(key.ring, &asked, result);
	return 0;
}

SEC("?tp_btf/io_uring_submit_req")
int BPF_PROG(ring_submitted, struct io_kiocb *request)
{
	struct io_unlink *unlink = (void *)request;
	struct io_mkdir *mkdir = (void *)request;
	struct io_rename *rename = (void *)request;

	if (is_muted(current_task()))
		return 0;
	switch (FOLLOW(request, opcode)) {
	case OPERATION_OPENAT:
		submit_open(request, __NR_openat);
		break;
	case OPERATION_OPENAT2:
		submit_open(request, __NR_openat2);
		break;
	case OPERATION_CONNECT:
		if (bpf_core_field_exists(((struct io_connect *)request)->addr))
			submit_connect(request);
		break;
	case OPERATION_SENDMSG:
	case OPERATION_SENDMSG_ZC:
		submit_addressed(request, __NR_sendmsg);
		break;
	case OPERATION_SEND:
	case OPERATION_SEND_ZC:
		submit_addressed(request, __NR_sendto);
		break;
	case OPERATION_RECVMSG:
		submit_addressed(request, __NR_recvmsg);
		break;
	case OPERATION_RECV:
		submit_addressed(request, __NR_recvfrom);
		break;
	case OPERATION_FTRUNCATE:
		submit_descriptor(__NR_ftruncate, request);
		break;
	case OPERATION_ACCEPT:
		remember_accept(request);
		break;
	case OPERATION_BIND:
		submit_addressed(request, __NR_bind);
		break;
	case OPERATION_LISTEN:
		submit_addressed(request, __NR_listen);
		break;
	case OPERATION_SOCKET:
		if (bpf_core_field_exists(((struct io_socket *)request)->domain))
			submit_socket((void *)request);
		break;
	case OPERATION_SETXATTR:
		submit_attribute(__NR_setxattr, request);
		break;
	case OPERATION_FSETXATTR:
		submit_attribute(__NR_fsetxattr, request);
		break;
	case OPERATION_UNLINKAT:
		if (bpf_core_field_exists(unlink->filename))
			submit_path(__NR_unlinkat, FOLLOW(unlink, dfd), FOLLOW(unlink, flags),
				    FOLLOW(unlink, filename, name));
		break;
	case OPERATION_MKDIRAT:
		if (bpf_core_field_exists(mkdir->filename))
			submit_path(__NR_mkdirat, FOLLOW(mkdir, dfd), FOLLOW(mkdir, mode),
				    FOLLOW(mkdir, filename, name));
		break;
	case OPERATION_RENAMEAT:
		if (bpf_core_field_exists(rename->oldpath))
			submit_paths(__NR_renameat2, rename, false);
		break;
	/* struct io_link has the fields of struct io_rename in the same order. */
	case OPERATION_SYMLINKAT:
		if (bpf_core_field_exists(rename->oldpath))
			submit_paths(__NR_symlinkat, rename, true);
		break;
	case OPERATION_LINKAT:
		if (bpf_core_field_exists(rename->oldpath))
			submit_paths(__NR_linkat, rename, false);
		break;
	}
	return 0;
}

#endif
