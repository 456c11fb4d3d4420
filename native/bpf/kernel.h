/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The kernel structures the probe reads, and of those only the fields it reads. Offsets are relocated when the probe is
 * loaded (CO-RE), so order and size here mean nothing; names do. A suffix after ___ is a variant of the same structure.
 */
#ifndef TOCSIN_KERNEL_H
#define TOCSIN_KERNEL_H

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	unsigned int val;
} kuid_t;

typedef struct {
	unsigned int val;
} kgid_t;

typedef struct {
	int counter;
} atomic_t;

struct list_head {
	struct list_head *next;
};

struct qstr {
	union {
		struct {
			__u32 hash;
			__u32 len;
		};
		__u64 hash_len;
	};
	const unsigned char *name;
};

struct file_system_type {
	const char *name;
};

struct super_block {
	__u32 s_dev;
	unsigned long s_magic;
};

struct timespec64 {
	__s64 tv_sec;
	long tv_nsec;
};

struct inode {
	unsigned short i_mode;
	kuid_t i_uid;
	kgid_t i_gid;
	struct super_block *i_sb;
	unsigned long i_ino;
	unsigned int i_nlink;
	__s64 i_mtime_sec;
	__s64 i_ctime_sec;
	__u32 i_mtime_nsec;
	__u32 i_ctime_nsec;
};

/* 6.6 to 6.10. */
struct inode___underscored {
	struct timespec64 __i_ctime;
	struct timespec64 __i_mtime;
};

/* 6.6 has the old name for the modification time only. */
struct inode___plain {
	struct timespec64 i_ctime;
	struct timespec64 i_mtime;
};

union shortname_store {
	unsigned char string[1];
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	union shortname_store d_shortname;
};

/* Before 6.14. */
struct dentry___iname {
	unsigned char d_iname[1];
};

struct ovl_inode {
	struct inode vfs_inode;
	struct dentry *__upperdentry;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct mnt_namespace {
	struct mount *root;
};

struct nsproxy {
	struct mnt_namespace *mnt_ns;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	unsigned int f_mode;
	void *private_data;
	struct inode *f_inode;
	struct path f_path;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

/* The table that the first descriptors of a process lie in, until it has more. */
#define FIRST_FILES 64

struct files_struct {
	struct fdtable *fdt;
	struct fdtable fdtab;
	struct file *fd_array[FIRST_FILES];
};

struct fs_struct {
	struct path pwd;
};

struct percpu_counter {
	__s64 count;
};

struct mm_struct {
	unsigned long total_vm;
	struct percpu_counter rss_stat[4];
	unsigned long start_stack;
	unsigned long arg_start;
	unsigned long arg_end;
	unsigned long env_start;
	unsigned long env_end;
	struct file *exe_file;
};

/* Before 6.2. */
struct mm_struct___plain {
	struct {
		long count[4];
	} rss_stat;
};

typedef struct {
	__u64 val;
} kernel_cap_t;

struct cred {
	kuid_t euid;
	kgid_t egid;
	kuid_t fsuid;
	kgid_t fsgid;
	kernel_cap_t cap_inheritable;
	kernel_cap_t cap_permitted;
	kernel_cap_t cap_effective;
};

struct task_struct;

struct pid_namespace {
	struct task_struct *child_reaper;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct tty_driver {
	int major;
	int minor_start;
};

struct tty_struct {
	struct tty_driver *driver;
	int index;
};

struct rlimit {
	unsigned long rlim_cur;
};

struct signal_struct {
	atomic_t live;
	int nr_threads;
	struct rlimit rlim[16];
	int group_exit_code;
	unsigned int flags;
	unsigned int is_child_subreaper : 1;
	struct pid *pids[4];
	struct tty_struct *tty;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup_root {
	int hierarchy_id;
};

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct css_set {
	struct cgroup_subsys_state *subsys[16];
	struct cgroup *dfl_cgrp;
};

struct thread_info {
	unsigned long flags;
	__u32 status;
};

struct task_struct {
	struct thread_info thread_info;
	struct mm_struct *mm;
	unsigned int flags;
	int exit_code;
	int pid;
	int tgid;
	unsigned long min_flt;
	unsigned long maj_flt;
	struct task_struct *real_parent;
	struct list_head children;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	__u64 start_boottime;
	const struct cred *cred;
	char comm[16];
	struct fs_struct *fs;
	struct files_struct *files;
	struct signal_struct *signal;
	kuid_t loginuid;
	struct nsproxy *nsproxy;
	struct css_set *cgroups;
};

struct linux_binprm {
	const char *filename;
};

struct in6_addr {
	__u8 s6_addr[16];
};

struct sock_common {
	__u32 skc_daddr;
	__u32 skc_rcv_saddr;
	__u16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
	__u16 sk_type;
};

struct socket {
	short type;
	struct sock *sk;
};

struct sockaddr_un {
	unsigned short sun_family;
	char sun_path[108];
};

struct unix_address {
	int len;
	struct sockaddr_un name[1];
};

struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
};

struct filename {
	const char *name;
};

struct open_how {
	__u64 flags;
	__u64 mode;
	__u64 resolve;
};

struct io_cqe {
	__u64 user_data;
	int fd; /* of the submission, until the answer lies here */
};

/* The files that a ring numbers itself. The low bits of file_ptr are flags. */
struct io_rsrc_node {
	unsigned long file_ptr;
};

struct io_rsrc_data {
	unsigned int nr;
	struct io_rsrc_node **nodes;
};

struct io_fixed_file {
	unsigned long file_ptr;
};

struct io_file_table {
	struct io_rsrc_data data;
};

struct io_ring_ctx {
	struct io_file_table file_table;
};

/* Before 6.13. */
struct io_file_table___plain {
	struct io_fixed_file *files;
};

struct io_ring_ctx___plain {
	unsigned int nr_user_files;
	struct io_file_table___plain file_table;
};

struct io_kiocb {
	__u8 opcode;
	struct file *file;
	struct io_cqe cqe;
	__u64 flags;
	struct io_ring_ctx *ctx;
	void *async_data;
};

struct msghdr {
	void *msg_name;
	int msg_namelen;
};

/* What the kernel copied of a message before it is sent, and of an address. */
struct io_async_msghdr {
	struct msghdr msg;
	struct {
		__u16 ss_family;
	} addr;
};

/* The commands below lie over the start of the request. */
struct io_open {
	int dfd;
	struct filename *filename;
	struct open_how how;
};

struct io_unlink {
	int dfd;
	int flags;
	struct filename *filename;
};

struct io_mkdir {
	int dfd;
	unsigned short mode;
	struct filename *filename;
};

struct xattr_name {
	char name[256];
};

struct kernel_xattr_ctx {
	struct xattr_name *kname;
};

struct io_xattr {
	struct kernel_xattr_ctx ctx;
	struct filename *filename;
};

struct io_rename {
	int old_dfd;
	int new_dfd;
	struct filename *oldpath;
	struct filename *newpath;
	int flags;
};

struct io_link {
	int old_dfd;
	int new_dfd;
	struct filename *oldpath;
	struct filename *newpath;
	int flags;
};

struct io_accept {
	int flags;
	int iou_flags;
	__u32 file_slot;
};

struct io_uring_cqe {
	__u64 user_data;
	__s32 res;
};

struct io_connect {
	void *addr;
	int addr_len;
};

struct io_bind {
	int addr_len;
};

struct io_socket {
	int domain;
	int type;
	int protocol;
};

struct pt_regs {
#if defined(__TARGET_ARCH_arm64)
	__u64 regs[31];
	__u64 orig_x0;
	__s32 syscallno;
#else
	unsigned long bp;
	unsigned long bx;
	unsigned long r10;
	unsigned long r9;
	unsigned long r8;
	unsigned long cx;
	unsigned long dx;
	unsigned long si;
	unsigned long di;
	unsigned long orig_ax;
#endif
};

#pragma clang attribute pop

/* Magic numbers of <linux/magic.h> and flags the kernel keeps to itself. */
#define OVERLAYFS_MAGIC 0x794c7630
#define SOCKFS_MAGIC 0x534f434b
#define FMODE_CREATED 0x100000
#define SIGNAL_GROUP_EXIT 0x4
#define TASK_EXITING 0x4
#define PIDTYPE_TGID 1
#define PIDTYPE_PGID 2
#define PIDTYPE_SID 3
#define CAP_DAC_OVERRIDE_BIT (1ULL << 1)
#define S_FORMAT 0170000
#define S_SOCKET 0140000
#define AT_CWD (-100)
#define RLIMIT_FILES 7
/* Pages of memory by sort. */
#define PAGES_FILE 0
#define PAGES_ANONYMOUS 1
#define PAGES_SWAPPED 2
#define PAGES_SHARED 3

/*
 * Reads along pointers: FOLLOW from any, FOLLOW_TASK from a task that the kernel handed out. There are three objects, each for the
 * kernels that the next is too new for. From 6.2 on a program may take any address for a pointer to what it says lies there, and
 * follow it: a load that finds nothing gives zero, and costs a fraction of a helper call. What the kernel itself hands out is taken
 * so, too: the verifier asks much about what trusted pointers lead to, at each load, and nothing about others. From 5.11 on programs
 * follow what the kernel handed out. Before, each load is a call.
 */
#if defined(TOCSIN_LEGACY)
#define current_task() ((struct task_struct *)bpf_get_current_task())
#define AT(pointer) (pointer)
#define FOLLOW_TASK(task, ...) BPF_CORE_READ(task, __VA_ARGS__)
#define FOLLOW(from, ...) BPF_CORE_READ(from, __VA_ARGS__)
#elif defined(TOCSIN_TYPED)
#define current_task() bpf_get_current_task_btf()
#define AT(pointer) (pointer)
#define FOLLOW_TASK(task, ...) ___arrow(task, __VA_ARGS__)
#define FOLLOW(from, ...) BPF_CORE_READ(from, __VA_ARGS__)
#else
extern void *bpf_rdonly_cast(const void *address, __u32 type) __ksym;

#define AT(pointer) ((typeof(pointer))bpf_rdonly_cast(pointer, bpf_core_type_id_kernel(typeof(*(pointer)))))
#define current_task() AT((struct task_struct *)bpf_get_current_task_btf())
#define FOLLOW_TASK(task, ...) ___arrow(task, __VA_ARGS__)
#define FOLLOW(from, ...) ___arrow(AT(from), __VA_ARGS__)
#endif

#endif
