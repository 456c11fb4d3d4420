/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* From file descriptors to files and their facts. */
#ifndef TOCSIN_FILE_H
#define TOCSIN_FILE_H

#include "path.h"

/* No reference is taken: a sibling thread that closes the fd at this moment can make the answer stale. */
static __always_inline struct file *file_of(struct task_struct *task, int fd)
{
	struct fdtable *table = READ_TASK(task, files, fdt);
	struct file *file = 0;

	if (fd < 0 || (__u32)fd >= READ_TASK(table, max_fds))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), READ_TASK(table, fd) + fd);
	return file;
}

static __always_inline void walk_file(struct slot *slot, struct file *file)
{
	struct path path;

	BPF_CORE_READ_INTO(&path.dentry, file, f_path.dentry);
	BPF_CORE_READ_INTO(&path.mnt, file, f_path.mnt);
	walk(slot, path.dentry, path.mnt);
}

static __always_inline void walk_cwd(struct slot *slot, struct task_struct *task)
{
	walk(slot, READ_TASK(task, fs, pwd.dentry), READ_TASK(task, fs, pwd.mnt));
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
	if (BPF_CORE_READ(inode, i_sb, s_magic) != OVERLAYFS_MAGIC)
		return 0;
	if (!bpf_core_type_exists(struct ovl_inode))
		return 1;
	struct ovl_inode *overlay = (void *)inode - bpf_core_field_offset(struct ovl_inode, vfs_inode);

	return BPF_CORE_READ(overlay, __upperdentry) ? 2 : 1;
}

#endif
