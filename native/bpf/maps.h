/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Maps, configuration and the counters that account for every record offered. */
#ifndef TOCSIN_MAPS_H
#define TOCSIN_MAPS_H

#include "kernel.h"

#include "control.h"

/* Strings start at most this far into a record and each is at most one path long; one spare word ends reads of 8. */
#define FIXED_MAX 208
#define STRINGS_MAX 5
#define LAST_STRING_OFFSET (FIXED_MAX + (STRINGS_MAX - 1) * EVENT_PATH_MAX)
#define RECORD_MAX (FIXED_MAX + STRINGS_MAX * EVENT_PATH_MAX)
/* Paths are built backwards from this offset; a component is at most 255 bytes and its slash. */
#define WALK_END 8192

/* Where one record is put together. */
struct slot {
	__u64 users;    /* 1 while a program owns the slot */
	__u64 args[8];  /* the call's arguments; [6] is its result */
	__u32 number;   /* of the slot itself */
	__u32 unused;
	__u32 length;   /* bytes of the record so far */
	__u32 call;     /* native call number */
	__u32 flags;    /* event_header.flags so far */
	__u32 walk_offset;
	struct dentry *walk_dentry;
	struct dentry *walk_root;
	struct mount *walk_mount;
	__u8 data[RECORD_MAX + 16];
	__u8 walk[WALK_END + 256 + 16];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct probe_counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MUTED_PROCESSES_MAX);
	__type(key, __u32);
	__type(value, __u8);
} muted SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, VERDICTS_MAX);
	__type(key, struct verdict_key);
	__type(value, struct verdict);
} verdicts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, KINDS);
	__type(key, __u32);
	__type(value, __u32);
} families SEC(".maps");

struct probe_config config SEC(".data.config") = {};

/* Known before load. */
const volatile __u32 slot_pairs = 1;          /* cpus with two slots of their own; others share */
const volatile __u32 cgroup_subsystem = ~0u;  /* index in css_set.subsys, ~0 for the unified hierarchy */
const volatile __u32 cgroup_hierarchy = 0;    /* id of that hierarchy */
const volatile bool exit_tells_group_dead = false; /* sched_process_exit has a third argument */
const volatile bool complete_tells_entry = false; /* the third argument of io_uring_complete is the entry */
const volatile __u32 page_kilobytes = 4;

static __always_inline struct probe_counters *my_counters(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&counters, &zero);
}

static __always_inline void count(struct probe_counters *mine, __u32 kind, __u32 cause)
{
	__sync_fetch_and_add(&mine->count[kind & (KINDS - 1)][cause], 1);
}

/*
 * Takes a slot of this cpu. Only an add without fetch exists on all supported kernels: whoever reads back exactly 1 is
 * alone; two that meet both step back, which costs a slot but never shares one.
 */
static __always_inline struct slot *claim_slot(void)
{
	__u32 index = (bpf_get_smp_processor_id() % slot_pairs) * 2;

	for (int i = 0; i < 2; i++, index++) {
		struct slot *slot = bpf_map_lookup_elem(&slots, &index);

		if (!slot)
			break;
		__sync_fetch_and_add(&slot->users, 1);
		if (*(volatile __u64 *)&slot->users == 1) {
			slot->number = index;
			return slot;
		}
		__sync_fetch_and_add(&slot->users, -1);
	}
	return 0;
}

static __always_inline void release_slot(struct slot *slot)
{
	__sync_fetch_and_add(&slot->users, -1);
}

/* An event that needs no record: neither a loss nor a gap in the sequence. */
static __always_inline void filter(__u32 kind, __u32 reason)
{
	struct probe_counters *mine = my_counters();

	if (mine)
		__sync_fetch_and_add(&mine->filtered[kind & (KINDS - 1)][reason], 1);
}

#endif
