// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// The probe: one dispatcher on the return of every system call, its family handlers, and the lifecycle tracepoints.
#include "cgroup.h"
#include "open.h"
#include "process.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline bool is_muted(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	return config.muted && bpf_map_lookup_elem(&muted, &tgid);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(dispatch, struct pt_regs *regs, long result)
{
	__u32 flags = 0;
	__u32 number = identify(regs, result, &flags, 0);

	if (number >= SYSCALL_LIMIT || is_muted())
		return 0;
	__u32 kind = shapes[number].kind;

	if (!kind)
		kind = EVENT_CALL;
	bpf_tail_call(ctx, &families, kind);
	lose(kind, CAUSE_FAULT); /* no handler of this kind is loaded */
	return 0;
}
