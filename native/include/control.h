/* SPDX-License-Identifier: Apache-2.0 */
/* What the addon and the probe tell each other besides records: configuration down, counters up. */
#ifndef TOCSIN_CONTROL_H
#define TOCSIN_CONTROL_H

#include "event.h"

/* System call numbers are below this; anything above is never watched. */
#define SYSCALL_LIMIT 512

/* probe_config.watch[n]: what the number n means to the dispatcher. */
#define WATCH_NATIVE 1      /* native call n is wanted */
#define WATCH_FAILED 2      /* native call n is wanted even when it failed */
#define WATCH_IA32_NUMBER 4 /* 32-bit call n translates to a wanted native call */

/* probe_config.ia32[n]: native number of the 32-bit call n, or one of these. */
#define IA32_NONE 0xffff
#define IA32_SOCKETCALL 0xfffe

/*
 * Class of an open by its flags: the access mode in the low two bits, and these. The native calls open, openat, creat and
 * open_by_handle_at have one; other ways to open a file are always told.
 */
#define OPEN_CLASS_CREATE 4
#define OPEN_CLASS_DIRECTORY 8
#define OPEN_CLASS_TEMPORARY 16
#define OPEN_CLASSES 32

/* Live configuration, in an array map both sides share by mmap. */
struct probe_config {
	__u64 admission[4]; /* by admission class: backlog in bytes above which records are shed */
	__u64 wake_backlog; /* crossing this backlog wakes the reader; 0: nothing does */
	__u64 muted;	    /* the numbers of muted processes modulo 64, a bit each; others need not be looked up */
	__u32 environment;  /* send the environment of new programs */
	__u32 unused;
	__u16 ia32[SYSCALL_LIMIT];
	__u8 watch[SYSCALL_LIMIT];
	__u32 open_classes[SYSCALL_LIMIT][2]; /* by call, and whether it failed: the classes that are wanted, a bit each */
	__u32 generation;		      /* of all the above: verdicts of another one count no more */
	__u32 verdicts;			      /* there are some */
};

/*
 * Opens that no rule could match, learnt from one like them. The key and both paths are all that the verdict rests on, and they
 * are compared whole, and the cgroup where it says so: what differs in anything else gets the same verdict, what differs in them none.
 * The key is short to be found fast.
 */
#define VERDICT_PATH_MAX 120
#define VERDICT_REAL_MAX 120
#define VERDICTS_MAX 8192
#define HOST_CGROUPS_MAX 4096

/* A path as given and absolute, by words, with NUL bytes to its end. */
struct given_path {
	__u64 words[VERDICT_PATH_MAX / 8];
};

struct verdict_key {
	__u64 hash; /* of the path */
	__u32 generation;
	__u32 open_flags; /* O_*, as given */
	__u16 call;
	__u16 failed;
	__u32 length; /* of the path in bytes */
};

struct verdict {
	struct given_path path;
	__u64 real_length; /* 0 when the real path does not matter */
	__u64 on_host;	   /* only of tasks in cgroups that are known to be in no container */
	char real[VERDICT_REAL_MAX + 16]; /* some words more, so that reads of 8 bytes stay inside */
};

/* Of the words of a path of so many bytes. Nothing rests on it but how fast a verdict is found. */
static inline __attribute__((always_inline)) __u64 hash_of(const struct given_path *path, __u32 length)
{
	__u64 hash = 0;

#pragma GCC unroll 16
	for (__u32 i = 0; i < VERDICT_PATH_MAX / 8; i++) {
		if (i * 8 >= length)
			break;
		hash = (hash ^ path->words[i]) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 32;
	}
	return hash;
}

/* What became of a record. */
#define CAUSE_SENT 0
#define CAUSE_SHED 1  /* refused by graded admission */
#define CAUSE_FULL 2  /* the ring had no room */
#define CAUSE_FAULT 3 /* arguments needed to know what the call was could not be read */
#define CAUSE_BUSY 4  /* every scratch slot of the cpu was in use */
#define CAUSES 5
#define KINDS 16 /* event kinds are below this */

/* Why an event that is watched needed no record. */
#define FILTER_FAILED 0 /* the call failed, and no rule wants failed ones */
#define FILTER_MUTED 1  /* a muted process */
#define FILTER_CLASS 2  /* an open of a class that no rule wants */
#define FILTER_VERDICT 3 /* an open like one that no rule could match */
#define FILTERS 4

/* One per cpu. */
struct probe_counters {
	__u64 count[KINDS][CAUSES];
	__u64 filtered[KINDS][FILTERS];
	__u64 sequence;
	__u64 calls[SYSCALL_LIMIT][2]; /* by call: records sent, and records lost for whatever cause */
};

/* Of one process, since the reader last took it away. */
struct loser {
	__u64 lost;
	__u64 cgroup; /* as in the header of records */
	char comm[16];
};

#define LOSERS_MAX 1024
/* event_header.syscall of what is none */
#define NO_SYSCALL 0xffff

#define MUTED_PROCESSES_MAX 1024

#endif
