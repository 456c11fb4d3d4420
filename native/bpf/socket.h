/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Addresses of sockets: the kernel's own, and those callers hand over. */
#ifndef TOCSIN_SOCKET_H
#define TOCSIN_SOCKET_H

#include "file.h"

#define FAMILY_UNIX 1
#define FAMILY_INET 2
#define FAMILY_INET6 10
#define UNIX_PATH_MAX 108
#define TYPE_STREAM 1
#define TYPE_SEQPACKET 5
#define TYPE_MASK 0xf

/* Both ends of a socket, as much as it has. */
struct ends {
	__u16 family;
	__u16 local_port;
	__u16 remote_port;
	__u8 local[16];
	__u8 remote[16];
};

static __always_inline struct sock *sock_of(struct file *file)
{
	struct inode *inode = FOLLOW(file, f_inode);
	struct socket *socket;

	if (FOLLOW(inode, i_sb, s_magic) != SOCKFS_MAGIC)
		return 0;
	socket = FOLLOW(file, private_data);
	return FOLLOW(socket, sk);
}

static __always_inline void read_ends(struct sock *sk, struct ends *ends)
{
	ends->family = FOLLOW(sk, __sk_common.skc_family);
	if (ends->family == FAMILY_INET) {
		*(__u32 *)ends->local = FOLLOW(sk, __sk_common.skc_rcv_saddr);
		*(__u32 *)ends->remote = FOLLOW(sk, __sk_common.skc_daddr);
	} else if (ends->family == FAMILY_INET6) {
		if (bpf_core_field_exists(sk->__sk_common.skc_v6_daddr)) {
			BPF_CORE_READ_INTO((struct in6_addr *)ends->local, sk, __sk_common.skc_v6_rcv_saddr);
			BPF_CORE_READ_INTO((struct in6_addr *)ends->remote, sk, __sk_common.skc_v6_daddr);
		}
	} else {
		return;
	}
	ends->local_port = FOLLOW(sk, __sk_common.skc_num);
	ends->remote_port = __builtin_bswap16(FOLLOW(sk, __sk_common.skc_dport));
}

/* Appends the path a unix socket is bound to; an abstract name starts with NUL. */
static __always_inline __u16 append_unix(struct slot *slot, struct sock *sk)
{
	__u64 offset = slot->length;

	if (!bpf_core_type_exists(struct unix_sock))
		return 0;
	struct unix_address *address = FOLLOW((struct unix_sock *)sk, addr);

	if (!address)
		return 0;
	void *path = (void *)address + bpf_core_field_offset(struct unix_address, name) + sizeof(__u16);
	__u64 size = FOLLOW(address, len) - (int)sizeof(__u16);
	char first = 0;

	PIN(offset);
	PIN(size);
	if (offset > LAST_STRING_OFFSET || !size || size > UNIX_PATH_MAX)
		return 0;
	bpf_probe_read_kernel(&first, 1, path);
	if (first)
		return append_kernel(slot, path);
	if (bpf_probe_read_kernel(&slot->data[offset], size, path))
		return 0;
	slot->length = offset + size;
	return size;
}

static __always_inline struct sock *unix_peer(struct sock *sk)
{
	if (!bpf_core_type_exists(struct unix_sock))
		return 0;
	return FOLLOW((struct unix_sock *)sk, peer);
}

/* An address in the caller's memory, at its longest IPv6; unix paths are read when they are appended. */
struct user_address {
	__u16 family;
	__u16 port;
	union {
		__u8 inet[4];
		struct {
			__u32 flow;
			__u8 inet6[16];
		};
	};
};

static __always_inline long read_memory(bool kernel, void *to, __u32 size, __u64 from)
{
	return kernel ? bpf_probe_read_kernel(to, size, (void *)from) : bpf_probe_read_user(to, size, (void *)from);
}

/* Reads a caller's socket address, or the kernel's copy of it, into one end; false when there is none. */
static __always_inline bool read_end(bool kernel, __u64 address, __u64 size, __u16 *family, __u8 *where, __u16 *port)
{
	struct user_address user = {};

	if (!address || size < sizeof(__u16))
		return false;
	if (size >= sizeof(user)) {
		if (read_memory(kernel, &user, sizeof(user), address))
			return false;
	} else if (size >= 16) {
		if (read_memory(kernel, &user, 16, address))
			return false;
	} else if (read_memory(kernel, &user, sizeof(__u16), address)) {
		return false;
	}
	if (!user.family)
		return false; /* AF_UNSPEC undoes a connection */
	*family = user.family;
	if (user.family == FAMILY_INET) {
		__builtin_memset(where, 0, 16);
		__builtin_memcpy(where, user.inet, 4);
	} else if (user.family == FAMILY_INET6) {
		__builtin_memcpy(where, user.inet6, 16);
	} else {
		return true;
	}
	*port = __builtin_bswap16(user.port);
	return true;
}

static __always_inline bool read_user_end(__u64 address, __u64 size, __u16 *family, __u8 *where, __u16 *port)
{
	return read_end(false, address, size, family, where, port);
}

/* Appends the unix path of a caller's socket address. */
static __always_inline __u16 append_user_unix(struct slot *slot, __u64 address, __u64 size)
{
	__u64 offset = slot->length;
	char first = 0;
	long length;

	PIN(offset);
	PIN(size);
	if (size <= sizeof(__u16) || offset > LAST_STRING_OFFSET)
		return 0;
	size -= sizeof(__u16);
	if (size > UNIX_PATH_MAX)
		size = UNIX_PATH_MAX;
	address += sizeof(__u16);
	bpf_probe_read_user(&first, 1, (void *)address);
	if (!first) {
		if (bpf_probe_read_user(&slot->data[offset], size, (void *)address))
			return 0;
		slot->length = offset + size;
		return size;
	}
	length = bpf_probe_read_user_str(&slot->data[offset], size + 1, (void *)address);
	if (length <= 1 || length > UNIX_PATH_MAX + 1)
		return 0;
	slot->length = offset + length - 1;
	return length - 1;
}

#endif
