/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The account of what could not be told: by kind and cause, by call, and by whose it was. */
#ifndef TOCSIN_LOSS_H
#define TOCSIN_LOSS_H

#include "task.h"

/* By process; the reader takes the entries away, so that a number that is used again is nobody's heir for long. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LOSERS_MAX);
	__type(key, __u32);
	__type(value, struct loser);
} losers SEC(".maps");

/* What is not a system call has the number 0xffff. */
static __always_inline void count_call(struct probe_counters *mine, __u32 call, __u32 lost)
{
	if (call < SYSCALL_LIMIT)
		mine->calls[call & (SYSCALL_LIMIT - 1)][lost]++;
}

/* Those that end are the doing of who makes them, or a storm of short lives would be nobody's; unless that is out of their cgroup. */
static __noinline int blame(struct task_struct *task)
{
	struct task_struct *culprit = task, *parent = FOLLOW_TASK(task, real_parent);

	if (FOLLOW_TASK(task, flags) & TASK_EXITING && cgroup_of(parent) == cgroup_of(task))
		culprit = parent;
	__u32 tgid = FOLLOW_TASK(culprit, tgid);
	struct loser *known = bpf_map_lookup_elem(&losers, &tgid);

	if (known) {
		__sync_fetch_and_add(&known->lost, 1);
		return 0;
	}
	struct loser one = { .lost = 1, .cgroup = cgroup_of(culprit) };

	BPF_CORE_READ_STR_INTO(&one.comm, culprit, comm);
	bpf_map_update_elem(&losers, &tgid, &one, BPF_ANY);
	return 0;
}

/* An event that cannot be told leaves a gap in the sequence and a count; `call` as in event_header.syscall. */
static __always_inline void lose(__u32 kind, __u32 call, __u32 cause)
{
	struct probe_counters *mine = my_counters();

	if (mine) {
		mine->sequence++;
		count(mine, kind, cause);
		count_call(mine, call, 1);
	}
	blame(current_task());
}

#endif
