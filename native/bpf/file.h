/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* From file descriptors to files and their facts. */
#ifndef TOCSIN_FILE_H
#define TOCSIN_FILE_H

#include "path.h"

/* No reference is taken: a sibling thread that closes the fd at this moment can make the answer stale. */
static __always_inline struct file *file_of(struct task_struct *task, int fd)
{
	struct fdtable *table = FOLLOW_TASK(task, files, fdt);

	if (fd < 0 || (__u32)fd >= FOLLOW_TASK(table, max_fds))
		return 0;
	/* Any structure that begins with a pointer does to read one. */
	struct list_head *place = (void *)(FOLLOW_TASK(table, fd) + fd);

	return (void *)FOLLOW(place, next);
}

static __always_inline void walk_file(struct slot *slot, struct file *file)
{
	walk(slot, FOLLOW(file, f_path.dentry), FOLLOW(file, f_path.mnt));
}

static __always_inline void walk_cwd(struct slot *slot, struct task_struct *task)
{
	walk(slot, FOLLOW_TASK(task, fs, pwd.dentry), FOLLOW_TASK(task, fs, pwd.mnt));
}

/* Appends the directory a relative path starts from, and nothing for an absolute path. */
static __always_inline __u16 append_base(struct slot *slot, struct task_struct *task, int dirfd, __u32 offset,
					 __u32 size)
{
	if (size && offset <= LAST_STRING_OFFSET && slot->data[offset] == '/')
		return 0;
	if (dirfd == AT_CWD) {
		walk_cwd(slot, task);
	} else {
		struct file *file = file_of(task, dirfd);

		if (!file)
			return 0;
		walk_file(slot, file);
	}
	return append_walk(slot);
}

/* Overlay facts of an inode: 0 elsewhere, 1 on overlayfs, 2 in its upper layer. */
static __always_inline int overlay_of(struct inode *inode)
{
	if (FOLLOW(inode, i_sb, s_magic) != OVERLAYFS_MAGIC)
		return 0;
	if (!bpf_core_type_exists(struct ovl_inode))
		return 1;
	struct ovl_inode *overlay = (void *)inode - bpf_core_field_offset(struct ovl_inode, vfs_inode);

	return FOLLOW(overlay, __upperdentry) ? 2 : 1;
}

#endif
