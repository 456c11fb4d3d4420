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

/* Components and mount points of a path that is compared. */
#define COMPARE_STEPS 64
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
static __always_inline bool is_name(struct dentry_head *head, __u32 length, const char *real, __u32 place)
{
	for (__u32 i = 0; i < SHORT_NAME / 8; i++) {
		if (i * 8 >= length)
			return true;
		__u64 difference =
			head->short_name[i] ^ *(__u64 *)&real[(place + i * 8) & 127];

		if (length - i * 8 < 8)
			difference <<= 64 - 8 * (length - i * 8);
		if (difference)
			return false;
	}
	return true;
}

/*
 * Whether the path of an open file is exactly this one: the same walk as that of walk(), but nothing is written. A name
 * too long to lie in its dentry never is.
 */
static __always_inline bool is_really(long fd, struct verdict *verdict)
{
	__u32 start = bpf_core_field_offset(struct dentry, d_parent);
	struct file *file = file_of(current_task(), fd);
	__u32 left = verdict->real_length & 127;
	struct dentry_head head;
	struct mount_head here;
	struct dentry *dentry;
	struct mount *mount;
	struct path path;

	if (!file || bpf_core_field_offset(struct dentry, d_name) != start + sizeof(void *))
		return false;
	BPF_CORE_READ_INTO(&path, file, f_path);
	dentry = path.dentry;
	mount = (void *)path.mnt - bpf_core_field_offset(struct mount, mnt);
	read_mount(&here, mount);
	for (int i = 0; i < COMPARE_STEPS; i++) {
		if (dentry == here.root) {
			if (here.parent == mount)
				return !left; /* the root of the namespace */
			dentry = here.mountpoint;
			mount = here.parent;
			read_mount(&here, mount);
			continue;
		}
		if (bpf_probe_read_kernel(&head, sizeof(head), (void *)dentry + start) || head.parent == dentry)
			return false;
		if ((void *)head.name != (void *)dentry + start + __builtin_offsetof(struct dentry_head, short_name))
			return false;
		if (head.length > SHORT_NAME || head.length >= left)
			return false;
		left = (left - head.length - 1) & 127;
		if (verdict->real[left & 127] != '/' || !is_name(&head, head.length, verdict->real, left + 1))
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
