/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Opens that need no record: those of a class that no rule wants, and those like one that no rule could match. */
#ifndef TOCSIN_VERDICT_H
#define TOCSIN_VERDICT_H

#include "call.h"

#define O_ACCESS 3
#define O_CREATE 0100
#define O_TEMPORARY 020000000
#if defined(__TARGET_ARCH_arm64)
#define O_DIRECTORIES 040000
#else
#define O_DIRECTORIES 0200000
#endif
#define CREAT_FLAGS (01 | O_CREATE | 01000)

/* What a native open says in its registers; openat2 has its flags in memory that can change meanwhile. */
static __always_inline bool read_open(struct pt_regs *regs, __u32 call, __u32 *flags, __u64 *path)
{
	__u64 args[6];

	read_arguments(regs, false, args);
	switch (call) {
	case __NR_openat:
		*flags = args[2];
		*path = args[1];
		return true;
	case __NR_open_by_handle_at:
		*flags = args[2];
		*path = 0;
		return true;
#ifdef __NR_open
	case __NR_open:
		*flags = args[1];
		*path = args[0];
		return true;
	case __NR_creat:
		*flags = CREAT_FLAGS;
		*path = args[0];
		return true;
#endif
	default:
		return false;
	}
}

/* Whether some rule could match an open of this class. */
static __always_inline bool is_wanted_open(struct pt_regs *regs, __u32 call, long result, __u32 event_flags)
{
	__u32 flags, class;
	__u64 path;

	if (event_flags & (EVENT_IA32 | EVENT_X32) || !read_open(regs, call, &flags, &path))
		return true;
	class = flags & O_ACCESS;
	if (flags & O_CREATE)
		class |= OPEN_CLASS_CREATE;
	if (flags & O_DIRECTORIES)
		class |= OPEN_CLASS_DIRECTORY;
	if (flags & O_TEMPORARY)
		class |= OPEN_CLASS_TEMPORARY;
	return config.open_classes[call & (SYSCALL_LIMIT - 1)][result < 0] >> class & 1;
}

/* Components and mount points of a path that is compared; one of more is told. The verifier follows them one by one at each load. */
#define COMPARE_STEPS 24
#define SHORT_NAME 40

/* The start of a dentry from its parent on. Short names lie in the dentry itself, behind its inode. */
struct dentry_head {
	struct dentry *parent;
	__u32 hash;
	__u32 length;
	const unsigned char *name;
	struct inode *inode;
	__u64 short_name[SHORT_NAME / 8];
};

struct mount_head {
	struct mount *parent;
	struct dentry *mountpoint;
	struct dentry *root;
};

static __always_inline void read_mount(struct mount_head *head, struct mount *mount)
{
	__u32 start = bpf_core_field_offset(struct mount, mnt_parent);

	if (bpf_core_field_offset(struct mount, mnt_mountpoint) == start + sizeof(void *) &&
	    bpf_core_field_offset(struct mount, mnt.mnt_root) == start + 2 * sizeof(void *)) {
		bpf_probe_read_kernel(head, sizeof(*head), (void *)mount + start);
	} else {
		head->parent = BPF_CORE_READ(mount, mnt_parent);
		head->mountpoint = BPF_CORE_READ(mount, mnt_mountpoint);
		head->root = BPF_CORE_READ(mount, mnt.mnt_root);
	}
}

/* Whether a name, of which a whole word may be read too much, is the one at this place. */
static __always_inline bool is_name(__u64 *name, __u32 length, const char *real, __u32 place)
{
	for (__u32 i = 0; i < SHORT_NAME / 8; i++) {
		if (i * 8 >= length)
			return true;
		__u64 difference = name[i] ^ *(__u64 *)&real[(place + i * 8) & 127];

		if (length - i * 8 < 8)
			difference <<= 64 - 8 * (length - i * 8);
		if (difference)
			return false;
	}
	return true;
}

/* What of a path was not compared yet: its first bytes. */
struct rest {
	const char *real;
	__u32 length;
};

/* Takes a name and the slash before it off the end. False when the rest does not end so. */
static __always_inline bool take_name(struct rest *rest, __u32 length, __u64 *name)
{
	if (length > SHORT_NAME || length >= rest->length)
		return false;
	rest->length = (rest->length - length - 1) & 127;
	return rest->real[rest->length & 127] == '/' && is_name(name, length, rest->real, rest->length + 1);
}

#ifndef TOCSIN_LEGACY

#define FILE_1(files, n) \
	case n:          \
		return (files)->fd_array[n];
#define FILE_4(files, n) FILE_1(files, n) FILE_1(files, n + 1) FILE_1(files, n + 2) FILE_1(files, n + 3)
#define FILE_16(files, n) FILE_4(files, n) FILE_4(files, n + 4) FILE_4(files, n + 8) FILE_4(files, n + 12)

/*
 * A file in the first table of its process, null when it lies in another. The verifier knows its type, and what it knows can be
 * read without a helper; that wants an offset which does not vary.
 */
static __always_inline struct file *first_file(struct task_struct *task, long fd)
{
	struct files_struct *files = task->files;

	if (files->fdt != &files->fdtab)
		return 0;
	switch (fd) {
		FILE_16(files, 0)
		FILE_16(files, 16)
		FILE_16(files, 32)
		FILE_16(files, 48)
	default:
		return 0;
	}
}

static __always_inline __u32 short_name_offset(void)
{
	if (bpf_core_field_exists(struct dentry, d_shortname))
		return bpf_core_field_offset(struct dentry, d_shortname);
	return bpf_core_field_offset(struct dentry___iname, d_iname);
}

/* Compares the names from a file to the root of its mount. */
static __always_inline bool is_in_mount(struct file *file, struct rest *rest)
{
	struct dentry *dentry = file->f_path.dentry, *root = file->f_path.mnt->mnt_root;

	for (int i = 0; i < COMPARE_STEPS; i++) {
		if (dentry == root)
			return true;
		struct dentry *parent = dentry->d_parent;
		__u64 *name = (void *)dentry + short_name_offset();

		if (parent == dentry || (void *)dentry->d_name.name != (void *)name)
			return false;
		if (!take_name(rest, dentry->d_name.len, name))
			return false;
		dentry = parent;
	}
	return false;
}

#else

static __always_inline struct file *first_file(struct task_struct *task, long fd)
{
	return 0;
}

static __always_inline bool is_in_mount(struct file *file, struct rest *rest)
{
	return false;
}

#endif

/*
 * Whether the path of an open file is exactly this one: the same walk as that of walk(), but nothing is written. A name
 * too long to lie in its dentry never is.
 */
static __always_inline bool is_really(long fd, struct verdict *verdict)
{
	__u32 start = bpf_core_field_offset(struct dentry, d_parent);
	struct task_struct *task = current_task();
	struct rest rest = { .real = verdict->real, .length = verdict->real_length & 127 };
	struct file *file = first_file(task, fd);
	struct dentry_head head;
	struct mount_head here;
	struct dentry *dentry;
	struct mount *mount;

	if (file) {
		if (!is_in_mount(file, &rest))
			return false;
		mount = (void *)file->f_path.mnt - bpf_core_field_offset(struct mount, mnt);
		read_mount(&here, mount);
		dentry = here.root;
	} else {
		struct path path;

		file = file_of(task, fd);
		if (!file || bpf_core_field_offset(struct dentry, d_name) != start + sizeof(void *))
			return false;
		BPF_CORE_READ_INTO(&path, file, f_path);
		mount = (void *)path.mnt - bpf_core_field_offset(struct mount, mnt);
		read_mount(&here, mount);
		dentry = path.dentry;
	}
	for (int i = 0; i < COMPARE_STEPS; i++) {
		if (dentry == here.root) {
			if (here.parent == mount)
				return !rest.length; /* the root of the namespace */
			dentry = here.mountpoint;
			mount = here.parent;
			read_mount(&here, mount);
			continue;
		}
		if (bpf_probe_read_kernel(&head, sizeof(head), (void *)dentry + start) || head.parent == dentry)
			return false;
		if ((void *)head.name != (void *)dentry + start + __builtin_offsetof(struct dentry_head, short_name))
			return false;
		if (!take_name(&rest, head.length, head.short_name))
			return false;
		dentry = head.parent;
	}
	return false;
}

/* Whether user space has learnt that no rule could match an open like this one, whoever makes it. */
static __always_inline bool is_ruled_out(struct pt_regs *regs, __u32 call, long result, __u32 event_flags)
{
	struct verdict_key key = {};
	struct verdict *verdict;
	__u64 path;
	long size;

	if (!config.verdicts || event_flags & (EVENT_IA32 | EVENT_X32) ||
	    !read_open(regs, call, &key.open_flags, &path) || !path)
		return false;
	size = bpf_probe_read_user_str(key.path, sizeof(key.path), (void *)path);
	/* What fills it may have been cut. */
	if (size <= 1 || size >= (long)sizeof(key.path) || key.path[0] != '/')
		return false;
	key.generation = config.generation;
	key.call = call;
	key.failed = result < 0;
	verdict = bpf_map_lookup_elem(&verdicts, &key);
	if (!verdict)
		return false;
	return !verdict->real_length || (result >= 0 && is_really(result, verdict));
}

#endif
