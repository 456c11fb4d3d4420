import type { ByteString } from '../rules/field.ts';

/** Text that a process has in common with those it forked: counted once while any of them is in the table. */
export interface SharedText {
  readonly bytes: number;
  holders: number;
}

/** Capabilities, a bit each. */
export interface CapabilitySets {
  readonly capPermitted: bigint;
  readonly capEffective: bigint;
  readonly capInheritable: bigint;
}

/** What a process used when it was made, executed its program, or was found running. */
export interface Usage {
  /** Soft limit of open files; 0 when it is not known. */
  readonly fileLimit: number;
  /** Of its main thread. */
  readonly majorFaults: number;
  readonly minorFaults: number;
  readonly virtualKilobytes: number;
  readonly residentKilobytes: number;
  readonly swappedKilobytes: number;
}

export const NO_USAGE: Usage = {
  fileLimit: 0,
  majorFaults: 0,
  minorFaults: 0,
  virtualKilobytes: 0,
  residentKilobytes: 0,
  swappedKilobytes: 0,
};

/** How many dead ancestors a live process keeps for its original lineage. */
const LINEAGE_LIMIT = 16;

/**
 * One process (a thread group). Identity is (tgid, start); the object lives on while a child, an event or the tree holds it.
 * Strings are bytes as latin1. Times are nanoseconds of CLOCK_BOOTTIME.
 */
export class Process {
  readonly tgid: number;
  /** Start of the group leader in units of 2^20 ns, 32 bits; meaningless while `startTicks` is set. */
  start: number;
  /** Start as /proc tells it (100 Hz ticks) until an event brings the exact one. */
  startTicks: number | undefined;
  /** When it was made; 0 when unknown. */
  startTime = 0n;
  /** Whether the executable and its arguments are known, and not only what event headers tell. */
  known = false;
  /** Whether a field other than the identity may still be had from /proc. */
  mayRead = true;
  /** Which loss of records it was last compared with /proc after, see `ProcessTree.doubt`. */
  doubt = 0;
  /** The agent itself or what it started, such as a program that takes alerts: its deeds would bring forth more alerts. */
  isOurs = false;
  vpid = -1;
  inPidNamespace = false;
  parent: Process | undefined;
  /** The parent at fork: reparenting does not change it. */
  originalParent: Process | undefined;
  /** Who takes the children over; only set when dead. */
  reaper: Process | undefined;
  dead = false;
  /** When it died, milliseconds of the tree's clock. */
  deadAt = 0;
  /** The kernel's name at fork, exec or scan: `prctl` and thread names are not followed. */
  comm: ByteString = '<NA>';
  /** argv[0]. */
  exe: ByteString = '';
  exePath: ByteString = '';
  /** argv[1..] joined with one blank. */
  args: ByteString = '';
  /** argv[1..] one by one. */
  argumentList: readonly ByteString[] = [];
  /** argv with which it came into a pid namespace from outside, words separated by NUL: what it executes later is the same errand. */
  errand: ByteString | undefined;
  /** `K=V` pairs, each ended or separated by NUL. */
  environment: ByteString = '';
  /** What the arguments, the environment and the path of the executable come to. */
  text: SharedText = { bytes: 0, holders: 0 };
  /** What the table has counted of it; 0 outside of the table. */
  heldBytes = 0;
  heldText: SharedText | undefined;
  /** Current directory without the trailing slash, except for the root; empty when unknown. */
  cwd: ByteString = '';
  tty = 0;
  session = 0;
  processGroup = 0;
  vprocessGroup = -1;
  euid = 0;
  egid = 0;
  auditUid = 0xffffffff;
  capPermitted = 0n;
  capEffective = 0n;
  capInheritable = 0n;
  usage = NO_USAGE;
  /** Where its stack starts, which each exec chooses anew; 0 when unknown. */
  stack = 0;
  /** The text of its /proc/<pid>/cgroup, once asked for; that of its making or last exec. */
  membership: ByteString | undefined;
  exeInode = 0n;
  exeChangeTime = 0n;
  exeModificationTime = 0n;
  /** EVENT_EXE_* bits of the exec. */
  exeFlags = 0;
  /** Kernel id of the cgroup at the last event. */
  cgroup = 0;

  constructor(tgid: number, start: number) {
    this.tgid = tgid;
    this.start = start;
  }

  /** The parent now: a dead one has handed its children to its reaper. */
  parentNow(): Process | undefined {
    let parent = this.parent;
    for (let hops = 0; parent?.dead; hops++) parent = hops < 64 ? parent.reaper : undefined;
    this.parent = parent === this ? undefined : parent;
    return this.parent;
  }

  /** The n-th ancestor, 0 being the process itself. Loops end after `n` steps at most. */
  ancestor(n: number): Process | undefined {
    let process: Process | undefined = this;
    for (let level = 0; level < n && process; level++) process = process.parentNow();
    return process;
  }

  /** The n-th ancestor by birth: double forks do not hide it. */
  originalAncestor(n: number): Process | undefined {
    let process: Process | undefined = this;
    for (let level = 0; level < n && process; level++) process = process.originalParent;
    return process;
  }

  /** What a child has at birth. */
  inheritFrom(parent: Process): void {
    this.isOurs = parent.isOurs;
    this.known = parent.known;
    this.mayRead = parent.mayRead;
    this.parent = parent;
    this.originalParent = parent;
    this.comm = parent.comm;
    this.exe = parent.exe;
    this.exePath = parent.exePath;
    this.args = parent.args;
    this.argumentList = parent.argumentList;
    this.environment = parent.environment;
    this.text = parent.text;
    this.cwd = parent.cwd;
    this.tty = parent.tty;
    this.session = parent.session;
    this.processGroup = parent.processGroup;
    this.vprocessGroup = parent.vprocessGroup;
    this.euid = parent.euid;
    this.egid = parent.egid;
    this.auditUid = parent.auditUid;
    this.capPermitted = parent.capPermitted;
    this.capEffective = parent.capEffective;
    this.capInheritable = parent.capInheritable;
    this.usage = parent.usage;
    this.stack = parent.stack;
    this.exeInode = parent.exeInode;
    this.exeChangeTime = parent.exeChangeTime;
    this.exeModificationTime = parent.exeModificationTime;
    this.exeFlags = parent.exeFlags;
    this.cgroup = parent.cgroup;
  }

  /** Marks it dead and lets go of what would make chains of dead processes grow without end. */
  die(reaper: Process | undefined, now: number): void {
    this.parent = this.parentNow();
    this.reaper = reaper === this ? undefined : reaper;
    this.dead = true;
    this.deadAt = now;
    this.environment = '';
    const last = this.originalAncestor(LINEAGE_LIMIT);
    if (last?.dead) last.originalParent = undefined;
  }

  /** Cuts what only its descendants, who may live for long, still hold on to. */
  shrink(): void {
    this.environment = '';
    this.exe = beginning(this.exe);
    this.args = beginning(this.args);
    this.cwd = '';
  }

  /** A copy as of now, ancestors included, for an event that is judged later. */
  freeze(levels = 8): Process {
    const copy = Object.assign(new Process(this.tgid, this.start), this);
    if (levels > 0) copy.parent = this.parentNow()?.freeze(levels - 1);
    return copy;
  }
}

const KEPT_BYTES = 256;

/** The beginning alone: a plain slice would keep the whole text alive. */
function beginning(text: ByteString): ByteString {
  if (text.length <= KEPT_BYTES) return text;
  return Buffer.from(text.slice(0, KEPT_BYTES), 'latin1').latin1Slice();
}
