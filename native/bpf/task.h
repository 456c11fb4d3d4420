/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Facts about a task: ids, namespaces, credentials, cgroup. */
#ifndef TOCSIN_TASK_H
#define TOCSIN_TASK_H

#include "maps.h"

/* A pid as the innermost namespace of the process sees it; sets nested when that is not the initial one. */
static __always_inline __u32 innermost_pid(struct pid *pid, bool *nested)
{
	__u32 level = FOLLOW(pid, level);
	__u32 number = 0;

	if (level >= 32)
		return 0;
	if (nested)
		*nested = level > 0;
	bpf_probe_read_kernel(&number, sizeof(number),
			      (void *)pid + bpf_core_field_offset(struct pid, numbers) +
				      level * bpf_core_type_size(struct upid));
	return number;
}

/* A pid as the innermost namespace of another sees it; 0 when it lies outside of that. */
static __always_inline __u32 pid_seen_by(struct pid *pid, struct pid *observer)
{
	__u32 level = FOLLOW(observer, level);

	if (FOLLOW(pid, level) < level || level >= 32)
		return 0;
	struct upid theirs = {}, its = {};
	__u64 place = bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid);

	bpf_probe_read_kernel(&theirs.ns, sizeof(theirs.ns),
			      (void *)observer + place + bpf_core_field_offset(struct upid, ns));
	bpf_probe_read_kernel(&its.ns, sizeof(its.ns), (void *)pid + place + bpf_core_field_offset(struct upid, ns));
	if (its.ns != theirs.ns)
		return 0;
	bpf_probe_read_kernel(&its.nr, sizeof(its.nr), (void *)pid + place);
	return its.nr;
}

static __always_inline __u16 threads_of(struct task_struct *task)
{
	__u32 threads = FOLLOW_TASK(task, signal, nr_threads);

	return threads < 0xffff ? threads : 0xffff;
}

static __always_inline __u32 start_of(struct task_struct *task)
{
	return FOLLOW_TASK(task, group_leader, start_boottime) >> 20;
}

static __always_inline __u64 cgroup_of(struct task_struct *task)
{
	struct css_set *set = FOLLOW_TASK(task, cgroups);
	struct cgroup_subsys_state *state = 0;

	if (cgroup_subsystem >= 16)
		return FOLLOW(set, dfl_cgrp, kn, id);
	bpf_probe_read_kernel(&state, sizeof(state),
			      (void *)set + bpf_core_field_offset(struct css_set, subsys) +
				      cgroup_subsystem * sizeof(state));
	return FOLLOW(state, cgroup, kn, id);
}

static __always_inline __u32 audit_uid_of(struct task_struct *task)
{
	if (bpf_core_field_exists(task->loginuid))
		return FOLLOW_TASK(task, loginuid.val);
	return ~0u;
}

/* dev_t as stat(2) tells it. */
static __always_inline __u32 encode_device(__u32 device)
{
	__u32 major = device >> 20, minor = device & 0xfffff;

	return (minor & 0xff) | (major << 8) | ((minor & ~0xffu) << 12);
}

/* The three sets of a task's capabilities, each in its place. */
static __always_inline void read_capabilities(struct task_struct *task, __u64 *permitted, __u64 *effective,
					      __u64 *inheritable)
{
	const struct cred *cred = FOLLOW_TASK(task, cred);

	bpf_probe_read_kernel(permitted, 8, &cred->cap_permitted);
	bpf_probe_read_kernel(effective, 8, &cred->cap_effective);
	bpf_probe_read_kernel(inheritable, 8, &cred->cap_inheritable);
}

/* The agent itself and whom it was told to ignore. Lifecycle records are told even so: the process tree needs them. */
static __always_inline bool is_muted(struct task_struct *task)
{
	__u32 tgid = FOLLOW_TASK(task, tgid);

	return config.muted >> (tgid & 63) & 1 && bpf_map_lookup_elem(&muted, &tgid);
}

#endif
