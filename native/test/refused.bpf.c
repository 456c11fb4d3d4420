// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// The probe with an optional program that no verifier takes: it follows a pointer that it has not looked at.
#include "../bpf/probe.bpf.c"

SEC("?tp_btf/sched_process_free")
int BPF_PROG(refused, struct task_struct *task)
{
	__u32 tgid = task->tgid;
	__u8 *value = bpf_map_lookup_elem(&muted, &tgid);

	return *value;
}

SEC("?tp_btf/no_such_tracepoint")
int BPF_PROG(absent, struct task_struct *task)
{
	return 0;
}
