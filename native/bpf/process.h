/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* EVENT_FORK, EVENT_EXEC, EVENT_EXIT: the life of a process, told by the scheduler's own tracepoints. */
#ifndef TOCSIN_PROCESS_H
#define TOCSIN_PROCESS_H

#include "call.h"

#define LIFECYCLE 0
#define REAPER_STEPS 32

/*
 * Pages of one sort, a constant for the sake of relocation. The kernel keeps the number in parts, one a cpu; this is without what
 * the cpus have not added up yet, and can be below zero for a moment.
 */
#define READ_PAGES(mm, sort)                                                                        \
	({                                                                                          \
		struct mm_struct___plain *early_ = (void *)(mm);                                    \
		__s64 pages_ = bpf_core_field_exists(early_->rss_stat.count) ?                      \
				       FOLLOW(early_, rss_stat.count[sort]) :                       \
				       FOLLOW(mm, rss_stat[sort].count);                            \
		pages_ > 0 ? (__u32)pages_ : 0;                                                     \
	})

static __always_inline void tell_usage(struct event_usage *usage, struct task_struct *task)
{
	struct mm_struct *mm = FOLLOW_TASK(task, mm);

	usage->file_limit = FOLLOW(task, signal, rlim[RLIMIT_FILES].rlim_cur);
	usage->major_faults = FOLLOW_TASK(task, maj_flt);
	usage->minor_faults = FOLLOW_TASK(task, min_flt);
	if (!mm)
		return; /* a thread of the kernel */
	usage->virtual_kilobytes = FOLLOW(mm, total_vm) * page_kilobytes;
	usage->resident_kilobytes =
		(READ_PAGES(mm, PAGES_FILE) + READ_PAGES(mm, PAGES_ANONYMOUS) + READ_PAGES(mm, PAGES_SHARED)) *
		page_kilobytes;
	usage->swapped_kilobytes = READ_PAGES(mm, PAGES_SWAPPED) * page_kilobytes;
}

/* Which of the calls that make processes the current task is in. */
static __always_inline __u16 forking_call(void)
{
#if !defined(TOCSIN_LEGACY)
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs)) {
		struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
		__u32 number = raw_number(regs);

		if (is_compat(current_task()))
			number = config.ia32[number & (SYSCALL_LIMIT - 1)];
		switch (number & ~X32_BIT) {
		case __NR_clone:
		case __NR_clone3:
#ifdef __NR_fork
		case __NR_fork:
		case __NR_vfork:
#endif
			return number & ~X32_BIT;
		}
	}
#endif
	return NO_SYSCALL;
}

/* Runs in the parent before the child is woken, so this record precedes everything the child does. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent_task, struct task_struct *child_task)
{
	struct task_struct *parent = AT(parent_task), *child = AT(child_task);

	if (child->tgid == parent->tgid)
		return 0; /* a thread */
	struct slot *slot = begin(parent, EVENT_FORK, NO_SYSCALL, sizeof(struct event_fork));

	if (!slot)
		return 0;
	struct event_fork *event = (void *)slot->data;
	bool nested = false;

	event->header.syscall = forking_call();
	event->cgroup = cgroup_of(child);
	event->start = start_of(child);
	event->tgid = child->tgid;
	event->vpid = innermost_pid(FOLLOW_TASK(child, signal, pids[PIDTYPE_TGID]), &nested);
	event->flags = nested ? EVENT_PIDNS : 0;
	read_capabilities(child, &event->cap_permitted, &event->cap_effective, &event->cap_inheritable);
	tell_usage(&event->usage, child);
	finish(slot, EVENT_FORK, LIFECYCLE);
	return 0;
}

static __always_inline __u64 nanoseconds(__s64 seconds, __u32 fraction)
{
	/* From 6.13 on, bit 31 marks a timestamp that somebody has looked at. */
	return seconds * 1000000000ULL + (fraction & 0x7fffffff);
}

static __always_inline void tell_times(struct event_exec *event, struct inode *inode)
{
	struct inode___underscored *later = (void *)inode;
	struct inode___plain *early = (void *)inode;

	if (bpf_core_field_exists(inode->i_ctime_sec))
		event->change_time =
			nanoseconds(FOLLOW(inode, i_ctime_sec), FOLLOW(inode, i_ctime_nsec));
	else if (bpf_core_field_exists(later->__i_ctime))
		event->change_time = nanoseconds(FOLLOW(later, __i_ctime.tv_sec),
						 FOLLOW(later, __i_ctime.tv_nsec));
	else if (bpf_core_field_exists(early->i_ctime))
		event->change_time =
			nanoseconds(FOLLOW(early, i_ctime.tv_sec), FOLLOW(early, i_ctime.tv_nsec));
	if (bpf_core_field_exists(inode->i_mtime_sec))
		event->modification_time =
			nanoseconds(FOLLOW(inode, i_mtime_sec), FOLLOW(inode, i_mtime_nsec));
	else if (bpf_core_field_exists(later->__i_mtime))
		event->modification_time = nanoseconds(FOLLOW(later, __i_mtime.tv_sec),
						       FOLLOW(later, __i_mtime.tv_nsec));
	else if (bpf_core_field_exists(early->i_mtime))
		event->modification_time =
			nanoseconds(FOLLOW(early, i_mtime.tv_sec), FOLLOW(early, i_mtime.tv_nsec));
}

/* By mode bits, ids and CAP_DAC_OVERRIDE only: no access lists, supplementary groups or read-only mounts. */
static __always_inline bool may_write(struct task_struct *task, struct inode *inode, __u64 effective)
{
	unsigned short mode = FOLLOW(inode, i_mode);

	if (effective & CAP_DAC_OVERRIDE_BIT)
		return true;
	if (FOLLOW(inode, i_uid.val) == FOLLOW_TASK(task, cred, fsuid.val))
		return mode & 0200;
	if (FOLLOW(inode, i_gid.val) == FOLLOW_TASK(task, cred, fsgid.val))
		return mode & 0020;
	return mode & 0002;
}

static __always_inline void tell_executable(struct slot *slot, struct event_exec *event, struct task_struct *task,
					    struct file *file)
{
	struct inode *inode = FOLLOW(file, f_inode);
	struct dentry *dentry = FOLLOW(file, f_path.dentry);
	int overlay = overlay_of(inode);

	event->inode = FOLLOW(inode, i_ino);
	tell_times(event, inode);
	if (overlay)
		slot->flags |= EVENT_EXE_OVERLAY;
	if (overlay > 1)
		slot->flags |= EVENT_EXE_UPPER;
	if (may_write(task, inode, event->cap_effective))
		slot->flags |= EVENT_EXE_WRITABLE;
	if (FOLLOW(dentry, d_parent) == dentry) {
		char name[8] = {};

		bpf_probe_read_kernel(name, 6, FOLLOW(dentry, d_name.name));
		if (*(__u64 *)name == 0x3a64666d656dULL) /* "memfd:" */
			slot->flags |= EVENT_EXE_MEMFD;
	}
	if (!FOLLOW(inode, i_nlink))
		slot->flags |= EVENT_EXE_DELETED;
}

static __always_inline __u32 tty_of(struct task_struct *task)
{
	struct tty_struct *tty = FOLLOW_TASK(task, signal, tty);

	if (!tty)
		return 0;
	__u32 major = FOLLOW(tty, driver, major);

	return encode_device((major << 20) | (FOLLOW(tty, driver, minor_start) + FOLLOW(tty, index)));
}

/* Arguments still lie where the kernel put them: the new program has not run, and it has one thread. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *executing, int old_pid, struct linux_binprm *program)
{
	struct task_struct *task = AT(executing);
	struct slot *slot = begin(task, EVENT_EXEC, NO_SYSCALL, sizeof(struct event_exec));

	if (!slot)
		return 0;
	struct event_exec *event = (void *)slot->data;
	struct file *file = FOLLOW_TASK(task, mm, exe_file);
	struct pid *group = FOLLOW_TASK(task, signal, pids[PIDTYPE_PGID]);
	__u64 start = FOLLOW_TASK(task, mm, arg_start), end = FOLLOW_TASK(task, mm, arg_end);

	read_capabilities(task, &event->cap_permitted, &event->cap_effective, &event->cap_inheritable);
	tell_usage(&event->usage, task);
	event->session = FOLLOW(task, signal, pids[PIDTYPE_SID], numbers[0].nr);
	event->process_group = FOLLOW(group, numbers[0].nr);
	event->vprocess_group = pid_seen_by(group, FOLLOW_TASK(task, signal, pids[PIDTYPE_TGID]));
	event->tty = tty_of(task);
	event->stack = FOLLOW_TASK(task, mm, start_stack);
	event->args_total = end > start ? end - start : 0;
	event->string_length[0] = append_kernel(slot, FOLLOW(program, filename));
	if (file) {
		tell_executable(slot, event, task, file);
		walk_file(slot, file);
		event->string_length[1] = append_walk(slot);
	}
	walk_cwd(slot, task);
	event->string_length[2] = append_walk(slot);
	event->string_length[3] = append_user_bytes(slot, start, event->args_total);
	if (config.environment) {
		start = FOLLOW_TASK(task, mm, env_start);
		end = FOLLOW_TASK(task, mm, env_end);
		event->string_length[4] = append_user_bytes(slot, start, end > start ? end - start : 0);
	}
	finish(slot, EVENT_EXEC, LIFECYCLE);
	return 0;
}

/*
 * Who inherits the children: the nearest ancestor that asked for it, else the init of the pid namespace. An ancestor
 * chain longer than the bound, or one that leaves the namespace, is unknown.
 */
static __always_inline __u32 reaper_of(struct task_struct *task)
{
	struct task_struct *ancestor = FOLLOW(task, real_parent);
	struct pid *pid = FOLLOW(task, signal, pids[PIDTYPE_TGID]);
	struct pid_namespace *namespace = 0;
	__u32 level = FOLLOW(pid, level);

	if (level >= 32)
		return 0;
	bpf_probe_read_kernel(&namespace, sizeof(namespace),
			      (void *)pid + bpf_core_field_offset(struct pid, numbers) +
				      level * bpf_core_type_size(struct upid) + bpf_core_field_offset(struct upid, ns));
	__u32 init = FOLLOW(namespace, child_reaper, tgid);

	for (int i = 0; i < REAPER_STEPS; i++) {
		struct signal_struct *signal = FOLLOW(ancestor, signal);
		__u32 tgid = FOLLOW(ancestor, tgid);

		if (tgid == init || tgid == 0)
			return init;
		if (BPF_CORE_READ_BITFIELD_PROBED(signal, is_child_subreaper))
			return tgid;
		ancestor = FOLLOW(ancestor, real_parent);
	}
	return 0;
}

/*
 * Fires for every thread. The process is gone with its last thread, whichever that is: the group leader can leave with
 * pthread_exit while others run on, so the leader's exit means nothing. Newer kernels say whether this was the last
 * one; on older ones two last threads that race can both see nobody alive, and the process is told gone twice.
 */
SEC("tp_btf/sched_process_exit")
int process_exit(__u64 *ctx)
{
	struct task_struct *task = AT((struct task_struct *)ctx[0]);
	bool last = exit_tells_group_dead ? (ctx[1] & 0xff) != 0 : FOLLOW_TASK(task, signal, live.counter) == 0;

	if (!last)
		return 0;
	__u32 tgid = task->tgid;

	if (config.muted)
		bpf_map_delete_elem(&muted, &tgid); /* the number may name a stranger soon, told or not */
	struct slot *slot = begin(task, EVENT_EXIT, NO_SYSCALL, sizeof(struct event_exit));

	if (!slot)
		return 0;
	struct event_exit *event = (void *)slot->data;

	if (FOLLOW_TASK(task, signal, flags) & SIGNAL_GROUP_EXIT)
		event->status = FOLLOW_TASK(task, signal, group_exit_code);
	else
		event->status = FOLLOW_TASK(task, group_leader, exit_code);
	event->reaper = reaper_of(task);
	finish(slot, EVENT_EXIT, LIFECYCLE);
	return 0;
}

#endif
