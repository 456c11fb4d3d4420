/** Writes captures as Falco and sysdig do: blocks of their sizes, lists of every version, events with and without counts. */

export const u8 = (value: number): Buffer => Buffer.from([value & 0xff]);
export const u16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
};
export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
};
export const i64 = (value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt.asIntN(64, BigInt(value)));
  return bytes;
};
/** A text of an event: its NUL belongs to it. */
export const str = (text: string): Buffer => Buffer.from(`${text}\0`, 'latin1');
export const raw = (text: string): Buffer => Buffer.from(text, 'latin1');
/** A text of a list: behind its length, without NUL. */
const text = (value = ''): Buffer =>
  Buffer.concat([u16(Buffer.byteLength(value, 'latin1')), raw(value)]);
export const NONE = Buffer.alloc(0);

function block(type: number, body: Buffer): Buffer {
  const padding = Buffer.alloc((4 - (body.length % 4)) % 4);
  const length = 12 + body.length + padding.length;
  return Buffer.concat([u32(type), u32(length), body, padding, u32(length)]);
}

export const section = (major = 1, minor = 2): Buffer =>
  block(0x0a0d0d0a, Buffer.concat([u32(0x1a2b3c4d), u16(major), u16(minor), i64(-1)]));

export const BOOT = 1_600_000_000_000_000_000n;

export function machine(hostname = 'scap-host', boot = BOOT): Buffer {
  const name = Buffer.alloc(128);
  name.write(hostname);
  const rest = [i64(boot), i64(0), i64(0), i64(0)];
  return block(0x201, Buffer.concat([u32(2), i64(4096), i64(32768), name, ...rest]));
}

/** An interface list, which replays do without. */
export const interfaces = (): Buffer =>
  block(0x205, Buffer.concat([u16(3), u16(2), raw('\x7f\0\0\x01'), u32(0xff), u32(0), raw('lo')]));

export interface ThreadOptions {
  tid: number;
  pid?: number;
  ptid?: number;
  sid?: number;
  vpgid?: number;
  comm?: string;
  exe?: string;
  exePath?: string;
  args?: readonly string[];
  cwd?: string;
  uid?: number;
  gid?: number;
  env?: readonly string[];
  vpid?: number;
  cgroups?: readonly string[];
  tty?: number;
  loginuid?: number;
  capEffective?: bigint;
}

const ended = (texts: readonly string[] = []): string => texts.map((one) => `${one}\0`).join('');

const PROCESS_LIST = [0x202, 0x207, 0x209, 0x210, 0x211, 0x212, 0x213, 0x214, 0x215];

const THREAD = {
  ...{ ptid: 1, comm: 'bash', exePath: '/usr/bin/bash', args: [], cwd: '/root/', uid: 0, gid: 0 },
  ...{ env: [], cgroups: [], tty: 0 },
};

/** A process list of version 1 to 9. `tail`: what libraries of the time append to an entry of version 9. */
export function processes(
  version: number,
  threads: readonly ThreadOptions[],
  tail: 'none' | 'old' | 'new' = 'new',
): Buffer {
  const since = (first: number, ...parts: Buffer[]) => (version >= first ? parts : []);
  const entries = threads.map((given) => {
    const pid = given.pid ?? given.tid;
    const vpid = given.vpid ?? pid;
    const one = {
      ...THREAD,
      exe: given.comm ?? 'bash',
      pid,
      vpid,
      sid: pid,
      vpgid: vpid,
      ...given,
    };
    const entry = Buffer.concat([
      ...[i64(one.tid), i64(one.pid), i64(one.ptid)],
      ...since(6, i64(one.sid)),
      ...since(8, i64(one.vpgid)),
      ...[text(one.comm), text(one.exe)],
      ...since(7, text(one.exePath)),
      ...[text(ended(one.args)), text(one.cwd), i64(1024), u32(0), u32(one.uid), u32(one.gid)],
      ...since(2, u32(1), u32(2), u32(3), i64(4), i64(5)),
      ...since(3, text(ended(one.env))),
      ...since(4, i64(one.vpid), i64(one.vpid), text(ended(one.cgroups))),
      ...since(5, text('/')),
      ...since(9, ...tailOf(one, tail)),
    ]);
    return version >= 9 ? Buffer.concat([u32(entry.length + 4), entry]) : entry;
  });
  return block(PROCESS_LIST[version - 1] ?? 0, Buffer.concat(entries));
}

function tailOf(one: ThreadOptions, tail: 'none' | 'old' | 'new'): Buffer[] {
  if (tail === 'none') return [];
  const old = [
    u32(one.loginuid ?? 0xffffffff),
    ...[u8(0), i64(0), i64(0), i64(one.capEffective ?? 0n)],
  ];
  if (tail === 'old') return old;
  return [i64(0), u32(one.tty ?? 0), ...old, u8(0), i64(11), i64(12), i64(13), u8(0)];
}

export interface FdOptions {
  fd: number;
  /** Number of its sort, and what an entry of that sort has. */
  sort: number;
  body: Buffer;
}

export const fileFd = (fd: number, path: string): FdOptions => ({
  fd,
  sort: 16,
  body: Buffer.concat([u32(1), text(path)]),
});
export const namedFd = (fd: number, sort: number, name: string): FdOptions => ({
  fd,
  sort,
  body: text(name),
});
export const ipv4Fd = (
  fd: number,
  local: string,
  lport: number,
  remote: string,
  rport: number,
) => ({
  fd,
  sort: 3,
  body: Buffer.concat([raw(local), raw(remote), u16(lport), u16(rport), u8(2)]),
});

export function descriptors(version: number, tid: number, fds: readonly FdOptions[]): Buffer {
  const entries = fds.map(({ fd, sort, body }) => {
    const entry = Buffer.concat([i64(fd), i64(77), u8(sort), body]);
    return version >= 2 ? Buffer.concat([u32(entry.length + 4), entry]) : entry;
  });
  return block(version >= 2 ? 0x218 : 0x203, Buffer.concat([i64(tid), ...entries]));
}

export type Account = { uid: number; name: string } | { gid: number; name: string };

export function accounts(version: number, list: readonly Account[]): Buffer {
  const entries = list.map((one) => {
    const entry =
      'uid' in one
        ? Buffer.concat([
            u8(0),
            u32(one.uid),
            u32(one.uid),
            ...[one.name, '/home', '/bin/sh'].map(text),
          ])
        : Buffer.concat([u8(1), u32(one.gid), text(one.name)]);
    return version >= 2 ? Buffer.concat([u32(entry.length + 4), entry]) : entry;
  });
  return block(version >= 2 ? 0x220 : 0x206, Buffer.concat(entries));
}

/** How events are laid out: by block type. */
export const FORM = {
  old: 0x204,
  oldWithFlags: 0x208,
  plain: 0x216,
  withFlags: 0x217,
  large: 0x221,
  largeWithFlags: 0x222,
} as const;

let clock = BOOT + 1_000_000_000n;

/** One event. Each is a millisecond later than the one before. */
export function event(
  tid: number,
  type: number,
  parameters: readonly Buffer[],
  form: number = FORM.plain,
  cpu = 0,
): Buffer {
  clock += 1_000_000n;
  const isOld = form === FORM.old || form === FORM.oldWithFlags;
  const isLarge = form === FORM.large || form === FORM.largeWithFlags;
  const hasFlags = [0x208, 0x217, 0x222].includes(form);
  const lengths = parameters.map(({ length }) => (isLarge ? u32(length) : u16(length)));
  const count = isOld ? [] : [u32(parameters.length)];
  const size =
    (isOld ? 22 : 26) + [...lengths, ...parameters].reduce((sum, one) => sum + one.length, 0);
  const header = [i64(clock), i64(tid), u32(size), u16(type), ...count];
  const flags = hasFlags ? [u32(0)] : [];
  return block(form, Buffer.concat([u16(cpu), ...flags, ...header, ...lengths, ...parameters]));
}

const MEMORY = [i64(0), i64(0), u32(0), u32(0), u32(0)];

export interface ExecOptions {
  pid?: number;
  ptid?: number;
  exe: string;
  args?: readonly string[];
  comm?: string;
  cgroups?: readonly string[];
  env?: readonly string[];
  flags?: number;
  uid?: number;
  path?: string;
  result?: number;
}

/** The end of an execve, as of libraries since 0.10. */
export const exec = (tid: number, one: ExecOptions): Buffer =>
  event(tid, 293, [
    ...[i64(one.result ?? 0), str(one.exe), raw(ended(one.args)), i64(tid), i64(one.pid ?? tid)],
    ...[i64(one.ptid ?? 1), str(''), i64(1024), ...MEMORY],
    ...[str(one.comm ?? one.exe.slice(one.exe.lastIndexOf('/') + 1).slice(0, 15))],
    ...[raw(ended(one.cgroups)), raw(ended(one.env)), u32(34816), i64(tid), u32(1000)],
    ...[u32(one.flags ?? 0), i64(0), i64(0), i64(1n << 21n), i64(5), i64(6), i64(7)],
    ...[u32(one.uid ?? 0), str(one.path ?? one.exe)],
  ]);

export interface CloneOptions {
  result: number;
  pid?: number;
  ptid?: number;
  comm?: string;
  flags?: number;
  uid?: number;
  vpid?: number;
  cgroups?: readonly string[];
  type?: number;
}

/** The end of a clone in one of its two threads. */
export const clone = (tid: number, one: CloneOptions): Buffer =>
  event(tid, one.type ?? 223, [
    ...[i64(one.result), str('exe'), NONE, i64(tid), i64(one.pid ?? tid), i64(one.ptid ?? 1)],
    ...[str(''), i64(1024), ...MEMORY, str(one.comm ?? 'bash'), raw(ended(one.cgroups))],
    ...[u32(one.flags ?? 0), u32(one.uid ?? 0), u32(0), i64(one.vpid ?? tid), i64(one.vpid ?? tid)],
  ]);

export const ipv4Tuple = (source: string, sport: number, destination: string, dport: number) =>
  Buffer.concat([u8(2), raw(source), u16(sport), raw(destination), u16(dport)]);
export const ipv4Address = (address: string, port: number): Buffer =>
  Buffer.concat([u8(2), raw(address), u16(port)]);
