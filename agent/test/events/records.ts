import {
  callLayout,
  EVENT_CALL,
  EVENT_EXEC,
  EVENT_EXECFAIL,
  EVENT_EXIT,
  EVENT_FORK,
  EVENT_OPEN,
  EVENT_PATH,
  EVENT_PATHS,
  EVENT_SOCKET,
  execLayout,
  exitLayout,
  forkLayout,
  headerLayout,
  openLayout,
  pathLayout,
  pathsLayout,
  SYSCALLS,
  socketLayout,
} from '@tocsin/native';
import { KernelEvent } from '../../src/events/kernel-event.ts';

type Numbers = Partial<Record<string, number | bigint>>;
type Layout = Readonly<Record<string, number>> & { size: number; stringLength?: number };

/** Bytes of the fields that are not four bytes long, by layout. */
const SIZES: Readonly<Record<string, number>> = {
  time: 8,
  cgroup: 8,
  result: -8,
  kind: 1,
  admission: 1,
  cpu: 2,
  syscall: 2,
  threads: 2,
  capPermitted: 8,
  capEffective: 8,
  capInheritable: 8,
  inode: 8,
  changeTime: 8,
  modificationTime: 8,
  callFlags64: 8,
  family: 2,
  type: 1,
  protocol: 1,
  localPort: 2,
  remotePort: 2,
  state: 1,
  fromUser: 1,
  fdFamily: 2,
  fdType: 1,
  fdProtocol: 1,
  fdLocalPort: 2,
  fdRemotePort: 2,
};

function put(bytes: Buffer, layout: Layout, name: string, value: number | bigint): void {
  const at = layout[name];
  if (at === undefined) throw new Error(`no field ${name}`);
  const size = name === 'id' || (name === 'callFlags' && layout === pathsLayout) ? 8 : SIZES[name];
  if (size === 8) bytes.writeBigUInt64LE(BigInt(value), at);
  else if (size === -8) bytes.writeBigInt64LE(BigInt(value), at);
  else if (size === 1) bytes.writeUInt8(Number(value), at);
  else if (size === 2) bytes.writeUInt16LE(Number(value), at);
  else bytes.writeUInt32LE(Number(value) >>> 0, at);
}

/** What every record of a test has unless it says otherwise. */
const HEADER: Numbers = {
  time: 10_000_000_000n,
  start: 500,
  tgid: 100,
  tid: 100,
  ppid: 1,
  vpid: 100,
  auditUid: 0xffffffff,
  syscall: 0xffff,
};

/** Builds one record the way the probe does. */
export function record(
  kind: number,
  layout: Layout,
  header: Numbers & { comm?: never } = {},
  own: Numbers = {},
  strings: readonly string[] = [],
  comm = 'cat',
): Buffer {
  const text = strings.map((one) => Buffer.from(one, 'latin1'));
  const length = layout.size + text.reduce((sum, one) => sum + one.length, 0);
  const bytes = Buffer.alloc(length);
  const fields = { ...HEADER, ...header, kind, length };
  for (const [name, value] of Object.entries(fields)) put(bytes, headerLayout, name, value ?? 0);
  bytes.write(comm.slice(0, 15), headerLayout.comm, 'latin1');
  for (const [name, value] of Object.entries(own)) put(bytes, layout, name, value ?? 0);
  let at = layout.size;
  for (const [index, one] of text.entries()) {
    bytes.writeUInt16LE(one.length, (layout.stringLength ?? 0) + 2 * index);
    one.copy(bytes, at);
    at += one.length;
  }
  return bytes;
}

export const call = (name: string): number => {
  const number = SYSCALLS[name];
  if (number === undefined) throw new Error(`no call ${name}`);
  return number;
};

export const fork = (header: Numbers, child: Numbers, comm?: string): Buffer =>
  record(EVENT_FORK, forkLayout, header, child, [], comm);

export const exit = (header: Numbers, own: Numbers = {}, comm?: string): Buffer =>
  record(EVENT_EXIT, exitLayout, header, own, [], comm);

export interface ExecStrings {
  filename?: string;
  exePath?: string;
  cwd?: string;
  argv?: readonly string[];
  env?: readonly string[];
}

const nulEnded = (texts: readonly string[] = []): string => texts.map((one) => `${one}\0`).join('');

export const exec = (header: Numbers, text: ExecStrings, comm = 'cat', own: Numbers = {}): Buffer =>
  record(
    EVENT_EXEC,
    execLayout,
    header,
    own,
    [
      text.filename ?? '',
      text.exePath ?? '',
      text.cwd ?? '',
      nulEnded(text.argv),
      nulEnded(text.env),
    ],
    comm,
  );

export const failedExec = (
  header: Numbers,
  filename: string,
  argv: readonly string[],
  comm?: string,
): Buffer =>
  record(
    EVENT_EXECFAIL,
    execLayout,
    { syscall: call('execve'), result: -2n, ...header },
    {},
    [filename, '', '', nulEnded(argv), ''],
    comm,
  );

export const open = (
  path: string,
  own: Numbers = {},
  header: Numbers = {},
  base = '',
  real = '',
): Buffer =>
  record(
    EVENT_OPEN,
    openLayout,
    { syscall: call('openat'), result: 3n, ...header },
    { dirfd: -100, ...own },
    [path, base, real],
  );

export const onPath = (
  name: string,
  path: string,
  own: Numbers = {},
  header: Numbers = {},
  base = '',
  real = '',
): Buffer =>
  record(EVENT_PATH, pathLayout, { syscall: call(name), ...header }, own, [path, base, real]);

export const onPaths = (
  name: string,
  strings: readonly string[],
  own: Numbers = {},
  header: Numbers = {},
): Buffer => record(EVENT_PATHS, pathsLayout, { syscall: call(name), ...header }, own, strings);

export interface Ends {
  local?: readonly number[];
  remote?: readonly number[];
}

export const socket = (
  name: string,
  own: Numbers = {},
  ends: Ends = {},
  header: Numbers = {},
  strings: readonly string[] = [],
): Buffer => {
  const bytes = record(
    EVENT_SOCKET,
    socketLayout,
    { syscall: call(name), ...header },
    own,
    strings,
  );
  bytes.set(ends.local ?? [], socketLayout.localAddress);
  bytes.set(ends.remote ?? [], socketLayout.remoteAddress);
  return bytes;
};

export const rawCall = (
  name: string,
  args: readonly (number | bigint)[] = [],
  header: Numbers = {},
  own: Numbers = {},
  strings: readonly string[] = [],
): Buffer => {
  const bytes = record(EVENT_CALL, callLayout, { syscall: call(name), ...header }, own, strings);
  for (const [n, value] of args.entries()) {
    bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), callLayout.arguments + 8 * n);
  }
  return bytes;
};

/** Attaches a fresh event to a record; fails the test when it is refused. */
export function eventOf(bytes: Buffer): KernelEvent {
  const event = new KernelEvent();
  event.use(bytes);
  if (!event.attach(0, bytes.length)) throw new Error('record refused');
  return event;
}
