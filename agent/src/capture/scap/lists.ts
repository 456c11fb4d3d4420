/** Entries of the lists that come before the events: processes with their threads, descriptors, users and groups. */
import type { ByteString } from '../../rules/field.ts';
import { NO_USAGE, type Usage } from '../../state/process.ts';
import { Cursor } from './cursor.ts';
import { type Descriptor, descriptorOf, LIST_PROTOCOLS } from './descriptor.ts';

/** One thread as it was at the start of the capture. */
export interface ThreadEntry {
  readonly tid: number;
  readonly pid: number;
  readonly ptid: number;
  readonly sid: number;
  readonly vpgid: number;
  readonly comm: ByteString;
  readonly exe: ByteString;
  readonly exePath: ByteString;
  /** argv without the first, each ended by NUL. */
  readonly args: ByteString;
  readonly cwd: ByteString;
  readonly uid: number;
  readonly gid: number;
  readonly environment: ByteString;
  readonly vtid: number;
  readonly vpid: number;
  /** `subsystem=path`, each ended by NUL. */
  readonly cgroups: ByteString;
  readonly tty: number;
  readonly loginuid: number;
  readonly capInheritable: bigint;
  readonly capPermitted: bigint;
  readonly capEffective: bigint;
  readonly usage: Usage;
}

/** Bytes after the root folder that captures of libraries before 0.10 have at most: they lack two fields in front. */
const OLD_TAIL = 29;
const UNSET = 0xffffffff;

/** Longest texts of a thread that are kept, as those of a live process. */
const NAME_MAX = 64;
const PATH_MAX = 1024;
const ARGUMENTS_MAX = 4096;

/** Reads one entry of a process list of version 1 to 9. */
export function readThread(list: Cursor, version: number): ThreadEntry {
  const cursor = version >= 9 ? sized(list) : list;
  const tid = cursor.int64();
  const pid = cursor.int64();
  const ptid = cursor.int64();
  const sid = version >= 6 ? cursor.int64() : -1;
  const vpgid = version >= 8 ? cursor.int64() : -1;
  const comm = cursor.text().slice(0, NAME_MAX);
  const exe = cursor.text().slice(0, PATH_MAX);
  const exePath = version >= 7 ? cursor.text().slice(0, PATH_MAX) : '';
  const args = cursor.text().slice(0, ARGUMENTS_MAX);
  const cwd = cursor.text().slice(0, PATH_MAX);
  const fileLimit = cursor.int64();
  // Flags of the reader.
  cursor.skip(4);
  const uid = cursor.uint32();
  const gid = cursor.uint32();
  const usage = version >= 2 ? readUsage(cursor, fileLimit) : { ...NO_USAGE, fileLimit };
  const environment = version >= 3 ? cursor.text().slice(0, ARGUMENTS_MAX) : '';
  const vtid = version >= 4 ? cursor.int64() : -1;
  const vpid = version >= 4 ? cursor.int64() : -1;
  const cgroups = version >= 4 ? cursor.text().slice(0, ARGUMENTS_MAX) : '';
  if (version >= 5) cursor.text();
  return {
    ...{ tid, pid, ptid, sid, vpgid, comm, exe, exePath, args, cwd, uid, gid, environment },
    ...{ vtid, vpid, cgroups, usage },
    ...readTail(version >= 9 ? cursor : new Cursor(Buffer.alloc(0))),
  };
}

function readUsage(cursor: Cursor, fileLimit: number): Usage {
  return {
    fileLimit,
    virtualKilobytes: cursor.uint32(),
    residentKilobytes: cursor.uint32(),
    swappedKilobytes: cursor.uint32(),
    majorFaults: cursor.int64(),
    minorFaults: cursor.int64(),
  };
}

/** What later libraries appended, as far as it is there. */
function readTail(cursor: Cursor) {
  const has = (bytes: number) => cursor.left >= bytes;
  const isOld = cursor.left <= OLD_TAIL;
  // When the first process of the pid namespace started.
  if (!isOld && has(8)) cursor.skip(8);
  const tty = !isOld && has(4) ? cursor.uint32() : 0;
  const loginuid = has(4) ? cursor.uint32() : UNSET;
  if (has(1)) cursor.skip(1);
  const capInheritable = has(8) ? cursor.uint64() : 0n;
  const capPermitted = has(8) ? cursor.uint64() : 0n;
  const capEffective = has(8) ? cursor.uint64() : 0n;
  return { tty, loginuid, capInheritable, capPermitted, capEffective };
}

/** A cursor over an entry that tells its own length, the length's four bytes included. */
function sized(list: Cursor): Cursor {
  const start = list.at;
  const length = Math.max(4, list.uint32());
  list.skip(length - 4);
  return new Cursor(list.bytes, start + 4, start + length, true);
}

export interface DescriptorEntry {
  readonly fd: number;
  readonly descriptor: Descriptor;
}

/** Sorts of descriptors by their numbers. */
const FILE = 1;
const DIRECTORY = 2;
const IPV4 = 3;
const IPV6 = 4;
const IPV4_SERVER = 5;
const IPV6_SERVER = 6;
const FIFO = 7;
const UNIX = 8;
const NETLINK = 15;
const FILE_V2 = 16;
/** Anonymous files, which have nothing but a name. */
const NAMED = new Set([9, 10, 11, 12, 13, 14, 17, 18, 19, 20, 21]);

/** Reads one entry of a descriptor list of version 1 or 2. */
export function readDescriptor(list: Cursor, version: number): DescriptorEntry {
  const cursor = version >= 2 ? sized(list) : list;
  const fd = cursor.int64();
  cursor.skip(8);
  return { fd, descriptor: readSort(cursor, cursor.uint8()) };
}

function readSort(cursor: Cursor, sort: number): Descriptor {
  switch (sort) {
    case IPV4:
    case IPV6: {
      const size = sort === IPV4 ? 4 : 16;
      const local = cursor.raw(size);
      const remote = cursor.raw(size);
      const localPort = cursor.uint16();
      const remotePort = cursor.uint16();
      const protocol = LIST_PROTOCOLS[cursor.uint8()] ?? 0;
      return descriptorOf({ local, remote, localPort, remotePort, protocol });
    }
    case IPV4_SERVER:
    case IPV6_SERVER: {
      const local = cursor.raw(sort === IPV4_SERVER ? 4 : 16);
      const localPort = cursor.uint16();
      return descriptorOf({ local, localPort, protocol: LIST_PROTOCOLS[cursor.uint8()] ?? 0 });
    }
    case UNIX:
      cursor.skip(16);
      return descriptorOf({ family: 1, path: cursor.text() });
    case FILE_V2:
      cursor.skip(4);
      return descriptorOf({ path: cursor.text(), mode: 0o100000 });
    case FIFO:
      return descriptorOf({ path: cursor.text(), mode: 0o010000 });
    case DIRECTORY:
      return descriptorOf({ path: cursor.text(), mode: 0o040000 });
    case NETLINK:
      return descriptorOf({ family: 16, path: cursor.text() });
    case FILE:
      return descriptorOf({ path: cursor.text(), mode: 0o100000 });
    default:
      return descriptorOf(NAMED.has(sort) ? { path: cursor.text() } : {});
  }
}

export type AccountEntry =
  | { readonly kind: 'user'; id: number; name: ByteString; home: ByteString; shell: ByteString }
  | { readonly kind: 'group'; id: number; name: ByteString };

/** Longest text of an account, as in captures. */
const ACCOUNT_TEXT_MAX = 256;

/** Reads one entry of a user list of version 1 or 2. */
export function readAccount(list: Cursor, version: number): AccountEntry {
  const cursor = version >= 2 ? sized(list) : list;
  const isUser = cursor.uint8() === 0;
  const id = cursor.uint32();
  const name = () => cursor.text().slice(0, ACCOUNT_TEXT_MAX);
  if (!isUser) return { kind: 'group', id, name: name() };
  cursor.skip(4);
  return { kind: 'user', id, name: name(), home: name(), shell: name() };
}
