import type { KernelEvent } from '../events/kernel-event.ts';
import {
  EVENT_EXE_DELETED,
  EVENT_EXE_MEMFD,
  EVENT_EXEC,
  EVENT_EXIT,
  EVENT_FORK,
  EVENT_PIDNS,
  execLayout,
  exitLayout,
  forkLayout,
  usageLayout,
} from '../events/layout.ts';
import { applyCall } from './call-effects.ts';
import { listProcesses, type ProcessFacts, readProcess } from './proc-files.ts';
import { Process, type Usage } from './process.ts';
import { ProcessBytes } from './process-bytes.ts';

/** How the tree is bounded and where it reads what it has not seen happen. */
export interface ProcessTreeOptions {
  /** Live and dead entries together. */
  readonly limit?: number;
  readonly deadLimit?: number;
  /** Bytes of all entries, about. */
  readonly byteLimit?: number;
  /** How long a dead process can still be found, ms. */
  readonly graceMs?: number;
  /** Reads of unknown processes a second. */
  readonly readsPerSecond?: number;
  readonly read?: (tgid: number, withEnvironment: boolean) => ProcessFacts | undefined;
  readonly list?: () => number[];
  /** Milliseconds of any steady clock. */
  readonly now?: () => number;
  /** The process that is ours, with all it has started and will start. */
  readonly ours?: number | undefined;
}

/** What the tree has done; each is a count since the start. */
export interface ProcessTreeCounters {
  /** Another process was found under a number that was thought to be alive. */
  pidReused: number;
  /** Events of processes whose fork was not seen. */
  unknown: number;
  /** Unknown processes that /proc could tell more of. */
  healed: number;
  /** Unknown processes not read because of the limit a second. */
  readsSkipped: number;
  reparented: number;
  /** Dead entries dropped before their time. */
  evicted: number;
  /** Processes not entered because the tree was full of live ones. */
  refused: number;
  /** Live entries dropped because the tree had too many bytes; /proc tells of them again when they act. */
  forgotten: number;
}

const TICK_NS = 10_000_000n;

/** All processes, kept up to date by the records in the order of the ring. */
export class ProcessTree {
  readonly counters: ProcessTreeCounters = {
    pidReused: 0,
    unknown: 0,
    healed: 0,
    readsSkipped: 0,
    reparented: 0,
    evicted: 0,
    refused: 0,
    forgotten: 0,
  };
  /** Whether environments are read of processes whose exec was not seen. */
  withEnvironment = false;
  readonly #processes = new Map<number, Process>();
  readonly #options: Required<ProcessTreeOptions>;
  /** Dead entries, oldest first, from `#deadHead` on. */
  #dead: Process[] = [];
  readonly #bytes = new ProcessBytes();
  #deadHead = 0;
  #readBudget: number;
  #doubt = 0;
  #budgetAt: number;

  constructor(options: ProcessTreeOptions = {}) {
    this.#options = {
      limit: 65_536,
      deadLimit: 16_384,
      byteLimit: 128 * 1024 * 1024,
      graceMs: 30_000,
      readsPerSecond: 200,
      read: readProcess,
      list: listProcesses,
      now: () => performance.now(),
      ours: undefined,
      ...options,
    };
    this.#readBudget = this.#options.readsPerSecond;
    this.#budgetAt = this.#options.now();
  }

  get size(): number {
    return this.#processes.size;
  }

  /** Bytes of all entries, about. */
  get bytes(): number {
    return this.#bytes.total;
  }

  /** The most entries and bytes there can be. */
  get limits(): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#options.limit, bytes: this.#options.byteLimit };
  }

  get deadCount(): number {
    return this.#dead.length - this.#deadHead;
  }

  get(tgid: number): Process | undefined {
    return this.#processes.get(tgid);
  }

  processes(): IterableIterator<Process> {
    return this.#processes.values();
  }

  /** Enters every process that runs now and is not known. */
  bootstrap(): void {
    this.#enterAll(this.#readAll());
    const ours = this.#processes.get(this.#options.ours ?? -1);
    for (const process of this.#processes.values()) process.isOurs = hasAncestor(process, ours);
  }

  /** Records are missing: a process that acts now under another name may have executed a program unseen, and is looked at once. */
  doubt(): void {
    this.#doubt++;
  }

  /** Makes the table agree with /proc again, after records of the life of processes were lost. */
  resynchronise(): void {
    const facts = this.#readAll();
    const running = new Map(facts.map((one) => [one.tgid, one]));
    for (const process of this.#processes.values()) {
      if (process.dead) continue;
      const now = running.get(process.tgid);
      process.doubt = this.#doubt;
      if (now === undefined || !isOf(process, now)) this.#bury(process, undefined);
      else if (!runs(process, now)) fill(process, now);
      this.#bytes.update(process);
    }
    this.#enterAll(facts);
    // Who was adopted while nobody looked.
    for (const { tgid, ppid } of facts) {
      const process = this.#processes.get(tgid);
      if (process !== undefined && !process.dead) process.parent = this.#processes.get(ppid);
    }
  }

  #readAll(): ProcessFacts[] {
    return this.#options
      .list()
      .map((tgid) => this.#options.read(tgid, this.withEnvironment))
      .filter((one) => one !== undefined);
  }

  #enterAll(facts: readonly ProcessFacts[]): void {
    for (const one of facts) {
      const known = this.#processes.get(one.tgid);
      if (known !== undefined && !known.dead) continue;
      const process = new Process(one.tgid, 0);
      process.doubt = this.#doubt;
      fill(process, one);
      this.#insert(process);
    }
    for (const one of facts) {
      const process = this.#processes.get(one.tgid);
      if (process === undefined) continue;
      process.parent ??= this.#processes.get(one.ppid);
      process.originalParent ??= process.parent;
    }
  }

  /** Applies one record and tells whose it is. Afterwards the tree is as rules must see it for this record. */
  apply(event: KernelEvent): Process {
    const process = this.#resolve(event);
    if (process.doubt !== this.#doubt) this.#verify(process, event);
    if (event.ppid !== (process.parent?.tgid ?? 0) || process.parent?.dead) {
      this.#reparent(process, event.ppid);
    }
    process.euid = event.euid;
    process.egid = event.egid;
    process.auditUid = event.auditUid;
    process.cgroup = event.cgroup;
    switch (event.kind) {
      case EVENT_FORK:
        this.#fork(event, process);
        break;
      case EVENT_EXEC:
        execute(event, process);
        break;
      case EVENT_EXIT:
        this.#exit(event, process);
        break;
      default:
        applyCall(event, process, this);
    }
    this.#bytes.update(process);
    this.#fitBytes(process);
    return process;
  }

  /** Forgets those dead for long enough. To be called now and then. */
  sweep(): void {
    const before = this.#options.now() - this.#options.graceMs;
    for (;;) {
      const oldest = this.#dead[this.#deadHead];
      if (oldest === undefined || oldest.deadAt > before) break;
      this.#forgetOldest();
    }
  }

  #forgetOldest(): void {
    const oldest = this.#dead[this.#deadHead];
    if (oldest === undefined) return;
    this.#deadHead++;
    this.#bytes.drop(oldest);
    oldest.shrink();
    if (this.#processes.get(oldest.tgid) === oldest) this.#processes.delete(oldest.tgid);
    if (this.#deadHead > 1024 && this.#deadHead * 2 > this.#dead.length) {
      this.#dead = this.#dead.slice(this.#deadHead);
      this.#deadHead = 0;
    }
  }

  #resolve(event: KernelEvent): Process {
    const known = this.#processes.get(event.tgid);
    if (known !== undefined) {
      if (isSame(known, event.start)) return known;
      if (!known.dead) {
        this.counters.pidReused++;
        this.#bury(known, this.#processes.get(1));
      }
    }
    this.counters.unknown++;
    const process = new Process(event.tgid, event.start);
    process.vpid = event.vpid;
    process.inPidNamespace = (event.flags & EVENT_PIDNS) !== 0;
    process.comm = event.comm;
    process.cgroup = event.cgroup;
    this.#read(process, event.start);
    this.#insert(process);
    return process;
  }

  /** A process known by number only, such as a parent nobody has seen act. */
  #lookUp(tgid: number, depth: number): Process | undefined {
    const known = this.#processes.get(tgid);
    if (known !== undefined && !known.dead) return known;
    if (tgid === 0 || depth === 0) return undefined;
    const process = new Process(tgid, 0);
    process.startTicks = -1;
    const ppid = this.#read(process, undefined);
    this.#insert(process);
    if (ppid !== undefined) {
      process.parent = this.#lookUp(ppid, depth - 1);
      process.originalParent = process.parent;
    }
    return process;
  }

  /** What /proc tells of a process, within the limit a second. */
  #ask(tgid: number): ProcessFacts | undefined {
    const now = this.#options.now();
    const perSecond = this.#options.readsPerSecond;
    this.#readBudget = Math.min(
      perSecond,
      this.#readBudget + ((now - this.#budgetAt) / 1000) * perSecond,
    );
    this.#budgetAt = now;
    if (this.#readBudget < 1) {
      this.counters.readsSkipped++;
      return undefined;
    }
    this.#readBudget--;
    return this.#options.read(tgid, this.withEnvironment);
  }

  /** Takes over from /proc what a process became while records were lost. */
  #verify(process: Process, event: KernelEvent): void {
    process.doubt = this.#doubt;
    if (event.kind === EVENT_EXEC || event.kind === EVENT_EXIT) return;
    const { comm } = event;
    if (comm === process.comm) return;
    const facts = this.#ask(process.tgid);
    if (facts === undefined || !isOf(process, facts) || runs(process, facts)) return;
    // By now it may be another program again than when it did this.
    if (facts.comm !== comm) return;
    fill(process, facts);
    this.counters.healed++;
  }

  /** Fills in from /proc, and tells the parent's number. */
  #read(process: Process, start: number | undefined): number | undefined {
    process.mayRead = false;
    process.doubt = this.#doubt;
    const facts = this.#ask(process.tgid);
    if (facts === undefined) return undefined;
    if (start !== undefined && !isWithinTick(facts.startTicks, start)) return undefined;
    fill(process, facts);
    if (start !== undefined) {
      process.start = start;
      process.startTicks = undefined;
    }
    this.counters.healed++;
    return facts.ppid;
  }

  #reparent(process: Process, ppid: number): void {
    // The kernel goes on naming a parent for a moment after its exit was told; by then its children are the reaper's here.
    if (this.#processes.get(ppid)?.dead) return;
    const parent = this.#lookUp(ppid, 8);
    if (parent === process.parent) return;
    if (process.parent !== undefined) this.counters.reparented++;
    process.parent = parent === process ? undefined : parent;
    process.originalParent ??= process.parent;
  }

  #fork(event: KernelEvent, parent: Process): void {
    const child = new Process(event.uint32(forkLayout.tgid), event.uint32(forkLayout.start));
    child.inheritFrom(parent);
    child.doubt = this.#doubt;
    child.comm = event.comm;
    child.startTime = event.time;
    child.vpid = event.uint32(forkLayout.vpid);
    child.inPidNamespace = (event.uint32(forkLayout.flags) & EVENT_PIDNS) !== 0;
    // The first process of a pid namespace is in a group that lies outside.
    if (child.inPidNamespace && child.vpid === 1) child.vprocessGroup = 0;
    child.cgroup = event.unsigned64(forkLayout.cgroup);
    child.capPermitted = event.big64(forkLayout.capPermitted);
    child.capEffective = event.big64(forkLayout.capEffective);
    child.capInheritable = event.big64(forkLayout.capInheritable);
    child.usage = usageOf(event, forkLayout.usage);
    this.#insert(child);
  }

  #exit(event: KernelEvent, process: Process): void {
    const reaper = event.uint32(exitLayout.reaper);
    this.#bury(process, reaper === 0 ? undefined : this.#lookUp(reaper, 1));
  }

  #bury(process: Process, reaper: Process | undefined): void {
    process.die(reaper, this.#options.now());
    this.#dead.push(process);
    if (this.deadCount > this.#options.deadLimit) {
      this.counters.evicted++;
      this.#forgetOldest();
    }
  }

  #insert(process: Process): void {
    if (!this.#processes.has(process.tgid) && this.#processes.size >= this.#options.limit) {
      while (this.#processes.size >= this.#options.limit && this.deadCount > 0) {
        this.counters.evicted++;
        this.#forgetOldest();
      }
      if (this.#processes.size >= this.#options.limit) {
        this.counters.refused++;
        return;
      }
    }
    // Whose exit was lost is dropped at once.
    const before = this.#processes.get(process.tgid);
    if (before !== undefined && !before.dead) this.#bytes.drop(before);
    this.#processes.set(process.tgid, process);
    this.#bytes.hold(process);
  }

  /** Drops the dead, then the live that have been in the tree for longest, until the rest fits. */
  #fitBytes(current: Process): void {
    const { byteLimit } = this.#options;
    while (this.#bytes.total > byteLimit && this.deadCount > 0) {
      this.counters.evicted++;
      this.#forgetOldest();
    }
    if (this.#bytes.total <= byteLimit) return;
    for (const [tgid, process] of this.#processes) {
      if (process === current || process.isOurs) continue;
      this.#processes.delete(tgid);
      this.#bytes.drop(process);
      process.shrink();
      this.counters.forgotten++;
      if (this.#bytes.total <= byteLimit) return;
    }
  }
}

/** Whether the process is that one or descends from it. */
function hasAncestor(process: Process, ancestor: Process | undefined): boolean {
  if (ancestor === undefined) return false;
  let one: Process | undefined = process;
  for (let level = 0; level < 64 && one !== undefined && one !== ancestor; level++)
    one = one.parent;
  return one === ancestor;
}

/** Whether a header's start is this process's. The first event of a scanned process makes its start exact. */
function isSame(process: Process, start: number): boolean {
  if (process.startTicks === undefined) return process.start === start;
  if (process.startTicks >= 0 && !isWithinTick(process.startTicks, start)) return false;
  process.start = start;
  process.startTicks = undefined;
  return true;
}

/** Whether facts of /proc are about this process. */
function isOf(process: Process, facts: ProcessFacts): boolean {
  return process.startTicks === undefined
    ? isWithinTick(facts.startTicks, process.start)
    : process.startTicks === facts.startTicks;
}

/** Whether a process still runs the program that is known of it, and not the same one anew. */
function runs(process: Process, { exePath, stack }: ProcessFacts): boolean {
  return (
    process.exePath === exePath && (process.stack === 0 || stack === 0 || process.stack === stack)
  );
}

/** Whether a start in units of 2^20 ns (32 bits) can lie in the 10 ms of a tick; one unit of tolerance on both sides. */
function isWithinTick(ticks: number, start: number): boolean {
  const first = Number(((BigInt(ticks) * TICK_NS) >> 20n) & 0xffffffffn);
  return (start - first + 1) >>> 0 <= 12;
}

function fill(process: Process, facts: ProcessFacts): void {
  if (process.startTime === 0n) {
    process.startTicks = facts.startTicks;
    process.startTime = BigInt(facts.startTicks) * TICK_NS;
  }
  process.known = true;
  process.comm = facts.comm;
  setArguments(process, facts.argv);
  process.environment = facts.environment;
  process.exePath = facts.exePath;
  countText(process, facts.argv);
  process.exeFlags =
    (facts.exeDeleted ? EVENT_EXE_DELETED : 0) |
    (facts.exePath.startsWith('memfd:') ? EVENT_EXE_MEMFD : 0);
  process.cwd = facts.cwd;
  process.tty = facts.tty;
  process.session = facts.session;
  process.processGroup = facts.processGroup;
  process.vpid = facts.vpid;
  process.vprocessGroup = facts.vprocessGroup;
  process.inPidNamespace = facts.inPidNamespace;
  process.euid = facts.euid;
  process.egid = facts.egid;
  process.auditUid = facts.auditUid;
  process.capPermitted = facts.capPermitted;
  process.capEffective = facts.capEffective;
  process.capInheritable = facts.capInheritable;
  process.usage = facts.usage;
  process.stack = facts.stack;
  process.membership = undefined;
}

function execute(event: KernelEvent, process: Process): void {
  process.known = true;
  process.comm = event.comm;
  process.exePath = event.string(1);
  const cwd = event.string(2);
  if (cwd !== '') process.cwd = cwd;
  const argv = event.string(3);
  setArguments(process, argv);
  process.environment = event.string(4);
  countText(process, argv);
  process.tty = event.uint32(execLayout.tty);
  process.session = event.uint32(execLayout.session);
  process.processGroup = event.uint32(execLayout.processGroup);
  process.vprocessGroup = event.uint32(execLayout.vprocessGroup);
  process.vpid = event.vpid;
  process.inPidNamespace = (event.flags & EVENT_PIDNS) !== 0;
  if (process.inPidNamespace && process.vpid !== 1 && !process.parentNow()?.inPidNamespace)
    process.errand ??= withoutEnd(argv).slice(0, ERRAND_MAX);
  process.capPermitted = event.big64(execLayout.capPermitted);
  process.capEffective = event.big64(execLayout.capEffective);
  process.capInheritable = event.big64(execLayout.capInheritable);
  process.usage = usageOf(event, execLayout.usage);
  process.stack = event.unsigned64(execLayout.stack);
  process.membership = undefined;
  process.exeInode = event.big64(execLayout.inode);
  process.exeChangeTime = event.big64(execLayout.changeTime);
  process.exeModificationTime = event.big64(execLayout.modificationTime);
  process.exeFlags = event.flags;
}

function usageOf(event: KernelEvent, at: number): Usage {
  return {
    fileLimit: event.uint32(at + usageLayout.fileLimit),
    majorFaults: event.uint32(at + usageLayout.majorFaults),
    minorFaults: event.uint32(at + usageLayout.minorFaults),
    virtualKilobytes: event.uint32(at + usageLayout.virtualKilobytes),
    residentKilobytes: event.uint32(at + usageLayout.residentKilobytes),
    swappedKilobytes: event.uint32(at + usageLayout.swappedKilobytes),
  };
}

/** The arguments are kept twice: as they came, of which the first is a part, and joined. */
function countText(process: Process, argv: string): void {
  const { environment, exePath } = process;
  process.text = { bytes: 2 * argv.length + environment.length + exePath.length, holders: 0 };
}

/** Longest part of an errand that is kept. */
const ERRAND_MAX = 1024;

const withoutEnd = (argv: string): string => (argv.endsWith('\0') ? argv.slice(0, -1) : argv);

/** Splits NUL-ended argv into `exe` and the rest. */
function setArguments(process: Process, argv: string): void {
  const text = withoutEnd(argv);
  const end = text.indexOf('\0');
  process.exe = end < 0 ? text : text.slice(0, end);
  process.argumentList = end < 0 ? [] : text.slice(end + 1).split('\0');
  process.args = process.argumentList.join(' ');
}
