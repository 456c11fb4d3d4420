/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* EVENT_CGROUP: cgroups of the one hierarchy whose ids the records carry. Optional: without them /proc is asked. */
#ifndef TOCSIN_CGROUP_H
#define TOCSIN_CGROUP_H

#include "record.h"

static __always_inline int tell_cgroup(struct cgroup *cgroup, const char *path, __u32 action, __u32 attached)
{
	if ((__u32)FOLLOW(cgroup, root, hierarchy_id) != cgroup_hierarchy)
		return 0;
	struct slot *slot = begin(current_task(), EVENT_CGROUP, NO_SYSCALL, sizeof(struct event_cgroup));

	if (!slot)
		return 0;
	struct event_cgroup *event = (void *)slot->data;

	event->id = FOLLOW(cgroup, kn, id);
	event->action = action;
	event->attached = attached;
	event->hierarchy = cgroup_hierarchy;
	event->string_length[0] = append_kernel(slot, path);
	finish(slot, EVENT_CGROUP, 0);
	return 0;
}

SEC("?tp_btf/cgroup_mkdir")
int BPF_PROG(cgroup_made, struct cgroup *cgroup, const char *path)
{
	return tell_cgroup(cgroup, path, CGROUP_MKDIR, 0);
}

SEC("?tp_btf/cgroup_rmdir")
int BPF_PROG(cgroup_removed, struct cgroup *cgroup, const char *path)
{
	return tell_cgroup(cgroup, path, CGROUP_RMDIR, 0);
}

SEC("?tp_btf/cgroup_attach_task")
int BPF_PROG(cgroup_joined, struct cgroup *cgroup, const char *path, struct task_struct *task)
{
	return tell_cgroup(cgroup, path, CGROUP_ATTACH, task->tgid);
}

#endif
