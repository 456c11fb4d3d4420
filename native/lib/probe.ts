/** The running probe: what it watches, the records it wrote, and the account of those it could not. */
import { availableParallelism } from 'node:os';
import {
  loadBinding,
  type NativeOptions,
  type NativeProbe,
  PROBE_OBJECTS,
  type SkippedProgram,
} from './binding.ts';
import { currentHierarchy } from './cgroups.ts';
import {
  CAUSES,
  EVENT_CALL,
  EVENT_CGROUP,
  EVENT_EXEC,
  EVENT_EXECFAIL,
  EVENT_EXIT,
  EVENT_FORK,
  EVENT_OPEN,
  EVENT_PATH,
  EVENT_PATHS,
  EVENT_SOCKET,
  FILTERS,
  IA32_NONE,
  IA32_SOCKETCALL,
  SYSCALL_LIMIT,
  WATCH_FAILED,
  WATCH_IA32_NUMBER,
  WATCH_NATIVE,
} from './layout.ts';
import { IA32_NAMES, SYSCALL_NAMES, SYSCALLS } from './syscalls.ts';

const DEFAULT_RING_BYTES = 16 * 1024 * 1024;
const RING_LIMITS = [256 * 1024, 1024 * 1024 * 1024] as const;
const SLOT_CPUS_MAX = 128;

const KIND_NAMES: readonly (readonly [number, string])[] = [
  [EVENT_FORK, 'fork'],
  [EVENT_EXEC, 'exec'],
  [EVENT_EXIT, 'exit'],
  [EVENT_OPEN, 'open'],
  [EVENT_PATH, 'path'],
  [EVENT_PATHS, 'paths'],
  [EVENT_SOCKET, 'socket'],
  [EVENT_CALL, 'call'],
  [EVENT_EXECFAIL, 'execfail'],
  [EVENT_CGROUP, 'cgroup'],
];

/** Calls that 32-bit programs make through socketcall(2), as far as the probe tells them. */
const SOCKET_CALLS = [
  'socket',
  'socketpair',
  'bind',
  'connect',
  'listen',
  'accept',
  'accept4',
  'sendto',
  'recvfrom',
  'sendmsg',
  'recvmsg',
  'sendmmsg',
  'recvmmsg',
];
/** 32-bit calls whose 64-bit counterpart has another name. */
const IA32_ALIASES: Readonly<Record<string, string>> = {
  umount: 'umount2',
  setuid32: 'setuid',
  setgid32: 'setgid',
  setreuid32: 'setreuid',
  setregid32: 'setregid',
  setresuid32: 'setresuid',
  setresgid32: 'setresgid',
  chown32: 'chown',
  fchown32: 'fchown',
  lchown32: 'lchown',
  truncate64: 'truncate',
  ftruncate64: 'ftruncate',
  fcntl64: 'fcntl',
};

/** Opens of one call that are told; see `OPEN_CLASS_CREATE` and its kin. */
export interface OpenClasses {
  /** Native number of open, openat, creat or open_by_handle_at. */
  readonly call: number;
  /** A bit a class, for opens that succeeded and for those that failed. */
  readonly succeeded: number;
  readonly failed: number;
}

/** Opens that are not told any more: all by one native call with these flags and this path, until the setting changes. */
export interface OpenVerdict {
  /** Native number of open, openat or creat. */
  readonly call: number;
  /** O_*, as given. */
  readonly openFlags: number;
  /** Whether those that failed are meant, or those that did not. */
  readonly failed: boolean;
  /** As given and absolute, a byte a character; of less than `VERDICT_PATH_MAX` - 1 bytes. */
  readonly path: string;
  /** Only those of which the kernel's own path is this one, of at most `VERDICT_REAL_MAX` bytes; empty for whatever it is. */
  readonly real: string;
  /** Only those in a cgroup that `markHost` was called with. */
  readonly onHost: boolean;
}

export interface ProbeOptions {
  /** A power of two; default 16 MiB. */
  readonly ringBytes?: number;
  /** Native numbers of the calls that are told. Fork, exec, exit and cgroups always are. */
  readonly syscalls: readonly number[];
  /** Of those, the calls that are told even when they failed. */
  readonly keepFailed: readonly number[];
  /** Narrows the opens that are told to some classes; calls that are not listed are told whole. */
  readonly openClasses?: readonly OpenClasses[];
  /** Send the environment of new programs. */
  readonly environment?: boolean;
  /** Processes that are never told: the agent itself. */
  readonly mutedProcesses?: readonly number[];
  /** Compiled programs in place of those of `PROBE_OBJECTS` that suit the kernel. */
  readonly object?: string;
  /** Copy spans to a buffer instead of exposing the ring's own pages, as where Node refuses external buffers. */
  readonly copy?: boolean;
}

/** What became of the records of one kind since the probe was opened. */
export interface KindStatistics {
  readonly kind: string;
  readonly sent: number;
  /** Refused by graded admission, to keep room for what matters more. */
  readonly shed: number;
  /** The ring had no room. */
  readonly full: number;
  /** The call could not be read. */
  readonly fault: number;
  /** All scratch memory of the cpu was in use. */
  readonly busy: number;
}

/** Events of one kind that are watched and needed no record, by the reason. */
export interface KindFilters {
  readonly kind: string;
  /** The call failed, and failures of it are not told. */
  readonly failed: number;
  /** Made by a muted process. */
  readonly muted: number;
  /** An open of a class that is not told. */
  readonly class: number;
  /** An open like one that was ruled out. */
  readonly verdict: number;
}

/** What became of the records of one system call. */
export interface CallStatistics {
  readonly call: string;
  readonly sent: number;
  /** For whatever cause. */
  readonly lost: number;
}

/** A process whose records were lost. */
export interface Loser {
  readonly tgid: number;
  readonly lost: number;
  /** As in the records. */
  readonly cgroup: number;
  /** Bytes, a character each. */
  readonly comm: string;
}

export interface ProbeStatistics {
  readonly kinds: readonly KindStatistics[];
  /** Calls that were watched and happened. */
  readonly calls: readonly CallStatistics[];
  readonly filtered: readonly KindFilters[];
  readonly ringBytes: number;
  /** Bytes that wait to be read. */
  readonly backlogBytes: number;
}

export interface Probe {
  /** The ring's data, and its start once more so that no record wraps. Read only: writing ends the process. */
  readonly ring: Uint8Array;
  /** Mount point whose inode numbers are the cgroup ids of the records. */
  readonly cgroupHierarchy: string;
  /** Optional programs that do not run on this kernel. */
  readonly skipped: readonly SkippedProgram[];
  /** Finds finished records, at most 4 MiB: `span` becomes [start, bytes]. False when there are none. */
  scan(span: Uint32Array): boolean;
  /** Gives the bytes of a span back; its records must not be read any more. */
  advance(bytes: number): void;
  /**
   * Calls back once, when a record comes into the empty ring, unless `scan` is called before. False when there is one already, which may
   * still be written. One that was begun at this very moment may come without a call: look again after a while.
   */
  wait(onRecord: () => void): boolean;
  /** Changes what is told. Meanwhile every event is told that either the old or the new setting wants. */
  setSyscalls(
    syscalls: readonly number[],
    keepFailed: readonly number[],
    environment?: boolean,
    openClasses?: readonly OpenClasses[],
  ): void;
  /** Leaves out what is like this. Takes back nothing: a change of the setting does. */
  ruleOut(verdict: OpenVerdict): void;
  /** Tells that a cgroup, by the id of the records, is in no container and never will be. Of many the least used are forgotten. */
  markHost(cgroup: bigint): void;
  /** A process that is never told again, until it ends. */
  mute(tgid: number): void;
  statistics(): ProbeStatistics;
  /** Whose records were lost since this was last asked, at most 1024 processes. */
  takeLosers(): Loser[];
  /** Detaches the programs and empties `ring`. Idempotent. */
  close(): void;
}

/**
 * Loads and attaches. Throws RangeError for options; other errors carry a `code` (PROBE_LOAD and the
 * like), and their message ends with the last lines of libbpf's and the verifier's log.
 */
export function openProbe(options: ProbeOptions): Probe {
  const { Native, words, use } = prepare(options);
  return use(new Native(...words));
}

/** The same in another thread, while this one goes on. Throws RangeError for options at once; rejects with other errors. */
export function openProbeAside(options: ProbeOptions): Promise<Probe> {
  const { Native, words, use } = prepare(options);
  return Native.open(...words).then(use);
}

/** Checks the options: the words for the addon, and what makes of its probe one of ours. */
function prepare(options: ProbeOptions) {
  const ringBytes = checkedRingBytes(options.ringBytes ?? DEFAULT_RING_BYTES);
  const table = watchTable(options.syscalls, options.keepFailed);
  const muted = (options.mutedProcesses ?? []).map((tgid) =>
    checkedInteger(tgid, 'mutedProcesses', 1, 0x7fffffff),
  );
  const hierarchy = currentHierarchy();
  const cpus = Math.min(availableParallelism(), SLOT_CPUS_MAX);
  const { Probe: Native } = loadBinding();
  const words: NativeOptions = [
    options.object === undefined ? PROBE_OBJECTS : [options.object],
    ringBytes,
    cpus,
    hierarchy.controller,
    hierarchy.id,
    options.copy ?? false,
  ];
  const use = (native: NativeProbe): Probe => {
    for (const tgid of muted) native.mute(tgid);
    const classes = classTable(options.openClasses);
    native.watch(table, IA32_NUMBERS, classes, options.environment ?? false);
    return facadeOf(native, ringBytes, hierarchy.mount, options.environment ?? false);
  };
  return { Native, words, use };
}

function facadeOf(
  native: NativeProbe,
  ringBytes: number,
  cgroupHierarchy: string,
  environment: boolean,
): Probe {
  let withEnvironment = environment;
  return {
    ring: new Uint8Array(native.ring),
    cgroupHierarchy,
    skipped: native.skipped,
    scan: (span) => native.scan(span),
    advance: (bytes) => native.advance(bytes),
    wait: (onRecord) => native.wait(onRecord),
    setSyscalls: (syscalls, keepFailed, environmentNow, openClasses) => {
      withEnvironment = environmentNow ?? withEnvironment;
      const classes = classTable(openClasses);
      native.watch(watchTable(syscalls, keepFailed), IA32_NUMBERS, classes, withEnvironment);
    },
    ruleOut: ({ call, openFlags, failed, path, real, onHost }) =>
      native.ruleOut(
        checkedInteger(call, 'call', 0, SYSCALL_LIMIT - 1),
        openFlags,
        failed,
        bytesOf(path),
        bytesOf(real),
        onHost,
      ),
    markHost: (cgroup) => native.markHost(cgroup),
    mute: (tgid) => native.mute(checkedInteger(tgid, 'tgid', 1, 0x7fffffff)),
    statistics: () => {
      const { kinds, calls } = native.counters();
      return {
        ...accountOf(kinds),
        calls: callsFrom(calls),
        ringBytes,
        backlogBytes: native.backlog(),
      };
    },
    takeLosers: () =>
      native.takeLosers().map((one) => ({ ...one, comm: one.comm.toString('latin1') })),
    close: () => native.close(),
  };
}

function accountOf(counters: Float64Array): Pick<ProbeStatistics, 'kinds' | 'filtered'> {
  const kinds: KindStatistics[] = [];
  const filtered: KindFilters[] = [];
  for (const [number, kind] of KIND_NAMES) {
    const at = (index: number) => counters[number * (CAUSES + FILTERS) + index] ?? 0;
    kinds.push({ kind, sent: at(0), shed: at(1), full: at(2), fault: at(3), busy: at(4) });
    filtered.push({
      kind,
      failed: at(CAUSES),
      muted: at(CAUSES + 1),
      class: at(CAUSES + 2),
      verdict: at(CAUSES + 3),
    });
  }
  return { kinds, filtered };
}

const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

function callsFrom(counters: Float64Array): CallStatistics[] {
  return SYSCALL_NAMES.map((call, number) => ({
    call,
    sent: counters[number * 2] ?? 0,
    lost: counters[number * 2 + 1] ?? 0,
  })).filter(({ sent, lost }) => sent + lost > 0);
}

const ia32NameOf = (name: string): string => IA32_ALIASES[name] ?? name;

/** Native number of each 32-bit call. */
const IA32_NUMBERS = Uint16Array.from({ length: SYSCALL_LIMIT }, (_, number) => {
  const name = IA32_NAMES[number];
  if (process.arch !== 'x64' || name === undefined || name === '-') return IA32_NONE;
  return name === 'socketcall' ? IA32_SOCKETCALL : (SYSCALLS[ia32NameOf(name)] ?? IA32_NONE);
});

function watchTable(syscalls: readonly number[], keepFailed: readonly number[]): Uint8Array {
  const table = new Uint8Array(SYSCALL_LIMIT);
  const mark = (number: number, name: string, bit: number) => {
    const at = checkedInteger(number, name, 0, SYSCALL_LIMIT - 1);
    table[at] = (table[at] ?? 0) | bit;
  };
  for (const number of syscalls) mark(number, 'syscalls', WATCH_NATIVE);
  for (const number of keepFailed) mark(number, 'keepFailed', WATCH_FAILED);
  const wanted = new Set(syscalls);
  const anySocketCall = SOCKET_CALLS.some((name) => wanted.has(SYSCALLS[name] ?? -1));
  IA32_NUMBERS.forEach((native, number) => {
    if (native === IA32_SOCKETCALL ? anySocketCall : wanted.has(native))
      mark(number, 'ia32', WATCH_IA32_NUMBER);
  });
  return table;
}

function classTable(openClasses: readonly OpenClasses[] = []): Uint32Array {
  const table = new Uint32Array(SYSCALL_LIMIT * 2).fill(0xffffffff);
  for (const { call, succeeded, failed } of openClasses) {
    const at = checkedInteger(call, 'openClasses', 0, SYSCALL_LIMIT - 1) * 2;
    table[at] = succeeded;
    table[at + 1] = failed;
  }
  return table;
}

function checkedInteger(value: number, name: string, from: number, to: number): number {
  if (Number.isInteger(value) && value >= from && value <= to) return value;
  throw new RangeError(`${name}: ${value} is not a whole number from ${from} to ${to}`);
}

function checkedRingBytes(bytes: number): number {
  checkedInteger(bytes, 'ringBytes', ...RING_LIMITS);
  if ((bytes & (bytes - 1)) !== 0)
    throw new RangeError(`ringBytes: ${bytes} is not a power of two`);
  return bytes;
}
