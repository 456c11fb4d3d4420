import {
  EVENT_FILE_OVERLAY,
  EVENT_FILE_UPPER,
  EVENT_OPEN,
  EVENT_SOCKET,
  openLayout,
  socketLayout,
} from '@tocsin/native';
import type { AddressBytes, ByteString, Extractor, Value } from '../../rules/field.ts';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  clientEnd,
  EINPROGRESS,
  type Endpoints,
  endpointsOf,
  isConnected,
  serverEnd,
  socketFamily,
} from '../endpoints.ts';
import { eventName } from '../event-name.ts';
import { givenPath, isPathFromFd, mainPath, realPath } from '../event-path.ts';
import { fdName, fdNumber, fdType, fdTypeCharacter, hasFd, transport } from '../file-descriptor.ts';
import type { KernelEvent } from '../kernel-event.ts';
import { baseName, directoryOf, withoutDoubledSlashes } from '../path.ts';
import { type Binder, plain } from './context.ts';

const MESSAGES = new Set(['sendto', 'sendmsg', 'sendmmsg', 'recvfrom', 'recvmsg', 'recvmmsg']);
const CONNECTS = new Set(['connect', 'accept', 'accept4']);

function isFileFd(event: KernelEvent): boolean {
  const type = fdType(event);
  return type === 'file' || type === 'directory';
}

function nameGiven(event: KernelEvent): ByteString | undefined {
  if (event.kind !== EVENT_OPEN) return isFileFd(event) ? fdName(event) : undefined;
  return isPathFromFd(event) ? fdName(event) : withoutDoubledSlashes(givenPath(event));
}

function directory(event: KernelEvent): ByteString | undefined {
  if (event.kind !== EVENT_OPEN && !isFileFd(event)) return undefined;
  const name = fdName(event);
  if (name === undefined) return undefined;
  return fdType(event) === 'directory' ? name : directoryOf(name);
}

function fileName(event: KernelEvent): ByteString | undefined {
  if (!hasFd(event) || fdType(event) !== 'file') return undefined;
  const name = fdName(event);
  return name === undefined ? undefined : baseName(name);
}

function socketFamilyName(event: KernelEvent): ByteString | undefined {
  if (!hasFd(event)) return undefined;
  const family = socketFamily(event);
  if (family === AF_INET || family === AF_INET6) return 'ip';
  return family === AF_UNIX ? 'unix' : undefined;
}

/** Whether the fd has a peer after this event. */
function connected(event: KernelEvent): boolean | undefined {
  if (!hasFd(event)) return undefined;
  if (event.kind !== EVENT_SOCKET) return isConnected(endpointsOf(event));
  const name = eventName(event);
  if (CONNECTS.has(name)) return event.result >= 0 || event.result === EINPROGRESS;
  return MESSAGES.has(name) && event.result >= 0 && isConnected(endpointsOf(event));
}

/** Whether this event gave the fd its name or another peer. */
function nameChanged(event: KernelEvent): boolean | undefined {
  if (!hasFd(event)) return undefined;
  if (event.kind !== EVENT_SOCKET) return false;
  const name = eventName(event);
  if (CONNECTS.has(name) || name === 'bind') return (endpointsOf(event)?.role ?? 'none') !== 'none';
  return MESSAGES.has(name) && event.uint8(socketLayout.fromUser) !== 0;
}

type End = { address: AddressBytes; port: number } | undefined;

const local = (ends: Endpoints): End =>
  ends.role === 'none' ? undefined : { address: ends.local, port: ends.localPort };
const remote = (ends: Endpoints): End =>
  ends.role === 'none' || ends.role === 'listening'
    ? undefined
    : { address: ends.remote, port: ends.remotePort };

/** Address and port of one end, absent while the roles are unknown. */
function endOf(choose: (ends: Endpoints) => End, part: 'address' | 'port'): Extractor<KernelEvent> {
  return (event) => {
    const ends = endpointsOf(event);
    return ends && choose(ends)?.[part];
  };
}

/** Both ends, one of a listening socket. */
function bothEnds(part: 'address' | 'port'): Extractor<KernelEvent> {
  return (event): readonly Value[] | undefined => {
    const ends = endpointsOf(event);
    if (ends === undefined) return undefined;
    const found = [clientEnd(ends), serverEnd(ends)].filter((end) => end !== undefined);
    return found.length === 0 ? undefined : found.map((end) => end[part]);
  };
}

function nameOf(choose: (ends: Endpoints) => End): Binder {
  return ({ domainOf }) =>
    (event) => {
      const ends = endpointsOf(event);
      const address = ends && choose(ends)?.address;
      return address === undefined ? undefined : domainOf(address);
    };
}

/** The inode's device as stat shows it. */
const device = (event: KernelEvent): number | undefined =>
  event.kind === EVENT_OPEN && hasFd(event) ? event.uint32(openLayout.device) : undefined;

const inode = (event: KernelEvent): number | undefined =>
  event.kind === EVENT_OPEN && hasFd(event) ? event.unsigned64(openLayout.inode) : undefined;

function ofDevice(part: (device: number) => number): Extractor<KernelEvent> {
  return (event) => {
    const value = device(event);
    return value === undefined ? undefined : part(value);
  };
}

function layer(upper: boolean): Extractor<KernelEvent> {
  return (event) => {
    if (event.kind !== EVENT_OPEN || !hasFd(event)) return undefined;
    if ((event.flags & EVENT_FILE_OVERLAY) === 0) return false;
    return ((event.flags & EVENT_FILE_UPPER) !== 0) === upper;
  };
}

/** Falco's address and port fields per end. */
function endFields(letter: string, choose: (ends: Endpoints) => End): [string, Binder][] {
  return [
    [`fd.${letter}ip`, () => endOf(choose, 'address')],
    [`fd.${letter}net`, () => endOf(choose, 'address')],
    [`fd.${letter}port`, () => endOf(choose, 'port')],
    [`fd.${letter}ip.name`, nameOf(choose)],
    [`fd.${letter}proto`, () => serviceOf(endOf(choose, 'port'))],
  ];
}

const WELL_KNOWN = new Map<Value, string>([
  [20, 'ftp-data'],
  [21, 'ftp'],
  [22, 'ssh'],
  [23, 'telnet'],
  [25, 'smtp'],
  [53, 'domain'],
  [80, 'http'],
  [110, 'pop3'],
  [123, 'ntp'],
  [143, 'imap2'],
  [389, 'ldap'],
  [443, 'https'],
  [3306, 'mysql'],
  [5432, 'postgresql'],
  [6379, 'redis'],
]);

/** A port's service name, or the number as text. */
function serviceOf(port: Extractor<KernelEvent>): Extractor<KernelEvent> {
  return (event) => {
    const number = port(event);
    return number === undefined ? undefined : (WELL_KNOWN.get(number) ?? String(number));
  };
}

/** Where the kernel came out when that is not what the letters of the path say. */
function resolvedPath(event: KernelEvent): string | undefined {
  const real = realPath(event);
  return real === mainPath(event) ? undefined : real;
}

export const descriptorFields: readonly [string, Binder][] = [
  ...plain({
    'fd.num': fdNumber,
    'fd.type': fdType,
    'fd.typechar': fdTypeCharacter,
    'fd.name': fdName,
    'fd.nameraw': nameGiven,
    'fd.path.real': (event) => realPath(event),
    'fd.path.resolved': resolvedPath,
    'fd.path.resolved.directory': (event) => {
      const path = resolvedPath(event);
      return path === undefined ? undefined : directoryOf(path);
    },
    'fd.directory': directory,
    'fd.filename': fileName,
    'fd.l4proto': transport,
    'fd.sockfamily': socketFamilyName,
    'fd.connected': connected,
    'fd.name_changed': nameChanged,
    'fd.is_server': (event) => {
      const role = endpointsOf(event)?.role;
      return hasFd(event) ? role === 'server' || role === 'listening' : undefined;
    },
    'fd.ip': bothEnds('address'),
    'fd.net': bothEnds('address'),
    'fd.port': bothEnds('port'),
    'fd.proto': bothEnds('port'),
    'fd.uid': (event) => (hasFd(event) ? `${event.tgid}${fdNumber(event)}` : undefined),
    'fd.containername': (event) => {
      const name = fdName(event);
      return name === undefined ? undefined : `${event.container.id}:${name}`;
    },
    'fd.containerdirectory': (event) => {
      const name = directory(event);
      return name === undefined ? undefined : `${event.container.id}:${name}`;
    },
    'fd.dev': device,
    'fd.dev.major': ofDevice((value) => (value >>> 8) & 0xfff),
    'fd.dev.minor': ofDevice((value) => (value & 0xff) | ((value >>> 12) & 0xfff00)),
    'fd.ino': inode,
    'fd.is_upper_layer': layer(true),
    'fd.is_lower_layer': layer(false),
  }),
  ...endFields('c', clientEnd),
  ...endFields('s', serverEnd),
  ...endFields('l', local),
  ...endFields('r', remote),
];
