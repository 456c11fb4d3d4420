/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* One record from claim to ring: header, strings, graded admission, output. */
#ifndef TOCSIN_RECORD_H
#define TOCSIN_RECORD_H

#include "loss.h"

/*
 * Starts a record of one kind, for a system call with its number, else 0xffff; the fixed part is zero but for the
 * header's facts about the task.
 */
static __always_inline struct slot *begin(struct task_struct *task, __u8 kind, __u16 call, __u32 size)
{
	struct slot *slot = claim_slot();

	if (!slot) {
		lose(kind, call, CAUSE_BUSY);
		return 0;
	}
	__builtin_memset(slot->data, 0, FIXED_MAX);
	slot->length = size;
	slot->flags = 0;

	struct event_header *header = (void *)slot->data;
	__u64 ids = bpf_get_current_pid_tgid();
	bool nested = false;

	header->kind = kind;
	header->cpu = bpf_get_smp_processor_id();
	header->syscall = call;
	header->cgroup = cgroup_of(task);
	header->start = start_of(task);
	header->tgid = ids >> 32;
	header->tid = ids;
	header->ppid = FOLLOW_TASK(task, real_parent, tgid);
	header->vpid = innermost_pid(FOLLOW_TASK(task, signal, pids[PIDTYPE_TGID]), &nested);
	header->euid = FOLLOW_TASK(task, cred, euid.val);
	header->egid = FOLLOW_TASK(task, cred, egid.val);
	header->audit_uid = audit_uid_of(task);
	header->threads = threads_of(task);
	bpf_get_current_comm(header->comm, sizeof(header->comm));
	header->vtid = header->tid;
	if (nested) {
		slot->flags |= EVENT_PIDNS;
		header->vtid = header->tid == header->tgid ? header->vpid : innermost_pid(FOLLOW_TASK(task, thread_pid), 0);
	}
	return slot;
}

/* Offers the record to the ring and gives the slot back. Lifecycle records (class 0) may fill it, others keep room. */
static __always_inline void finish(struct slot *slot, __u8 kind, __u8 admission)
{
	struct event_header *header = (void *)slot->data;
	struct probe_counters *mine = my_counters();
	__u32 length = slot->length;

	if (mine && length <= RECORD_MAX) {
		__u64 backlog = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);

		header->sequence = mine->sequence++;
		if (backlog > config.admission[admission & 3]) {
			count(mine, kind, CAUSE_SHED);
			count_call(mine, header->syscall, 1);
			blame(current_task());
		} else {
			__u64 wake = config.wake_backlog;
			__u64 how = backlog < wake && backlog + length + 16 >= wake ? BPF_RB_FORCE_WAKEUP :
										      BPF_RB_NO_WAKEUP;

			header->length = length;
			header->admission = admission;
			header->flags = slot->flags;
			header->time = bpf_ktime_get_boot_ns();
			if (bpf_ringbuf_output(&ring, slot->data, length, how)) {
				count(mine, kind, CAUSE_FULL);
				count_call(mine, header->syscall, 1);
				blame(current_task());
			} else {
				count(mine, kind, CAUSE_SENT);
				count_call(mine, header->syscall, 0);
			}
		}
	}
	release_slot(slot);
}

/*
 * The compiler may test one copy of a value and use another, which the verifier cannot follow. After this it has one
 * 64-bit copy only.
 */
#define PIN(value) asm volatile("" : "+r"(value))

/* Appends a string of user memory, without its NUL; returns its length. */
static __always_inline __u16 append_user(struct slot *slot, __u64 address)
{
	__u64 offset = slot->length;

	PIN(offset);
	if (offset > LAST_STRING_OFFSET || !address)
		return 0;
	long size = bpf_probe_read_user_str(&slot->data[offset], EVENT_PATH_MAX + 1, (void *)address);

	if (size < 0)
		slot->flags |= EVENT_FAULT;
	if (size <= 1)
		return 0;
	if (size > EVENT_PATH_MAX) {
		slot->flags |= EVENT_TRUNCATED;
		size = EVENT_PATH_MAX + 1;
	}
	slot->length = offset + size - 1;
	return size - 1;
}

/* Appends a string of kernel memory, without its NUL; returns its length. */
static __always_inline __u16 append_kernel(struct slot *slot, const void *address)
{
	__u64 offset = slot->length;

	PIN(offset);
	if (offset > LAST_STRING_OFFSET || !address)
		return 0;
	long size = bpf_probe_read_kernel_str(&slot->data[offset], EVENT_PATH_MAX + 1, address);

	if (size < 0)
		slot->flags |= EVENT_FAULT;
	if (size <= 1)
		return 0;
	if (size > EVENT_PATH_MAX) {
		slot->flags |= EVENT_TRUNCATED;
		size = EVENT_PATH_MAX + 1;
	}
	slot->length = offset + size - 1;
	return size - 1;
}

/* Appends bytes of user memory as they are; returns how many. */
static __always_inline __u16 append_user_bytes(struct slot *slot, __u64 address, __u64 size)
{
	__u64 offset = slot->length;

	PIN(offset);
	if (offset > LAST_STRING_OFFSET || !size)
		return 0;
	PIN(size);
	if (size > EVENT_ARGS_MAX) {
		slot->flags |= EVENT_TRUNCATED;
		size = EVENT_ARGS_MAX;
	}
	if (bpf_probe_read_user(&slot->data[offset], size, (void *)address)) {
		slot->flags |= EVENT_FAULT;
		return 0;
	}
	slot->length = offset + size;
	return size;
}

/* Buffers of one call that are looked at. */
#define BUFFERS_MAX 32

struct buffer {
	__u64 at;
	__u64 size;
};

/* One of the buffers that a vector in user memory names. */
static __always_inline bool read_buffer(struct slot *slot, __u64 vector, __u32 index, struct buffer *buffer)
{
	if (slot->flags & EVENT_IA32) {
		__u32 narrow[2] = {};

		if (bpf_probe_read_user(narrow, sizeof(narrow), (void *)(vector + index * sizeof(narrow))))
			return false;
		buffer->at = narrow[0];
		buffer->size = narrow[1];
		return true;
	}
	return !bpf_probe_read_user(buffer, sizeof(*buffer), (void *)(vector + index * sizeof(*buffer)));
}

/* A function of its own, which the verifier reads once and not for each way that leads to it. */
__noinline int append_buffers_of(__u32 number, __u64 vector, __u64 count, __u64 limit)
{
	struct slot *slot = bpf_map_lookup_elem(&slots, &number);
	__u32 start;

	if (!slot)
		return 0;
	start = slot->length;
	for (__u32 i = 0; i < BUFFERS_MAX && i < count; i++) {
		/* Out of the slot, of which the verifier knows nothing: it need not follow each sum. */
		__u64 rest = limit - (slot->length - start);
		struct buffer buffer = {};

		if (!read_buffer(slot, vector, i, &buffer))
			break;
		PIN(rest);
		if (rest > EVENT_DATA_MAX || !rest)
			break;
		PIN(buffer.size);
		append_user_bytes(slot, buffer.at, buffer.size < rest ? buffer.size : rest);
		if (slot->flags & EVENT_FAULT)
			break;
	}
	return slot->length - start;
}

/* Appends the first of the bytes that a call moved through the buffers of a vector; returns how many. */
static __always_inline __u16 append_buffers(struct slot *slot, __u64 vector, __u64 count, __u64 moved)
{
	return append_buffers_of(slot->number, vector, count, moved < EVENT_DATA_MAX ? moved : EVENT_DATA_MAX);
}

#endif
