// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// The probe: one dispatcher on the return of every system call, its family handlers, and the lifecycle tracepoints.
#include "cgroup.h"
#include "change.h"
#include "network.h"
#include "open.h"
#include "other.h"
#include "process.h"
#include "submission.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/sys_exit")
int BPF_PROG(dispatch, struct pt_regs *regs, long result)
{
	__u32 flags = 0;
	__u32 number = identify(regs, result, &flags);

	if (number >= SYSCALL_LIMIT)
		return 0;
	struct task_struct *task = current_task();
	__u32 kind = kind_of(number);

	if (is_muted(task)) {
		filter(kind, FILTER_MUTED);
		return 0;
	}
	if (kind == EVENT_OPEN) {
		if (!is_wanted_open(regs, number, result, flags)) {
			filter(kind, FILTER_CLASS);
			return 0;
		}
		if (is_ruled_out(task, regs, number, result, flags)) {
			filter(kind, FILTER_VERDICT);
			return 0;
		}
	}
	bpf_tail_call(ctx, &families, kind);
	lose(kind, number, CAUSE_FAULT); /* no handler of this kind is loaded */
	return 0;
}
