import { isCall, syscallNumber } from '../../events/event-name.ts';
import {
  CGROUP_MKDIR,
  cgroupLayout,
  EVENT_CGROUP,
  EVENT_PIDNS,
  headerLayout,
} from '../../events/layout.ts';
import { RecordBuilder } from '../../events/record-builder.ts';
import type { Fact } from '../facts.ts';
import type { CaptureHead, CaptureSink } from '../format.ts';
import { Accounts } from './accounts.ts';
import { Cgroups } from './cgroups.ts';
import type { ScapEvent } from './event.ts';
import { CALLS, NOTICES, told } from './handlers.ts';
import type { AccountEntry, DescriptorEntry, ThreadEntry } from './lists.ts';
import { Processes, ScapProcess } from './process.ts';
import { argvOf, resultOf, type Translation, withoutSlash } from './translation.ts';

/** Bytes of starts of calls whose ends are still to come. */
const STARTS_LIMIT = 32 * 1024 * 1024;
const NO_SYSCALL = 0xffff;

/** Makes records and facts of what a scap capture tells, as if the probe had seen it. */
export class Translator implements Translation {
  readonly builder = new RecordBuilder();
  readonly processes = new Processes();
  /** How many events there were of kinds that rules do not look at, by name. */
  readonly ignored = new Map<string, number>();
  readonly #sink: CaptureSink;
  readonly #bootEpoch: bigint;
  readonly #cgroups: Cgroups;
  readonly #starts = new Map<number, { event: ScapEvent; bytes: number }>();
  #startBytes = 0;
  readonly #sequences: number[] = [];
  readonly accounts: Accounts;
  #hasStarted = false;

  constructor(sink: CaptureSink, head: CaptureHead) {
    this.#sink = sink;
    this.#bootEpoch = head.bootEpoch;
    this.#cgroups = new Cgroups(
      (id, path) => this.#newCgroup(id, path),
      (fact) => this.fact(fact),
      (container, path) => this.accounts.place(container, path),
    );
    this.accounts = new Accounts(
      (container) => this.#cgroups.pathsOf(container),
      (fact) => this.fact(fact),
    );
    sink.head(head);
    sink.use(this.builder.bytes);
  }

  fact(fact: Fact): void {
    this.#sink.fact(fact);
  }

  thread(entry: ThreadEntry): void {
    const { tid, pid } = entry;
    if (tid !== pid) {
      const process = this.processes.ofThread(pid) ?? this.processes.add(pid, true);
      if (process !== undefined) this.processes.addThread(tid, process);
      return;
    }
    const process = this.processes.ofThread(pid) ?? this.processes.add(pid, true);
    if (process === undefined) return;
    const { comm, exePath, uid, gid, loginuid, tty, cgroups } = entry;
    Object.assign(process, { comm, exePath, uid, gid, loginuid, tty });
    const { capPermitted, capEffective, capInheritable } = entry;
    process.capabilities = { capPermitted, capEffective, capInheritable };
    process.cwd = withoutSlash(entry.cwd);
    process.session = entry.sid < 0 ? 0 : entry.sid;
    process.vgroup = entry.vpgid;
    process.group = entry.vpgid < 0 ? 0 : entry.vpgid;
    if (entry.vpid > 0) process.vpid = entry.vpid;
    process.inPidNamespace = process.vpid !== pid;
    process.parent = this.processes.ofThread(entry.ptid);
    process.cgroup = this.#cgroups.numberOf(cgroups);
    this.fact({
      kind: 'process',
      facts: {
        tgid: pid,
        ppid: entry.ptid > 0 ? entry.ptid : 0,
        startTicks: 0,
        comm,
        argv: argvOf(entry.exe, entry.args),
        environment: entry.environment,
        exePath: exePath || (entry.exe.startsWith('/') ? entry.exe : ''),
        exeDeleted: false,
        cwd: process.cwd,
        tty,
        session: process.session,
        processGroup: process.group,
        vpid: process.vpid,
        vprocessGroup: process.vgroup,
        inPidNamespace: process.inPidNamespace,
        euid: uid,
        egid: gid,
        auditUid: loginuid,
        ...process.capabilities,
        usage: entry.usage,
        stack: 0,
      },
    });
    if (this.#isMemberOfContainer(process)) this.#tellMembership(process, cgroups);
  }

  descriptor(tid: number, { fd, descriptor }: DescriptorEntry): void {
    const process = this.processes.ofThread(tid);
    if (process !== undefined) this.processes.open(process, fd, descriptor);
  }

  account(entry: AccountEntry, container = '', isDeleted = false): void {
    this.accounts.change(entry, container, isDeleted);
  }

  /** The lists are over. */
  start(): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    this.accounts.start();
    this.fact({ kind: 'started' });
  }

  event(event: ScapEvent): void {
    this.start();
    const notice = NOTICES.get(event.name);
    if (notice !== undefined) {
      notice(this, event, this.#processOf(event));
      return;
    }
    const handle = CALLS.get(event.name) ?? (isCall(event.name) ? told : undefined);
    if (handle === undefined) {
      this.ignored.set(event.name, (this.ignored.get(event.name) ?? 0) + 1);
    } else if (event.isStart) {
      this.#keepStart(event);
    } else {
      event.start = this.#takeStart(event);
      handle(this, event, this.#processOf(event));
    }
  }

  /** Reads what is told of a container. */
  learnContainer(json: string): void {
    this.#cgroups.learn(json);
  }

  /** The process moves to the cgroup of a list. */
  move(process: ScapProcess, cgroups: string): void {
    if (cgroups !== '') process.cgroup = this.#cgroups.numberOf(cgroups);
  }

  /** Begins a record of an event. `syscall` is its name; without one it is no call. */
  begin(kind: number, size: number, event: ScapEvent, process: ScapProcess, syscall?: string) {
    const time = event.time - this.#bootEpoch;
    const sequence = this.#sequences[event.cpu] ?? 0;
    this.#sequences[event.cpu] = (sequence + 1) >>> 0;
    return this.builder
      .begin(kind, size)
      .uint64(headerLayout.time, time < 0n ? 0n : time)
      .int64(headerLayout.cgroup, process.cgroup)
      .int64(headerLayout.result, resultOf(event))
      .uint16(headerLayout.cpu, event.cpu)
      .uint16(headerLayout.syscall, syscall === undefined ? NO_SYSCALL : syscallNumber(syscall))
      .uint32(headerLayout.flags, process.inPidNamespace ? EVENT_PIDNS : 0)
      .uint32(headerLayout.sequence, sequence)
      .uint32(headerLayout.start, process.start)
      .uint32(headerLayout.tgid, process.pid)
      .uint32(headerLayout.tid, event.tid)
      .uint32(headerLayout.ppid, process.ppid)
      .uint32(headerLayout.vpid, process.vpid)
      .uint32(headerLayout.euid, process.uid)
      .uint32(headerLayout.egid, process.gid)
      .text(headerLayout.comm, 15, process.comm)
      .uint32(headerLayout.auditUid, process.loginuid)
      .uint16(headerLayout.threads, Math.min(process.threads.size, 0xffff))
      .uint32(headerLayout.vtid, vtidOf(event, process));
  }

  emit(): void {
    this.builder.end();
    this.#sink.record(0, this.builder.length);
  }

  #processOf({ tid }: ScapEvent): ScapProcess {
    return this.processes.ofThread(tid) ?? this.processes.add(tid) ?? new ScapProcess(tid, 0);
  }

  #keepStart(event: ScapEvent): void {
    const kept = event.keep();
    this.#takeStart(event);
    while (this.#startBytes + kept.size > STARTS_LIMIT) {
      const [oldest] = this.#starts.keys();
      if (oldest === undefined) return;
      this.#forgetStart(oldest);
    }
    this.#starts.set(event.tid, { event: kept, bytes: kept.size });
    this.#startBytes += kept.size;
  }

  /** The start that an end belongs to. */
  #takeStart({ tid, name }: ScapEvent): ScapEvent | undefined {
    const start = this.#starts.get(tid)?.event;
    this.#forgetStart(tid);
    return start?.name === name ? start : undefined;
  }

  #forgetStart(tid: number): void {
    this.#startBytes -= this.#starts.get(tid)?.bytes ?? 0;
    this.#starts.delete(tid);
  }

  /** Before the start cgroups are facts; afterwards they are made by a record, as on a live host. */
  #newCgroup(id: number, path: string): void {
    if (!this.#hasStarted) {
      this.fact({ kind: 'cgroup', id, path });
      return;
    }
    this.builder
      .begin(EVENT_CGROUP, cgroupLayout.size)
      .int64(cgroupLayout.id, id)
      .uint32(cgroupLayout.action, CGROUP_MKDIR)
      .strings(cgroupLayout.stringLength, path);
    this.emit();
  }

  #isMemberOfContainer({ inPidNamespace, vpid }: ScapProcess): boolean {
    return inPidNamespace && vpid === 1;
  }

  #tellMembership({ pid }: ScapProcess, cgroups: string): void {
    const lines = cgroups
      .split('\0')
      .filter((pair) => pair.includes('='))
      .map(
        (pair) => `0:${pair.slice(0, pair.indexOf('='))}:${pair.slice(pair.indexOf('=') + 1)}\n`,
      );
    this.fact({ kind: 'membership', tgid: pid, text: lines.join('') });
  }
}

/** Captures tell a thread's number in its namespace only where it begins. */
function vtidOf({ tid }: ScapEvent, { pid, vpid, inPidNamespace }: ScapProcess): number {
  if (!inPidNamespace) return tid;
  return tid === pid ? vpid : 0;
}
