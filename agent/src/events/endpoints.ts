import { callLayout, EVENT_CALL, EVENT_SOCKET, socketLayout } from '@tocsin/native';
import type { AddressBytes } from '../rules/field.ts';
import { formatAddress } from '../rules/operators/address.ts';
import { syscallNumber } from './event-name.ts';
import type { KernelEvent } from './kernel-event.ts';

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const EINPROGRESS = -115;

/** Who a local socket is in its connection. A `listening` one has an address but no peer. */
export type Role = 'none' | 'client' | 'server' | 'listening';

/** Both ends of an IP socket. */
export interface Endpoints {
  readonly role: Role;
  readonly family: 4 | 6;
  readonly local: AddressBytes;
  readonly localPort: number;
  readonly remote: AddressBytes;
  readonly remotePort: number;
}

const CONNECT = syscallNumber('connect');
const BIND = syscallNumber('bind');
const LISTEN = syscallNumber('listen');
const SOCKET = syscallNumber('socket');
const ACCEPTS = new Set([syscallNumber('accept'), syscallNumber('accept4')]);
const RECEIVES = new Set([
  syscallNumber('recvfrom'),
  syscallNumber('recvmsg'),
  syscallNumber('recvmmsg'),
]);

const MAPPED = '\0\0\0\0\0\0\0\0\0\0\xff\xff';
const ANY6 = '\0'.repeat(16);

/** AF_* of the socket in question, 0 when there is none. */
export function socketFamily(event: KernelEvent): number {
  if (event.kind === EVENT_SOCKET) return event.uint16(socketLayout.family);
  return event.kind === EVENT_CALL ? event.uint16(callLayout.fdFamily) : 0;
}

/** The ends of the IP socket in question, or undefined when it is none. */
export function endpointsOf(event: KernelEvent): Endpoints | undefined {
  const family = socketFamily(event);
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  const layout = event.kind === EVENT_SOCKET ? socketAt : callAt;
  const size = family === AF_INET ? 4 : 16;
  let local = event.slice(layout.local, size);
  let remote = event.slice(layout.remote, size);
  const localPort = event.uint16(layout.localPort);
  const remotePort = event.uint16(layout.remotePort);
  const mapped = local.startsWith(MAPPED) || remote.startsWith(MAPPED);
  if (mapped) {
    local = fromMapped(local);
    remote = fromMapped(remote);
  }
  const role = roleOf(event, family, localPort, remotePort, hasPeer(remote, remotePort));
  return {
    role,
    family: family === AF_INET || mapped ? 4 : 6,
    local,
    localPort,
    remote,
    remotePort,
  };
}

const socketAt = {
  local: socketLayout.localAddress,
  remote: socketLayout.remoteAddress,
  localPort: socketLayout.localPort,
  remotePort: socketLayout.remotePort,
};
const callAt = {
  local: callLayout.fdLocalAddress,
  remote: callLayout.fdRemoteAddress,
  localPort: callLayout.fdLocalPort,
  remotePort: callLayout.fdRemotePort,
};

function fromMapped(address: AddressBytes): AddressBytes {
  if (address.startsWith(MAPPED)) return address.slice(12);
  return address === ANY6 ? '\0\0\0\0' : address;
}

/** A peer has a port, or none at all as those of pings. */
const hasPeer = (remote: AddressBytes, port: number): boolean => port !== 0 || /[^\0]/.test(remote);

/** Whether a socket knows its other end. */
export function isConnected(ends: Endpoints | undefined): boolean {
  return ends !== undefined && hasPeer(ends.remote, ends.remotePort);
}

function roleOf(
  event: KernelEvent,
  family: number,
  localPort: number,
  remotePort: number,
  isPaired: boolean,
): Role {
  const told = event.kind === EVENT_SOCKET ? roleByCall(event, family, localPort) : undefined;
  if (told !== undefined) return told;
  if (isPaired) return inferRole(event, localPort, remotePort);
  return localPort > 0 ? 'listening' : 'none';
}

/** The role a call gives by its nature; undefined for calls that send and receive. */
function roleByCall(event: KernelEvent, family: number, localPort: number): Role | undefined {
  const { syscall, result } = event;
  if (syscall === SOCKET) return 'none';
  if (syscall === CONNECT) return hasPeerAfter(result) ? 'client' : 'none';
  if (ACCEPTS.has(syscall)) return result >= 0 ? 'server' : 'none';
  if (syscall !== BIND && syscall !== LISTEN) return undefined;
  const named = localPort > 0 || (syscall === BIND && family === AF_INET6);
  return result >= 0 && named ? 'listening' : 'none';
}

/** Whether a connect has a peer: it may still be on its way. */
function hasPeerAfter(result: number): boolean {
  return result >= 0 || result === EINPROGRESS;
}

/** Linux gives clients ports from here on. */
const FIRST_EPHEMERAL = 32_768;

/** The end with a port that is not given to clients is the server; between two like ports the one that receives or is lower. */
function inferRole(event: KernelEvent, localPort: number, remotePort: number): Role {
  // Who has no port yet is about to get one, as clients do.
  if (localPort === 0) return 'client';
  const localGiven = localPort >= FIRST_EPHEMERAL;
  const remoteGiven = remotePort >= FIRST_EPHEMERAL;
  if (localGiven !== remoteGiven) return localGiven ? 'client' : 'server';
  if (localGiven || localPort === remotePort) {
    return RECEIVES.has(event.syscall) ? 'server' : 'client';
  }
  return localPort > remotePort ? 'client' : 'server';
}

/** The client's address and port, when there is one. */
export function clientEnd(ends: Endpoints): { address: AddressBytes; port: number } | undefined {
  if (ends.role === 'client') return { address: ends.local, port: ends.localPort };
  if (ends.role === 'server') return { address: ends.remote, port: ends.remotePort };
  return undefined;
}

/** The server's address and port, when the roles are known. */
export function serverEnd(ends: Endpoints): { address: AddressBytes; port: number } | undefined {
  if (ends.role === 'none') return undefined;
  if (ends.role === 'client') return { address: ends.remote, port: ends.remotePort };
  return { address: ends.local, port: ends.localPort };
}

/** `client:port->server:port`, `server:port` of a listening socket, empty without roles. */
export function endpointsText(ends: Endpoints): string {
  const server = serverEnd(ends);
  if (server === undefined) return '';
  const client = clientEnd(ends);
  const text = endText(server.address, server.port);
  return client === undefined ? text : `${endText(client.address, client.port)}->${text}`;
}

/** Address and port as text. */
export function endText(address: AddressBytes, port: number): string {
  return `${formatAddress(address)}:${port}`;
}
