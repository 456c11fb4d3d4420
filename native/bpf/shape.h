/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the arguments of each system call mean. A call that is not listed is told by its raw arguments. */
#ifndef TOCSIN_SHAPE_H
#define TOCSIN_SHAPE_H

#include <asm/unistd.h>

#include <bpf/bpf_helpers.h>

#include "control.h"

/* Newer than some of the headers this is built with; numbers from 424 on are the same everywhere. */
#ifndef __NR_fchmodat2
#define __NR_fchmodat2 452
#endif
#ifndef __NR_open_tree_attr
#define __NR_open_tree_attr 467
#endif

/* Admission classes of system calls. */
#define RARE 1
#define WRITE 2
#define READ 3

/* Argument places count from 1; 0 means there is none. RESULT names the returned value. */
#define RESULT 7

struct shape {
	__u8 kind;
	__u8 admission;
	__u8 path, dirfd;   /* a path, and the directory it is relative to (none: the cwd) */
	__u8 path2, dirfd2; /* PATHS: the target */
	__u8 text;          /* CALL: a string that is no path; mount: the file system type */
	__u8 fd;            /* CALL, PATH, SOCKET: the fd in question */
	__u8 mode;          /* mode, flags or backlog */
	__u8 owner, group;
	__u8 address;       /* SOCKET: user sockaddr, its length is the next argument */
	__u8 size;          /* SOCKET: bytes asked for; their buffer is the argument before */
	__u8 message;       /* SOCKET: struct msghdr instead of address and size */
	__u8 data, vector;  /* CALL: what the call moved, as a buffer or a list of them */
	__u8 credentials;   /* CALL: it changes capabilities, which are told instead of the last three arguments */
};

#define OPEN(...) { .kind = EVENT_OPEN, .admission = READ, __VA_ARGS__ }
#define PATH(class, ...) { .kind = EVENT_PATH, .admission = class, __VA_ARGS__ }
#define PATHS(class, ...) { .kind = EVENT_PATHS, .admission = class, __VA_ARGS__ }
#define SOCKET(class, ...) { .kind = EVENT_SOCKET, .admission = class, __VA_ARGS__ }
#define CALL(...) { .kind = EVENT_CALL, .admission = RARE, __VA_ARGS__ }
#define IO(at, ...) { .kind = EVENT_CALL, .admission = READ, .fd = at, __VA_ARGS__ }

static const struct shape shapes[SYSCALL_LIMIT] = {
	[__NR_openat] = OPEN(.path = 2, .dirfd = 1),
	[__NR_openat2] = OPEN(.path = 2, .dirfd = 1),
	[__NR_open_by_handle_at] = OPEN(.fd = 1),

	[__NR_unlinkat] = PATH(WRITE, .path = 2, .dirfd = 1, .mode = 3),
	[__NR_mkdirat] = PATH(WRITE, .path = 2, .dirfd = 1, .mode = 3),
	[__NR_mknodat] = PATH(RARE, .path = 2, .dirfd = 1, .mode = 3),
	[__NR_fchmod] = PATH(RARE, .fd = 1, .mode = 2),
	[__NR_fchmodat] = PATH(RARE, .path = 2, .dirfd = 1, .mode = 3),
	[__NR_fchmodat2] = PATH(RARE, .path = 2, .dirfd = 1, .mode = 3),
	[__NR_fchown] = PATH(RARE, .fd = 1, .owner = 2, .group = 3),
	[__NR_fchownat] = PATH(RARE, .path = 2, .dirfd = 1, .owner = 3, .group = 4, .mode = 5),
	[__NR_chdir] = PATH(WRITE, .path = 1),
	[__NR_fchdir] = PATH(WRITE, .fd = 1),
	[__NR_chroot] = PATH(RARE, .path = 1),
	[__NR_umount2] = PATH(RARE, .path = 1, .mode = 2),
	[__NR_truncate] = PATH(WRITE, .path = 1),
	[__NR_ftruncate] = PATH(WRITE, .fd = 1),

	[__NR_renameat2] = PATHS(WRITE, .path = 2, .dirfd = 1, .path2 = 4, .dirfd2 = 3, .mode = 5),
	[__NR_linkat] = PATHS(RARE, .path = 2, .dirfd = 1, .path2 = 4, .dirfd2 = 3, .mode = 5),
	[__NR_symlinkat] = PATHS(RARE, .path = 1, .path2 = 3, .dirfd2 = 2),
	[__NR_mount] = PATHS(RARE, .path = 1, .path2 = 2, .text = 3, .mode = 4),
	[__NR_move_mount] = PATHS(RARE, .path = 2, .dirfd = 1, .path2 = 4, .dirfd2 = 3, .mode = 5),
	[__NR_pivot_root] = PATHS(RARE, .path = 1, .path2 = 2),
#ifdef __NR_renameat
	[__NR_renameat] = PATHS(WRITE, .path = 2, .dirfd = 1, .path2 = 4, .dirfd2 = 3),
#endif

	[__NR_socket] = SOCKET(READ, .fd = RESULT),
	[__NR_socketpair] = SOCKET(READ),
	[__NR_bind] = SOCKET(WRITE, .fd = 1, .address = 2),
	[__NR_listen] = SOCKET(WRITE, .fd = 1, .mode = 2),
	[__NR_connect] = SOCKET(WRITE, .fd = 1, .address = 2),
	[__NR_accept] = SOCKET(WRITE, .fd = 1),
	[__NR_accept4] = SOCKET(WRITE, .fd = 1, .mode = 4),
	[__NR_sendto] = SOCKET(READ, .fd = 1, .size = 3, .mode = 4, .address = 5),
	[__NR_recvfrom] = SOCKET(READ, .fd = 1, .size = 3, .mode = 4, .address = 5),
	[__NR_sendmsg] = SOCKET(READ, .fd = 1, .message = 2, .mode = 3),
	[__NR_recvmsg] = SOCKET(READ, .fd = 1, .message = 2, .mode = 3),
	[__NR_sendmmsg] = SOCKET(READ, .fd = 1, .message = 2, .mode = 4),
	[__NR_recvmmsg] = SOCKET(READ, .fd = 1, .message = 2, .mode = 4),

	[__NR_execve] = { .kind = EVENT_EXECFAIL, .admission = RARE, .path = 1, .text = 2 },
	[__NR_execveat] = { .kind = EVENT_EXECFAIL, .admission = RARE, .path = 2, .text = 3 },

	[__NR_read] = IO(1, .data = 2),
	[__NR_readv] = IO(1, .vector = 2),
	[__NR_pread64] = IO(1, .data = 2),
	[__NR_preadv] = IO(1, .vector = 2),
	[__NR_preadv2] = IO(1, .vector = 2),
	[__NR_write] = IO(1, .data = 2),
	[__NR_writev] = IO(1, .vector = 2),
	[__NR_pwrite64] = IO(1, .data = 2),
	[__NR_pwritev] = IO(1, .vector = 2),
	[__NR_pwritev2] = IO(1, .vector = 2),
	[__NR_sendfile] = IO(1),
	[__NR_getdents64] = IO(1),
	[__NR_lseek] = IO(1),
	[__NR_fstat] = IO(1),
	[__NR_fsync] = IO(1),
	[__NR_fdatasync] = IO(1),
	[__NR_flock] = IO(1),
	[__NR_fallocate] = IO(1),
	[__NR_shutdown] = IO(1),
	[__NR_close] = IO(0),
	[__NR_mmap] = IO(5),

	[__NR_dup] = CALL(.fd = RESULT),
	[__NR_dup3] = CALL(.fd = RESULT),
	[__NR_fcntl] = CALL(.fd = 1),
	[__NR_ioctl] = CALL(.fd = 1),
	[__NR_prctl] = CALL(.text = 2),
	[__NR_setns] = CALL(.fd = 1, .credentials = 1),
	[__NR_unshare] = CALL(.credentials = 1),
	[__NR_capset] = CALL(.credentials = 1),
	[__NR_setuid] = CALL(.credentials = 1),
	[__NR_setreuid] = CALL(.credentials = 1),
	[__NR_setresuid] = CALL(.credentials = 1),
	[__NR_setfsuid] = CALL(.credentials = 1),
	[__NR_bpf] = CALL(.fd = RESULT),
	[__NR_userfaultfd] = CALL(.fd = RESULT),
	[__NR_memfd_create] = CALL(.text = 1),
	[__NR_init_module] = CALL(.text = 3),
	[__NR_finit_module] = CALL(.text = 2, .fd = 1),
	[__NR_delete_module] = CALL(.text = 1),
	[__NR_kexec_file_load] = CALL(.fd = 1, .text = 4),
	[__NR_perf_event_open] = CALL(.fd = RESULT),
	[__NR_pidfd_getfd] = CALL(.fd = RESULT),
	[__NR_quotactl] = CALL(.path = 2),
	[__NR_swapon] = CALL(.path = 1),
	[__NR_swapoff] = CALL(.path = 1),
	[__NR_acct] = CALL(.path = 1),
	[__NR_fsopen] = CALL(.text = 1),
	[__NR_fsconfig] = CALL(.text = 3, .path = 4),
	[__NR_fspick] = CALL(.path = 2),
	[__NR_name_to_handle_at] = CALL(.path = 2),
	[__NR_setxattr] = CALL(.path = 1, .text = 2),
	[__NR_lsetxattr] = CALL(.path = 1, .text = 2),
	[__NR_fsetxattr] = CALL(.fd = 1, .text = 2),
	[__NR_open_tree] = CALL(.path = 2),
	[__NR_open_tree_attr] = CALL(.path = 2),
	[__NR_mount_setattr] = CALL(.path = 2),

#if defined(__x86_64__) || defined(__TARGET_ARCH_x86)
	[__NR_open] = OPEN(.path = 1),
	[__NR_creat] = OPEN(.path = 1),
	[__NR_unlink] = PATH(WRITE, .path = 1),
	[__NR_rmdir] = PATH(WRITE, .path = 1),
	[__NR_mkdir] = PATH(WRITE, .path = 1, .mode = 2),
	[__NR_mknod] = PATH(RARE, .path = 1, .mode = 2),
	[__NR_chmod] = PATH(RARE, .path = 1, .mode = 2),
	[__NR_chown] = PATH(RARE, .path = 1, .owner = 2, .group = 3),
	[__NR_lchown] = PATH(RARE, .path = 1, .owner = 2, .group = 3),
	[__NR_rename] = PATHS(WRITE, .path = 1, .path2 = 2),
	[__NR_link] = PATHS(RARE, .path = 1, .path2 = 2),
	[__NR_symlink] = PATHS(RARE, .path = 1, .path2 = 2),
	[__NR_dup2] = CALL(.fd = RESULT),
#endif
};

/* Event kind of a call's record. */
static __always_inline __u32 kind_of(__u32 number)
{
	__u32 kind = shapes[number & (SYSCALL_LIMIT - 1)].kind;

	return kind ? kind : EVENT_CALL;
}

#endif
