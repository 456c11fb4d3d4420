/* SPDX-License-Identifier: Apache-2.0 */
/*
 * THE kernel record: what the probe writes into the ring buffer and what the agent reads.
 *
 * Shared by bpf/ (clang), src/ (g++) and scripts/generate-layout.mjs, which writes lib/layout.ts from it.
 * Little endian. Every field is naturally aligned and padding is explicit. After the fixed part of a kind come its
 * strings, one behind the other without NUL, their byte lengths in string_length[] in the order of its *_STRINGS list.
 * Raise EVENT_ABI on every change of layout or meaning.
 */
#ifndef TOCSIN_EVENT_H
#define TOCSIN_EVENT_H

#include <linux/types.h>

#define EVENT_ABI 3
/* Longest string of each sort, in bytes. Longer ones are cut and flagged EVENT_TRUNCATED. */
#define EVENT_PATH_MAX 4096
#define EVENT_ARGS_MAX 4096

/* What a record is. */
#define EVENT_FORK 1     /* a new process (never a thread), told by its parent before the child runs */
#define EVENT_EXEC 2     /* a successful exec, told by the new image before its first instruction */
#define EVENT_EXIT 3     /* the last thread of a process has gone */
#define EVENT_OPEN 4     /* open, openat, openat2, creat, open_by_handle_at */
#define EVENT_PATH 5     /* a call on one path or one fd's path: unlink, mkdir, chmod, mknod, chdir, chroot, umount */
#define EVENT_PATHS 6    /* a call on two paths: rename, link, symlink, mount, move_mount, pivot_root */
#define EVENT_SOCKET 7   /* socket, bind, listen, connect, accept, sendto, sendmsg, recvfrom, recvmsg */
#define EVENT_CALL 8     /* any other call, told by its raw arguments: ptrace, setuid, setns, bpf, dup, modules */
#define EVENT_EXECFAIL 9 /* an exec that failed; the process is still the caller */
#define EVENT_CGROUP 10  /* a cgroup was made or removed, or a process moved into one */

/* event_header.flags */
#define EVENT_IA32 (1u << 0)            /* made through the 32-bit entry; syscall is already the 64-bit number */
#define EVENT_X32 (1u << 1)             /* made with an x32 number */
#define EVENT_IO_URING (1u << 2)        /* made through a submission ring */
#define EVENT_TRUNCATED (1u << 3)       /* a string was longer than its limit */
#define EVENT_FAULT (1u << 4)           /* a string could not be read from user memory */
#define EVENT_PATH_INCOMPLETE (1u << 5) /* a kernel path walk ended before the root: that path has no slash in front */
#define EVENT_REAL_SAME (1u << 6)       /* the kernel's path equals the path as given: real is empty */
#define EVENT_PIDNS (1u << 7)           /* the process lives in a pid namespace of its own */
#define EVENT_FROM_FD (1u << 8)         /* the path comes from an fd, not from an argument */
#define EVENT_EXE_OVERLAY (1u << 9)     /* exec: the file lies on overlayfs */
#define EVENT_EXE_UPPER (1u << 10)      /* exec: ... in its upper layer */
#define EVENT_EXE_MEMFD (1u << 11)      /* exec: the file is a memfd */
#define EVENT_EXE_DELETED (1u << 12)    /* exec: the file has no name any more */
#define EVENT_FILE_CREATED (1u << 13)   /* open: this call made the file */
#define EVENT_FILE_OVERLAY (1u << 14)   /* open: the file lies on overlayfs */
#define EVENT_FILE_UPPER (1u << 15)     /* open: ... in its upper layer */
#define EVENT_EXE_WRITABLE (1u << 16)   /* exec: the caller may write the file */

/* cgroup record: what happened. */
#define CGROUP_MKDIR 1
#define CGROUP_RMDIR 2
#define CGROUP_ATTACH 3

/* The start of every record: who did it, where, and how it ended. */
struct event_header {
	__u64 time;     /* CLOCK_BOOTTIME, ns */
	__u64 cgroup;   /* kernfs id of the process's cgroup */
	__s64 result;   /* return value; 0 for records that are not system calls */
	__u32 length;   /* bytes of the whole record, this header and the strings included */
	__u8 kind;      /* EVENT_FORK ... */
	__u8 admission; /* graded admission class: 0 lifecycle, 1 rare, 2 write and network, 3 read */
	__u16 cpu;
	__u16 syscall; /* native 64-bit number, whatever the entry; 0xffff for records that are not system calls. Of a fork the
			  call that made the process, where the kernel tells */
	__u16 threads; /* of the process now; 0xffff stands for more, too */
	__u32 flags;
	__u32 sequence; /* per cpu, without gaps unless records were lost */
	__u32 start;    /* thread group leader's start_boottime >> 20 (about a millisecond): with tgid the identity */
	__u32 tgid;
	__u32 tid;
	__u32 ppid; /* tgid of the real parent now */
	__u32 vpid; /* tgid in the innermost pid namespace */
	__u32 euid;
	__u32 egid;
	char comm[16];
	__u32 audit_uid; /* login uid, 0xffffffff when unset */
	__u32 vtid; /* tid in the innermost pid namespace */
};

/* What a process uses when it is made or executes a program. */
struct event_usage {
	__u32 file_limit;   /* soft limit of open files */
	__u32 major_faults; /* of the thread, since it began */
	__u32 minor_faults;
	__u32 virtual_kilobytes;
	__u32 resident_kilobytes;
	__u32 swapped_kilobytes;
};

/* EVENT_FORK: the header is the parent's, this is the child's. */
struct event_fork {
	struct event_header header;
	__u64 cgroup;
	__u64 cap_permitted;
	__u64 cap_effective;
	__u64 cap_inheritable;
	struct event_usage usage;
	__u32 start;
	__u32 tgid;
	__u32 vpid;
	__u32 flags; /* EVENT_PIDNS of the child */
};

/* EVENT_EXEC and EVENT_EXECFAIL. Strings: filename, exe_path, cwd, args, env. For a failed exec only filename and args. */
#define EXEC_STRINGS 5
struct event_exec {
	struct event_header header;
	__u64 cap_permitted;
	__u64 cap_effective;
	__u64 cap_inheritable;
	__u64 inode;
	__u64 change_time;       /* of the file, ns since the epoch */
	__u64 modification_time; /* of the file, ns since the epoch */
	__u64 stack;             /* where it starts: tells one run of a program from another, as /proc does */
	struct event_usage usage; /* zero for a failed exec */
	__u32 session;           /* sid */
	__u32 process_group;     /* pgid */
	__u32 vprocess_group;    /* pgid in the innermost pid namespace */
	__u32 tty;               /* encoded device number, 0 for none */
	__u32 args_total;        /* bytes of the argument area before any cut */
	__u16 string_length[EXEC_STRINGS];
	__u16 reserved;
};

struct event_exit {
	struct event_header header;
	__s32 status; /* as wait(2) tells it */
	__u32 reaper; /* tgid that inherits the children, 0 when unknown */
};

/* Strings: path as given, base (the directory a relative path starts from), real (what the kernel opened). */
#define OPEN_STRINGS 3
struct event_open {
	struct event_header header;
	__u64 inode;
	__u32 device;
	__u32 open_flags; /* O_*, as given */
	__u32 mode;       /* as given, 0 unless the call can create */
	__u32 file_mode;  /* st_mode of what was opened, 0 on failure */
	__s32 dirfd;
	__u32 resolve; /* openat2 */
	__u16 string_length[OPEN_STRINGS];
	__u16 reserved;
};

/* Strings: path as given (empty when EVENT_FROM_FD), base, real (the fd's path, or the new cwd). */
#define PATH_STRINGS 3
struct event_path {
	struct event_header header;
	__u32 mode; /* mode or flags of the call */
	__s32 fd;   /* dirfd, or the fd itself when EVENT_FROM_FD */
	__u32 owner;
	__u32 group;
	__u16 string_length[PATH_STRINGS];
	__u16 reserved;
};

/* Strings: source, source_base, target, target_base, type (mount: file system type). */
#define PATHS_STRINGS 5
struct event_paths {
	struct event_header header;
	__u64 call_flags;
	__s32 source_fd;
	__s32 target_fd;
	__u16 string_length[PATHS_STRINGS];
	__u16 reserved;
};

/* Ports in host order, addresses in network order: 4 bytes for AF_INET, 16 for AF_INET6. Strings: unix path local, remote, and the
   first bytes that a message call sent or received. */
#define SOCKET_STRINGS 3
#define EVENT_DATA_MAX 80
struct event_socket {
	struct event_header header;
	__s32 fd;
	__u16 family; /* AF_* */
	__u8 type;    /* SOCK_* */
	__u8 protocol;
	__u16 local_port;
	__u16 remote_port;
	__u8 local_address[16];
	__u8 remote_address[16];
	__u32 call_flags; /* accept4 and message flags, listen backlog, raw type of socket(2) */
	__u32 message_size; /* bytes asked for by a message call, raw protocol of socket(2) */
	__u8 state;       /* TCP state of the socket */
	__u8 from_user;   /* the remote address was read from the caller's memory, the socket had none */
	__u16 string_length[SOCKET_STRINGS];
};

/*
 * Strings: text (memfd name, module parameters, the first bytes that were read or written), path (of the fd in question, or a path
 * argument). Calls that change credentials have three arguments at most; the others are the thread's permitted, effective and
 * inheritable capabilities after the call.
 */
#define CALL_STRINGS 2
struct event_call {
	struct event_header header;
	__u64 arguments[6];
	__u32 fd_mode;   /* st_mode of the fd in question, 0 when there is none */
	__u16 fd_family; /* AF_* when it is a socket */
	__u8 fd_type;    /* SOCK_* */
	__u8 fd_protocol;
	__u8 fd_local_address[16];
	__u8 fd_remote_address[16];
	__u16 fd_local_port;
	__u16 fd_remote_port;
	__u16 string_length[CALL_STRINGS];
};

/* Strings: path of the cgroup from the root of its hierarchy. */
#define CGROUP_STRINGS 1
struct event_cgroup {
	struct event_header header;
	__u64 id;       /* kernfs id */
	__u32 action;   /* CGROUP_MKDIR ... */
	__u32 attached; /* tgid that moved */
	__u32 hierarchy;
	__u16 string_length[CGROUP_STRINGS];
	__u16 reserved;
};

#define EVENT_SIZE_IS(type, size) _Static_assert(sizeof(struct type) == (size), #type " changed its size")
#ifdef __cplusplus
#undef EVENT_SIZE_IS
#define EVENT_SIZE_IS(type, size) static_assert(sizeof(struct type) == (size), #type " changed its size")
#endif
EVENT_SIZE_IS(event_header, 96);
EVENT_SIZE_IS(event_fork, 168);
EVENT_SIZE_IS(event_exec, 208);
EVENT_SIZE_IS(event_exit, 104);
EVENT_SIZE_IS(event_open, 136);
EVENT_SIZE_IS(event_path, 120);
EVENT_SIZE_IS(event_paths, 128);
EVENT_SIZE_IS(event_socket, 160);
EVENT_SIZE_IS(event_call, 192);
EVENT_SIZE_IS(event_cgroup, 120);

#endif
