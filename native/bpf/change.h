/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* EVENT_PATH and EVENT_PATHS: calls that change the tree of files, by one path or by two. */
#ifndef TOCSIN_CHANGE_H
#define TOCSIN_CHANGE_H

#include "call.h"
#include "shape.h"

#define BIND_OR_MOVE (4096 | 8192)

static __always_inline __u64 argument(struct slot *slot, __u8 place)
{
	return place ? slot->args[(place - 1) & 7] : 0;
}

static __always_inline int directory_argument(struct slot *slot, __u8 place)
{
	return place ? (int)slot->args[(place - 1) & 7] : AT_CWD;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(path_exit, struct pt_regs *regs, long result)
{
	struct slot *slot = begin_call(regs, result, EVENT_PATH, sizeof(struct event_path));

	if (!slot)
		return 0;
	struct event_path *event = (void *)slot->data;
	struct task_struct *task = current_task();
	const struct shape *shape = &shapes[slot->call & (SYSCALL_LIMIT - 1)];
	bool moved = slot->call == __NR_chdir || slot->call == __NR_fchdir;

	event->mode = argument(slot, shape->mode);
	event->owner = argument(slot, shape->owner);
	event->group = argument(slot, shape->group);
	if (shape->path) {
		event->fd = directory_argument(slot, shape->dirfd);
		event->string_length[0] = append_user(slot, argument(slot, shape->path));
		/* After chdir the old cwd is gone; the new one is told as real. */
		if (!moved || result < 0)
			event->string_length[1] =
				append_base(slot, task, event->fd, sizeof(*event), event->string_length[0]);
	} else {
		struct file *file;

		event->fd = argument(slot, shape->fd);
		slot->flags |= EVENT_FROM_FD;
		file = file_of(task, event->fd);
		if (file && !moved) {
			walk_file(slot, file);
			event->string_length[2] = append_walk(slot);
		}
	}
	if (moved && result >= 0) {
		walk_cwd(slot, task);
		if (walk_equals(slot, sizeof(*event), event->string_length[0]))
			slot->flags |= EVENT_REAL_SAME;
		else
			event->string_length[2] = append_walk(slot);
	}
	finish(slot, EVENT_PATH, shape->admission);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(paths_exit, struct pt_regs *regs, long result)
{
	struct slot *slot = begin_call(regs, result, EVENT_PATHS, sizeof(struct event_paths));

	if (!slot)
		return 0;
	struct event_paths *event = (void *)slot->data;
	struct task_struct *task = current_task();
	const struct shape *shape = &shapes[slot->call & (SYSCALL_LIMIT - 1)];
	__u32 target;
	/* What a symlink says, and what is mounted unless it is bound or moved, need not be a path. */
	bool source_is_path = slot->call != __NR_symlinkat;

#ifdef __NR_symlink
	source_is_path = source_is_path && slot->call != __NR_symlink;
#endif
	event->call_flags = argument(slot, shape->mode);
	event->source_fd = directory_argument(slot, shape->dirfd);
	event->target_fd = directory_argument(slot, shape->dirfd2);
	if (slot->call == __NR_mount && !(event->call_flags & BIND_OR_MOVE))
		source_is_path = false;
	event->string_length[0] = append_user(slot, argument(slot, shape->path));
	if (source_is_path)
		event->string_length[1] =
			append_base(slot, task, event->source_fd, sizeof(*event), event->string_length[0]);
	target = slot->length;
	event->string_length[2] = append_user(slot, argument(slot, shape->path2));
	event->string_length[3] = append_base(slot, task, event->target_fd, target, event->string_length[2]);
	if (shape->text)
		event->string_length[4] = append_user(slot, argument(slot, shape->text));
	finish(slot, EVENT_PATHS, shape->admission);
	return 0;
}

#endif
