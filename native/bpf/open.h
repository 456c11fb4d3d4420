/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* EVENT_OPEN: what was asked for and what the kernel opened. */
#ifndef TOCSIN_OPEN_H
#define TOCSIN_OPEN_H

#include "verdict.h"

/* The facts of an open file: its inode and, unless it is the path as given, its real path. */
static __always_inline void tell_file(struct slot *slot, struct event_open *event, struct file *file)
{
	struct inode *inode = FOLLOW(file, f_inode);
	int overlay = overlay_of(inode);

	event->inode = FOLLOW(inode, i_ino);
	event->device = encode_device(FOLLOW(inode, i_sb, s_dev));
	event->file_mode = FOLLOW(inode, i_mode);
	if (FOLLOW(file, f_mode) & FMODE_CREATED)
		slot->flags |= EVENT_FILE_CREATED;
	if (overlay)
		slot->flags |= EVENT_FILE_OVERLAY;
	if (overlay > 1)
		slot->flags |= EVENT_FILE_UPPER;
	walk_file(slot, file);
	if (walk_equals(slot, sizeof(*event), event->string_length[0]))
		slot->flags |= EVENT_REAL_SAME;
	else
		event->string_length[2] = append_walk(slot);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(open_exit, struct pt_regs *regs, long result)
{
	struct slot *slot = begin_call(regs, result, EVENT_OPEN, sizeof(struct event_open));

	if (!slot)
		return 0;
	struct event_open *event = (void *)slot->data;
	const struct shape *shape = &shapes[slot->call & (SYSCALL_LIMIT - 1)];
	__u32 flags_at = shape->path & 7; /* the argument after the path */

	event->dirfd = shape->dirfd ? (int)slot->args[(shape->dirfd - 1) & 7] : AT_CWD;
	if (slot->call == __NR_openat2) {
		struct open_how how = {};

		if (bpf_probe_read_user(&how, sizeof(how), (void *)slot->args[2]))
			slot->flags |= EVENT_FAULT;
		event->open_flags = how.flags;
		event->mode = how.mode;
		event->resolve = how.resolve;
	} else if (slot->call == __NR_open_by_handle_at) {
		event->dirfd = slot->args[0];
		event->open_flags = slot->args[2];
#ifdef __NR_creat
	} else if (slot->call == __NR_creat) {
		event->open_flags = CREAT_FLAGS;
		event->mode = slot->args[1];
#endif
	} else {
		event->open_flags = slot->args[flags_at];
		event->mode = slot->args[(flags_at + 1) & 7];
	}
	if (!(event->open_flags & (O_CREATE | O_TEMPORARY)))
		event->mode = 0;
	if (shape->path) {
		event->string_length[0] = append_user(slot, slot->args[(shape->path - 1) & 7]);
		event->string_length[1] = append_base(slot, current_task(), event->dirfd, sizeof(*event),
						      event->string_length[0]);
	}
	if (result >= 0) {
		struct file *file = file_of(current_task(), result);

		if (file)
			tell_file(slot, event, file);
	}
	finish(slot, EVENT_OPEN, event->open_flags & (O_ACCESS | O_CREATE | O_TEMPORARY) ? WRITE : READ);
	return 0;
}

#endif
