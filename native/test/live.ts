/** Runs the actor under a live probe and collects what the kernel told about it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  EVENT_EXEC,
  EVENT_FORK,
  forEachRecord,
  forkLayout,
  openProbe,
  type Probe,
  type ProbeOptions,
  probeCapabilities,
  SYSCALLS,
} from '../lib/index.ts';
import { ProbeRecord } from './record.ts';

const { ok, problems } = probeCapabilities();
/** Why live tests cannot run here, or false. */
export const skip: string | false = ok
  ? false
  : problems.map(({ what }) => what).join('; ') || 'unknown';

const source = join(import.meta.dirname, '..', '..', 'test', 'actor.c');
/** Scratch folder of one test file, its actor included. */
export interface Stage {
  readonly folder: string;
  readonly actor: string;
  /** Shared by the runs that ask for no options of their own: loading takes the kernel a while. */
  readonly probe: Probe;
  remove(): void;
}

export function stage(): Stage {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-native-'));
  const actor = join(folder, 'actor');
  // Static and at fixed low addresses: no loader opens files, and 32-bit calls can point into it.
  execFileSync('cc', ['-O1', '-static', '-no-pie', '-pthread', '-w', '-o', actor, source]);
  const probe = openProbe({ syscalls: [], keepFailed: [] });
  const remove = () => {
    probe.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { folder, actor, probe, remove };
}

export const numbers = (...names: string[]): number[] =>
  names.map((name) => SYSCALLS[name]).filter((number) => number !== undefined);

/** Native number of one call; -1 where this machine has none. */
export const numberOf = (name: string): number => SYSCALLS[name] ?? -1;

/** What waits in the ring now, copied. A busy machine may write faster than this reads, so what comes meanwhile is left. */
export function drain(probe: Probe): ProbeRecord[] {
  const span = new Uint32Array(2);
  const records: ProbeRecord[] = [];
  for (let left = probe.statistics().backlogBytes; left > 0 && probe.scan(span); ) {
    const [start = 0, bytes = 0] = span;
    left -= bytes;
    const ring = Buffer.from(probe.ring.buffer, probe.ring.byteOffset, probe.ring.byteLength);
    forEachRecord(new Uint32Array(probe.ring.buffer), start, bytes, (offset) => {
      const length = ring.readUInt32LE(offset + 24);
      records.push(new ProbeRecord(Buffer.from(ring.subarray(offset, offset + length))));
    });
    probe.advance(bytes);
  }
  return records;
}

export interface Run {
  readonly pid: number;
  readonly status: number | null;
  readonly signal: string | null;
  /** Records of the actor and its descendants, in the order of the ring. */
  readonly records: ProbeRecord[];
}

/** Runs the actor while the given calls are watched, failures included. */
export function watch(
  { actor, probe: shared }: Stage,
  syscalls: readonly string[],
  command: readonly string[],
  options: Partial<ProbeOptions> & { cwd?: string } = {},
): Run {
  const { cwd, ...probeOptions } = options;
  const watched = numbers(...syscalls);
  const own = Object.keys(probeOptions).length > 0;
  const probe = own
    ? openProbe({ syscalls: watched, keepFailed: watched, ...probeOptions })
    : shared;
  try {
    drain(probe);
    if (!own) probe.setSyscalls(watched, watched);
    const { pid, status, signal } = spawnSync(actor, command, { cwd, stdio: 'ignore' });
    const records = familyOf(pid, drain(probe));
    return { pid, status, signal, records };
  } finally {
    if (own) probe.close();
    else probe.setSyscalls([], []);
  }
}

/** Records of a process and its descendants, from its first exec on: what Node does to start it is not the test's. */
function familyOf(pid: number, records: ProbeRecord[]): ProbeRecord[] {
  const family = new Set([pid]);
  const started = records.findIndex(
    (record) => record.kind === EVENT_EXEC && record.u32('tgid') === pid,
  );
  return records.slice(Math.max(started, 0)).filter((record) => {
    const member = family.has(record.u32('tgid'));
    if (member && record.kind === EVENT_FORK)
      family.add(record.bytes.readUInt32LE(forkLayout.tgid));
    return member;
  });
}

/** The single record of a kind among the actor's own; more or fewer is an error. */
export function only({ pid, records }: Run, kind: number, syscall?: string): ProbeRecord {
  const found = records.filter(
    (record) =>
      record.kind === kind &&
      record.u32('tgid') === pid &&
      (syscall === undefined || record.u16('syscall') === numberOf(syscall)),
  );
  const [record] = found;
  if (found.length !== 1 || !record)
    throw new Error(
      `${found.length} records of kind ${kind}: ${JSON.stringify(found.map((one) => one.strings))}`,
    );
  return record;
}
