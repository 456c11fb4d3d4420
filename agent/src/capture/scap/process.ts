import type { ByteString } from '../../rules/field.ts';
import type { CapabilitySets } from '../../state/process.ts';
import type { Descriptor } from './descriptor.ts';

/** Live processes, threads and open descriptors that are kept; a capture may be hostile, or of a machine without end. */
const THREAD_LIMIT = 131_072;
const DESCRIPTOR_LIMIT = 262_144;
/** Of these, open in one process: a fork copies them. */
const OPEN_LIMIT = 4096;
const FD_MAX = 0x7fffffff;

const NO_CAPABILITIES: CapabilitySets = { capPermitted: 0n, capEffective: 0n, capInheritable: 0n };

/** A process as the capture tells it. */
export class ScapProcess {
  readonly pid: number;
  /** Tells processes of the same number apart, as the start does in a record. */
  readonly start: number;
  parent: ScapProcess | undefined;
  dead = false;
  comm: ByteString = '<NA>';
  cwd: ByteString = '';
  exePath: ByteString = '';
  uid = 0;
  gid = 0;
  loginuid = 0xffffffff;
  vpid: number;
  inPidNamespace = false;
  session = 0;
  group = 0;
  vgroup = -1;
  tty = 0;
  capabilities: CapabilitySets = NO_CAPABILITIES;
  /** Number of its cgroup, see `Cgroups`. */
  cgroup = 0;
  /** Which of the two that tell of its making has told already: the call returns in the parent and in the child. */
  toldBy: 'parent' | 'child' | undefined;
  readonly descriptors = new Map<number, Descriptor>();
  /** Its threads that are alive. */
  readonly threads = new Set<number>();

  constructor(pid: number, start: number) {
    this.pid = pid;
    this.vpid = pid;
    this.start = start;
  }

  /** The number of its parent: a dead one's children are its own parent's, as far as the capture tells. */
  get ppid(): number {
    let parent = this.parent;
    for (let hops = 0; parent?.dead && hops < 64; hops++) parent = parent.parent;
    return parent === undefined || parent.dead || parent === this ? 0 : parent.pid;
  }

  inheritFrom(parent: ScapProcess): void {
    const { comm, cwd, exePath, uid, gid, loginuid } = parent;
    const { inPidNamespace, session, group, vgroup, tty, cgroup, capabilities } = parent;
    Object.assign(this, { comm, cwd, exePath, uid, gid, loginuid });
    Object.assign(this, { inPidNamespace, session, group, vgroup, tty, cgroup });
    Object.assign(this, { capabilities, parent });
  }
}

/** The processes by the numbers of their threads, and what they have open. */
export class Processes {
  readonly #threads = new Map<number, ScapProcess>();
  /** Starts given so far; those below belong to the processes of the beginning. */
  #starts = 64;
  #descriptors = 0;
  /** Threads and descriptors that were not kept, because there were too many. */
  refused = 0;

  ofThread(tid: number): ScapProcess | undefined {
    return this.#threads.get(tid);
  }

  /** A process with one thread of its own number. Undefined when there are too many. */
  add(pid: number, fromStart = false): ScapProcess | undefined {
    const process = new ScapProcess(pid, fromStart ? 0 : this.#starts++);
    return this.addThread(pid, process) ? process : undefined;
  }

  addThread(tid: number, process: ScapProcess): boolean {
    if (this.#threads.size >= THREAD_LIMIT && !this.#threads.has(tid)) {
      this.refused++;
      return false;
    }
    this.#threads.get(tid)?.threads.delete(tid);
    this.#threads.set(tid, process);
    process.threads.add(tid);
    return true;
  }

  /** A thread has ended; tells whether it was the last of its process, which is dead then. */
  end(tid: number): boolean {
    const process = this.#threads.get(tid);
    if (process === undefined) return false;
    this.#threads.delete(tid);
    process.threads.delete(tid);
    if (process.threads.size > 0 || process.dead) return false;
    process.dead = true;
    this.#descriptors -= process.descriptors.size;
    process.descriptors.clear();
    return true;
  }

  /** All threads but one have ended, as in an exec. */
  keepOnly(process: ScapProcess, tid: number): void {
    for (const other of process.threads) if (other !== tid) this.#threads.delete(other);
    process.threads.clear();
    this.addThread(tid, process);
  }

  open(process: ScapProcess, fd: number, descriptor: Descriptor): void {
    if (fd < 0 || fd > FD_MAX) return;
    if (!process.descriptors.has(fd)) {
      if (this.#descriptors >= DESCRIPTOR_LIMIT || process.descriptors.size >= OPEN_LIMIT) {
        this.refused++;
        return;
      }
      this.#descriptors++;
    }
    process.descriptors.set(fd, descriptor);
  }

  close(process: ScapProcess, fd: number): void {
    if (process.descriptors.delete(fd)) this.#descriptors--;
  }

  copyDescriptors(from: ScapProcess, to: ScapProcess): void {
    for (const [fd, descriptor] of from.descriptors) {
      if (this.#descriptors >= DESCRIPTOR_LIMIT) {
        this.refused++;
        return;
      }
      this.open(to, fd, descriptor);
    }
  }
}
