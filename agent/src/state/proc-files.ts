import { closeSync, constants, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import type { ByteString } from '../rules/field.ts';
import type { Usage } from './process.ts';

/** What /proc tells of one process. */
export interface ProcessFacts {
  readonly tgid: number;
  readonly ppid: number;
  /** Ticks of 10 ms since boot. */
  readonly startTicks: number;
  readonly comm: ByteString;
  /** argv, each ended by NUL. */
  readonly argv: ByteString;
  readonly environment: ByteString;
  readonly exePath: ByteString;
  readonly exeDeleted: boolean;
  readonly cwd: ByteString;
  readonly tty: number;
  readonly session: number;
  readonly processGroup: number;
  readonly vpid: number;
  readonly vprocessGroup: number;
  readonly inPidNamespace: boolean;
  readonly euid: number;
  readonly egid: number;
  readonly auditUid: number;
  readonly capPermitted: bigint;
  readonly capEffective: bigint;
  readonly capInheritable: bigint;
  readonly usage: Usage;
  /** Where its stack starts; 0 when that may not be known. */
  readonly stack: number;
}

const DELETED = ' (deleted)';
const scratch = Buffer.alloc(65_536);

/** Up to `limit` bytes of a file of /proc; empty when it cannot be read. */
export function readBytes(path: string, limit = 65_536): ByteString {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY);
  } catch {
    return '';
  }
  try {
    let length = 0;
    const end = Math.min(limit, scratch.length);
    while (length < end) {
      const read = readSync(fd, scratch, length, end - length, null);
      if (read === 0) break;
      length += read;
    }
    return scratch.toString('latin1', 0, length);
  } catch {
    return '';
  } finally {
    closeSync(fd);
  }
}

function readLink(path: string): ByteString {
  try {
    return readlinkSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** The ids of all processes now. */
export function listProcesses(root = '/proc'): number[] {
  return readdirSync(root)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Reads one process, or undefined when it has gone. The environment is read only on request. */
export function readProcess(
  tgid: number,
  withEnvironment = false,
  root = '/proc',
): ProcessFacts | undefined {
  const base = `${root}/${tgid}`;
  const stat = readBytes(`${base}/stat`);
  const open = stat.indexOf('(');
  const close = stat.lastIndexOf(')');
  if (open < 0 || close < open) return undefined;
  const columns = stat.slice(close + 2).split(' ');
  const status = readStatus(readBytes(`${base}/status`));
  // It ended between the two: without its ids it would pass for root.
  if (status.size === 0) return undefined;
  const pids = numbers(status.get('NSpid'));
  const groups = numbers(status.get('NSpgid'));
  const exe = readLink(`${base}/exe`);
  const exeDeleted = exe.endsWith(DELETED);
  const exePath = exeDeleted ? exe.slice(0, -DELETED.length) : exe;
  return {
    tgid,
    ppid: Number(columns[1]),
    processGroup: Number(columns[2]),
    session: Number(columns[3]),
    tty: Number(columns[4]),
    startTicks: Number(columns[19]),
    comm: stat.slice(open + 1, close),
    argv: readBytes(`${base}/cmdline`, 4096),
    environment: withEnvironment ? readBytes(`${base}/environ`, 4096) : '',
    exePath: exePath.startsWith('/memfd:') ? exePath.slice(1) : exePath,
    exeDeleted,
    cwd: readLink(`${base}/cwd`),
    vpid: pids.at(-1) ?? tgid,
    vprocessGroup: groups.at(-1) ?? Number(columns[2]),
    inPidNamespace: pids.length > 1,
    euid: numbers(status.get('Uid'))[1] ?? 0,
    egid: numbers(status.get('Gid'))[1] ?? 0,
    auditUid: Number(readBytes(`${base}/loginuid`, 16) || 0xffffffff),
    capPermitted: mask(status.get('CapPrm')),
    capEffective: mask(status.get('CapEff')),
    capInheritable: mask(status.get('CapInh')),
    stack: Number(columns[25]) || 0,
    usage: {
      fileLimit: 0,
      minorFaults: Number(columns[7]) || 0,
      majorFaults: Number(columns[9]) || 0,
      virtualKilobytes: numbers(status.get('VmSize'))[0] ?? 0,
      residentKilobytes: numbers(status.get('VmRSS'))[0] ?? 0,
      swappedKilobytes: numbers(status.get('VmSwap'))[0] ?? 0,
    },
  };
}

function readStatus(text: ByteString): Map<string, string> {
  const lines = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) lines.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return lines;
}

function numbers(text = ''): number[] {
  return text === '' ? [] : text.split(/\s+/).map(Number);
}

function mask(text = ''): bigint {
  return /^[0-9a-f]{1,16}$/i.test(text) ? BigInt(`0x${text}`) : 0n;
}
