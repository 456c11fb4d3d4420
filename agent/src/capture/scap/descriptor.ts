import type { AddressBytes, ByteString } from '../../rules/field.ts';
import type { Cursor } from './cursor.ts';

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;

const STREAM = 1;
const DATAGRAM = 2;
const TCP = 6;
const UDP = 17;

/** IP protocols by the numbers of descriptor lists. */
export const LIST_PROTOCOLS: readonly number[] = [0, 0, TCP, UDP, 1, 255];

/** What an fd stands for. */
export interface Descriptor {
  /** Path of a file, name of an anonymous one, or path of the peer of a unix socket. */
  readonly path: ByteString;
  /** Bits of the file's sort as in st_mode, 0 for sockets and what is unknown. */
  readonly mode: number;
  /** AF_* of a socket, else 0. */
  readonly family: number;
  /** SOCK_*. */
  readonly type: number;
  readonly protocol: number;
  readonly local: AddressBytes;
  readonly remote: AddressBytes;
  readonly localPort: number;
  readonly remotePort: number;
  /** Own path of a unix socket. */
  readonly localPath: ByteString;
}

/** Longest path that is kept, as in captures. */
const PATH_MAX = 1024;

export const NO_DESCRIPTOR: Descriptor = {
  path: '',
  mode: 0,
  family: 0,
  type: 0,
  protocol: 0,
  local: '',
  remote: '',
  localPort: 0,
  remotePort: 0,
  localPath: '',
};

/** A descriptor of what is known of it: a socket's family follows from its addresses, its sort from the protocol or the reverse. */
export function descriptorOf(known: Partial<Descriptor>, before = NO_DESCRIPTOR): Descriptor {
  const one = { ...before, ...known };
  const address = one.local || one.remote;
  const family = known.family ?? (familyOf(address) || one.family);
  const type = one.type || (one.protocol === TCP ? STREAM : one.protocol === UDP ? DATAGRAM : 0);
  const isIp = family === AF_INET || family === AF_INET6;
  const usual = type === STREAM ? TCP : type === DATAGRAM ? UDP : 0;
  const protocol = one.protocol || (isIp ? usual : 0);
  return { ...one, path: one.path.slice(0, PATH_MAX), family, type, protocol };
}

function familyOf(address: AddressBytes): number {
  return address.length === 4 ? AF_INET : address.length === 16 ? AF_INET6 : 0;
}

/** One end of a connection. */
export interface SocketAddress {
  readonly family: number;
  readonly address: AddressBytes;
  readonly port: number;
  readonly path: ByteString;
}

/** Reads a family with one address behind it; undefined for families without an address that is told. */
export function readAddress(cursor: Cursor): SocketAddress | undefined {
  if (cursor.left === 0) return undefined;
  const family = cursor.uint8();
  if (family === AF_UNIX) return { family, address: '', port: 0, path: rest(cursor) };
  const size = family === AF_INET ? 4 : family === AF_INET6 ? 16 : 0;
  if (size === 0 || cursor.left < size + 2) return undefined;
  return { family, address: cursor.raw(size), port: cursor.uint16(), path: '' };
}

/** Both ends of a connection, in the order of the capture: the sender's first. */
export interface Tuple {
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
}

/** Reads a family with two addresses behind it. */
export function readTuple(cursor: Cursor): Tuple | undefined {
  if (cursor.left === 0) return undefined;
  const family = cursor.uint8();
  if (family === AF_UNIX) {
    if (cursor.left < 16) return undefined;
    cursor.skip(16);
    const end = { family, address: '', port: 0 };
    return { source: { ...end, path: '' }, destination: { ...end, path: rest(cursor) } };
  }
  const size = family === AF_INET ? 4 : family === AF_INET6 ? 16 : 0;
  if (size === 0 || cursor.left < 2 * (size + 2)) return undefined;
  const end = () => ({ family, address: cursor.raw(size), port: cursor.uint16(), path: '' });
  return { source: end(), destination: end() };
}

/** The text that is left, without the NUL at its end. */
function rest(cursor: Cursor): ByteString {
  return cursor.raw(cursor.left).replace(/\0.*$/s, '');
}
