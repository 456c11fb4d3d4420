/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The kernel's path of a file or directory, walked from its dentry to the root of the mount namespace. */
#ifndef TOCSIN_PATH_H
#define TOCSIN_PATH_H

#include "record.h"

/* Components and mount points a walk may pass. */
#define WALK_STEPS 128

/*
 * A walk that ended before the root has no slash in front: the last parts of a deep path must not pass for an absolute
 * one that others trust.
 */
static __always_inline void end_early(struct slot *slot)
{
	slot->flags |= EVENT_PATH_INCOMPLETE;
	if (slot->walk_offset < WALK_END)
		slot->walk_offset++;
}

/* How a walk ends: at a root, or at an object without a place (memfd, pipe), whose bare name may be empty. */
#define WALK_ROOT 1
#define WALK_NOWHERE 2

/*
 * One step towards the root; non-zero ends the walk. All state lives in the slot and offsets are masked, never compared
 * in registers, so that every round looks the same to the verifier.
 */
static __always_inline int walk_step(struct slot *slot)
{
	struct dentry *dentry = slot->walk_dentry;

	if (dentry == slot->walk_root) {
		struct mount *mount = slot->walk_mount;
		struct mount *parent = FOLLOW(mount, mnt_parent);

		if (parent != mount) {
			slot->walk_dentry = FOLLOW(mount, mnt_mountpoint);
			slot->walk_mount = parent;
			slot->walk_root = FOLLOW(parent, mnt.mnt_root);
			return 0;
		}
		if (FOLLOW(dentry, d_parent) == dentry ||
		    mount == FOLLOW_TASK(current_task(), nsproxy, mnt_ns, root))
			return WALK_ROOT; /* of the namespace */
		slot->walk_root = 0; /* a tree that is mounted nowhere: on to its place in its file system */
	}

	/* Parent and name are neighbours unless the kernel was built with shuffled structures. */
	struct {
		struct dentry *parent;
		__u32 hash;
		__u32 length;
		const unsigned char *name;
	} here = {};

	if (bpf_core_field_offset(struct dentry, d_name) ==
	    bpf_core_field_offset(struct dentry, d_parent) + sizeof(void *)) {
		bpf_probe_read_kernel(&here, sizeof(here),
				      (void *)dentry + bpf_core_field_offset(struct dentry, d_parent));
	} else {
		here.parent = FOLLOW(dentry, d_parent);
		here.length = FOLLOW(dentry, d_name.len);
		here.name = FOLLOW(dentry, d_name.name);
	}

	__u32 length = here.length & 0xff;
	bool detached = here.parent == dentry;
	__u32 offset = slot->walk_offset - length - 1;

	if (detached && !slot->walk_root)
		return WALK_ROOT;
	if (detached && slot->walk_offset != WALK_END) {
		end_early(slot); /* a tree that hangs nowhere any more */
		return WALK_NOWHERE;
	}
	slot->walk_offset = offset;
	offset &= WALK_END - 1;
	slot->walk[offset] = '/';
	bpf_probe_read_kernel(&slot->walk[offset + 1], length, here.name);
	if (detached) {
		slot->walk_offset++;
		return WALK_NOWHERE;
	}
	slot->walk_dentry = here.parent;
	if (slot->walk_offset < WALK_END - EVENT_PATH_MAX + 256) {
		slot->flags |= EVENT_TRUNCATED;
		end_early(slot);
		return WALK_NOWHERE;
	}
	return 0;
}

/*
 * Walks on from where the slot says. Global, as all that loops here is: the verifier looks at it once instead of at each call, and
 * knows nothing of the caller.
 */
__noinline int walk_up(__u32 number)
{
	struct slot *slot = bpf_map_lookup_elem(&slots, &number);

	if (!slot)
		return 0;
	for (int i = 0; i < WALK_STEPS; i++) {
		int ended = walk_step(slot);

		if (ended) {
			if (ended == WALK_ROOT && slot->walk_offset == WALK_END) {
				slot->walk_offset = WALK_END - 1;
				slot->walk[WALK_END - 1] = '/';
			}
			return 0;
		}
	}
	end_early(slot);
	return 0;
}

/* Leaves the path of a dentry in a mount at walk[walk_offset .. WALK_END). */
static __always_inline void walk(struct slot *slot, struct dentry *dentry, struct vfsmount *mount)
{
	slot->walk_offset = WALK_END;
	if (!dentry || !mount)
		return;
	slot->walk_dentry = dentry;
	slot->walk_mount = (void *)mount - bpf_core_field_offset(struct mount, mnt);
	slot->walk_root = FOLLOW(mount, mnt_root);
	walk_up(slot->number);
}

/* Appends what the last walk found; returns its length. */
static __always_inline __u16 append_walk(struct slot *slot)
{
	__u64 offset = slot->length, from = slot->walk_offset;

	PIN(offset);
	PIN(from);
	__u64 size = WALK_END - from;

	PIN(size);
	if (offset > LAST_STRING_OFFSET || from > WALK_END || !size || size > EVENT_PATH_MAX)
		return 0;
	if (bpf_probe_read_kernel(&slot->data[offset], size, &slot->walk[from]))
		return 0;
	slot->length = offset + size;
	return size;
}

/* A longer path is told twice rather than compared: the verifier goes through each round. */
#define COMPARED_MAX 512

/* Whether the last walk found exactly the string at one place of the record, of COMPARED_MAX bytes at most. */
__noinline int walk_is(__u32 number, __u32 offset, __u32 size)
{
	struct slot *slot = bpf_map_lookup_elem(&slots, &number);

	if (!slot)
		return 0;
	__u32 from = slot->walk_offset;

	if (WALK_END - from != size || !size)
		return 0;
	for (int i = 0; i < COMPARED_MAX / 8; i++) {
		__u32 at = i * 8;

		if (at >= size)
			return 1;
		__u32 left = (offset + at) & 0x1fff, right = (from + at) & (WALK_END - 1);
		__u64 difference = *(__u64 *)&slot->data[left] ^ *(__u64 *)&slot->walk[right];

		if (size - at < 8)
			return !(difference << ((64 - 8 * (size - at)) & 63));
		if (difference)
			return 0;
	}
	return size == COMPARED_MAX;
}

static __always_inline bool walk_equals(struct slot *slot, __u32 offset, __u32 size)
{
	return walk_is(slot->number, offset, size);
}

#endif
