/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Which system call just returned: native numbers out of the 64-bit, 32-bit and x32 entries, and its arguments. */
#ifndef TOCSIN_CALL_H
#define TOCSIN_CALL_H

#include <asm/unistd.h>

#include "file.h"
#include "shape.h"

#define NO_CALL 0xffffffffu
#define X32_BIT 0x40000000u

/* 32-bit socketcall(2) is a multiplexer: native numbers by its first argument. */
static const __u16 socketcalls[32] = {
	[1] = __NR_socket,    [2] = __NR_bind,	     [3] = __NR_connect,   [4] = __NR_listen,
	[5] = __NR_accept,    [6] = __NR_getsockname, [7] = __NR_getpeername, [8] = __NR_socketpair,
	[9] = __NR_sendto,    [10] = __NR_recvfrom,  [11] = __NR_sendto,   [12] = __NR_recvfrom,
	[13] = __NR_shutdown, [14] = __NR_setsockopt, [15] = __NR_getsockopt, [16] = __NR_sendmsg,
	[17] = __NR_recvmsg,  [18] = __NR_accept4,   [19] = __NR_recvmmsg, [20] = __NR_sendmmsg,
};

#if defined(__TARGET_ARCH_arm64)

#define raw_number(regs) ((__u32)(regs)->syscallno)
#define FIRST_IA32(regs) ((__u32)(regs)->orig_x0)
#define SECOND_IA32(regs) ((__u32)(regs)->regs[1])

/* TIF_32BIT */
static __always_inline bool is_compat(struct task_struct *task)
{
	return FOLLOW_TASK(task, thread_info.flags) & (1u << 22);
}

static __always_inline void read_arguments(struct pt_regs *regs, bool compat, __u64 *args)
{
	args[0] = regs->orig_x0;
	args[1] = regs->regs[1];
	args[2] = regs->regs[2];
	args[3] = regs->regs[3];
	args[4] = regs->regs[4];
	args[5] = regs->regs[5];
}

static __always_inline bool is_exec(__u32 raw)
{
	return raw == __NR_execve || raw == __NR_execveat;
}

#else

#define raw_number(regs) ((__u32)(regs)->orig_ax)
#define FIRST_IA32(regs) ((__u32)(regs)->bx)
#define SECOND_IA32(regs) ((__u32)(regs)->cx)

/* TS_COMPAT */
static __always_inline bool is_compat(struct task_struct *task)
{
	return FOLLOW_TASK(task, thread_info.status) & 2;
}

static __always_inline void read_arguments(struct pt_regs *regs, bool compat, __u64 *args)
{
	if (compat) {
		args[0] = (__u32)regs->bx;
		args[1] = (__u32)regs->cx;
		args[2] = (__u32)regs->dx;
		args[3] = (__u32)regs->si;
		args[4] = (__u32)regs->di;
		args[5] = (__u32)regs->bp;
	} else {
		args[0] = regs->di;
		args[1] = regs->si;
		args[2] = regs->dx;
		args[3] = regs->r10;
		args[4] = regs->r8;
		args[5] = regs->r9;
	}
}

static __always_inline bool is_exec(__u32 raw)
{
	return raw == __NR_execve || raw == __NR_execveat;
}

/* x32 has numbers of its own for calls whose arguments hold pointers in memory. */
static __always_inline __u32 x32_to_native(__u32 number)
{
	switch (number) {
	case 517:
		return __NR_recvfrom;
	case 518:
		return __NR_sendmsg;
	case 519:
		return __NR_recvmsg;
	case 520:
		return __NR_execve;
	case 521:
		return __NR_ptrace;
	case 528:
		return __NR_kexec_load;
	case 537:
		return __NR_recvmmsg;
	case 538:
		return __NR_sendmmsg;
	case 540:
		return __NR_process_vm_writev;
	case 545:
		return __NR_execveat;
	default:
		return number < SYSCALL_LIMIT ? number : NO_CALL;
	}
}

#endif

/*
 * Native number of the call, NO_CALL when nobody wants it. A call cancelled by a signal or a tracer carries -1. The
 * table answers most calls with one load; only what is wanted under some reading of its number costs more.
 */
static __always_inline __u32 identify(struct pt_regs *regs, long result, __u32 *flags)
{
	__u32 raw = raw_number(regs);
	__u32 number = raw;

	if (raw == NO_CALL)
		return NO_CALL;
#if !defined(__TARGET_ARCH_arm64)
	if (raw & X32_BIT) {
		*flags |= EVENT_X32;
		number = x32_to_native(raw & ~X32_BIT);
	}
#endif
	if (number >= SYSCALL_LIMIT)
		return NO_CALL;
	__u8 watch = config.watch[number & (SYSCALL_LIMIT - 1)];

	if (!watch)
		return NO_CALL;
	if (!(*flags & EVENT_X32) && is_compat(current_task())) {
		/* A 64-bit program that became a 32-bit one: the number is still that of its own exec. */
		if (!(watch & WATCH_IA32_NUMBER) || (result >= 0 && is_exec(raw)))
			return NO_CALL;
		*flags |= EVENT_IA32;
		number = config.ia32[number & (SYSCALL_LIMIT - 1)];
		if (number == IA32_SOCKETCALL)
			number = socketcalls[FIRST_IA32(regs) & 31];
		if (number >= SYSCALL_LIMIT)
			return NO_CALL;
		watch = config.watch[number & (SYSCALL_LIMIT - 1)];
	}
	if (!(watch & WATCH_NATIVE))
		return NO_CALL;
	if (result < 0 && !(watch & WATCH_FAILED)) {
		filter(kind_of(number), FILTER_FAILED);
		return NO_CALL;
	}
	return number;
}

/* Arguments as the native call has them. */
static __always_inline bool gather_arguments(struct slot *slot, struct pt_regs *regs, long result)
{
	bool compat = slot->flags & EVENT_IA32;
	__u32 raw = raw_number(regs) & (SYSCALL_LIMIT - 1);

	slot->args[6] = result;
	if (!compat || config.ia32[raw] != IA32_SOCKETCALL) {
		read_arguments(regs, compat, slot->args);
		return true;
	}
	__u32 packed[6] = {};
	__u32 which = FIRST_IA32(regs);
	/* send(2) and recv(2) are sendto and recvfrom without an address; no multiplexed call has more arguments here. */
	__u32 size = which == 9 || which == 10 ? 16 : which == 11 || which == 12 ? 24 : 12;

	if (which == 18 || which == 20 || which == 8)
		size = 16;
	if (which == 19 || which == 14 || which == 15)
		size = 20;
	if (bpf_probe_read_user(packed, size, (void *)(__u64)SECOND_IA32(regs)))
		return false;
	for (int i = 0; i < 6; i++)
		slot->args[i] = packed[i];
	return true;
}

/* Starts the record of a system call that was identified. */
static __always_inline struct slot *begin_identified(struct pt_regs *regs, long result, __u32 number, __u32 flags,
						     __u8 kind, __u32 size)
{
	struct slot *slot = begin(current_task(), kind, number, size);

	if (!slot)
		return 0;
	struct event_header *header = (void *)slot->data;

	slot->call = number;
	slot->flags |= flags;
	header->result = result;
	if (!gather_arguments(slot, regs, result)) {
		lose(kind, number, CAUSE_FAULT);
		release_slot(slot);
		return 0;
	}
	return slot;
}

/* Starts the record of a system call; the dispatcher has already decided that it is wanted. */
static __always_inline struct slot *begin_call(struct pt_regs *regs, long result, __u8 kind, __u32 size)
{
	__u32 flags = 0;
	__u32 number = identify(regs, result, &flags);

	if (number >= SYSCALL_LIMIT)
		return 0;
	return begin_identified(regs, result, number, flags, kind, size);
}

#endif
