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

/*
 * Components and mount points of a path that is compared; one of more is told. The rounds are unrolled: the verifier remembers
 * what it has seen of a short loop only now and then, and follows all ways through it again and again.
 */
#define COMPARE_STEPS 20
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

/* A dentry whose name lies in it, its parent and that name; whole words of it can be read. False for another. */
struct named {
	struct dentry *parent;
	__u64 length;
	const __u64 *name;
};

#if defined(TOCSIN_LEGACY) || defined(TOCSIN_TYPED)

static __always_inline bool read_named(struct named *named, struct dentry *dentry, struct dentry_head *head)
{
	__u32 start = bpf_core_field_offset(struct dentry, d_parent);

	if (bpf_core_field_offset(struct dentry, d_name) != start + sizeof(void *) ||
	    bpf_probe_read_kernel(head, sizeof(*head), (void *)dentry + start))
		return false;
	named->parent = head->parent;
	named->length = head->length;
	named->name = head->short_name;
	return (void *)head->name == (void *)dentry + start + __builtin_offsetof(struct dentry_head, short_name);
}

#else

static __always_inline bool read_named(struct named *named, struct dentry *dentry, struct dentry_head *head)
{
	__u32 offset = bpf_core_field_exists(struct dentry, d_shortname) ?
			       bpf_core_field_offset(struct dentry, d_shortname) :
			       bpf_core_field_offset(struct dentry___iname, d_iname);

	dentry = AT(dentry);
	named->parent = dentry->d_parent;
	named->length = dentry->d_name.len;
	named->name = (void *)dentry + offset;
	return (void *)dentry->d_name.name == (void *)named->name;
}

#endif

/* Of a word of which so many bytes and 32 belong to a name: those of the name. */
static const __u64 kept[SHORT_NAME + 32 + 1] = {
	[33] = 0xff,
	[34] = 0xffff,
	[35] = 0xffffff,
	[36] = 0xffffffff,
	[37] = 0xffffffffff,
	[38] = 0xffffffffffff,
	[39] = 0xffffffffffffff,
	[40 ... SHORT_NAME + 32] = ~0ULL,
};

/* Whether a name is the one at this place. All words are compared alike: each branch here is one more for the verifier in every round. */
static __always_inline bool is_name(const __u64 *name, __u64 length, const char *real, __u64 place)
{
	__u64 difference = (name[0] ^ *(__u64 *)&real[place & 127]) & kept[length + 32];

	if (length > 8)
		for (int i = 1; i < SHORT_NAME / 8; i++)
			difference |= (name[i] ^ *(__u64 *)&real[(place + i * 8) & 127]) & kept[length + 32 - i * 8];
	return !difference;
}

/*
 * Whether the path of an open file is exactly this one: the same walk as that of walk(), but nothing is written. A name
 * too long to lie in its dentry never is.
 */
static __always_inline bool is_really(struct task_struct *task, long fd, struct verdict *verdict)
{
	struct file *file = file_of(task, fd);

	if (!file)
		return false;
	struct dentry *dentry = FOLLOW(file, f_path.dentry), *root;
	struct mount *mount = (void *)FOLLOW(file, f_path.mnt) - bpf_core_field_offset(struct mount, mnt);
	__u64 left = verdict->real_length & 127; /* bytes of the path that were not compared yet */
	struct dentry_head head;
	struct named named;

	root = FOLLOW(mount, mnt.mnt_root);
#pragma unroll
	for (int i = 0; i < COMPARE_STEPS; i++) {
		if (dentry == root) {
			struct mount *parent = FOLLOW(mount, mnt_parent);

			if (parent == mount)
				return !left; /* the root of the namespace */
			dentry = FOLLOW(mount, mnt_mountpoint);
			mount = parent;
			root = FOLLOW(mount, mnt.mnt_root);
			continue;
		}
		if (!read_named(&named, dentry, &head) || named.parent == dentry)
			return false;
		/* The name and the slash before it. */
		if (named.length > SHORT_NAME || named.length >= left)
			return false;
		left = (left - named.length - 1) & 127;
		if (verdict->real[left] != '/' || !is_name(named.name, named.length, verdict->real, left + 1))
			return false;
		dentry = named.parent;
	}
	return false;
}

static __always_inline bool is_given(const struct given_path *path, const struct given_path *other, __u32 length)
{
#pragma GCC unroll 16
	for (__u32 i = 0; i < VERDICT_PATH_MAX / 8; i++) {
		if (i * 8 >= length)
			break;
		if (path->words[i] != other->words[i])
			return false;
	}
	return true;
}

/* Whether user space told that the task is in no container; in doubt it did not. */
static __always_inline bool is_on_host(struct task_struct *task)
{
	__u64 cgroup = cgroup_of(task);

	return bpf_map_lookup_elem(&host_cgroups, &cgroup);
}

/* Whether user space has learnt that no rule could match an open like this one, whoever makes it, or whoever does on the host. */
static __always_inline bool is_ruled_out(struct task_struct *task, struct pt_regs *regs, __u32 call, long result,
					 __u32 event_flags)
{
	struct verdict_key key = {};
	struct given_path given = {};
	struct verdict *verdict;
	__u64 path;
	long size;

	if (!config.verdicts || event_flags & (EVENT_IA32 | EVENT_X32) ||
	    !read_open(regs, call, &key.open_flags, &path) || !path)
		return false;
	size = bpf_probe_read_user_str(&given, sizeof(given), (void *)path);
	/* What fills it may have been cut. */
	if (size <= 1 || size >= (long)sizeof(given) || (given.words[0] & 0xff) != '/')
		return false;
	key.length = size - 1;
	key.hash = hash_of(&given, key.length);
	key.generation = config.generation;
	key.call = call;
	key.failed = result < 0;
	verdict = bpf_map_lookup_elem(&verdicts, &key);
	if (!verdict || !is_given(&given, &verdict->path, key.length))
		return false;
	if (verdict->on_host && !is_on_host(task))
		return false;
	return !verdict->real_length || (result >= 0 && is_really(task, result, verdict));
}

#endif
