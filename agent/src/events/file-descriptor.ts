import {
  callLayout,
  EVENT_CALL,
  EVENT_FROM_FD,
  EVENT_OPEN,
  EVENT_PATH,
  EVENT_SOCKET,
  openLayout,
  pathLayout,
  socketLayout,
} from '@tocsin/native';
import type { ByteString } from '../rules/field.ts';
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_UNIX,
  endpointsOf,
  endpointsText,
  socketFamily,
} from './endpoints.ts';
import { eventName } from './event-name.ts';
import { mainPath } from './event-path.ts';
import { OPEN } from './flag-names.ts';
import type { KernelEvent } from './kernel-event.ts';
import { fold } from './path.ts';

/** Falco's names of what an fd is. */
export type FdType =
  | 'file'
  | 'directory'
  | 'ipv4'
  | 'ipv6'
  | 'unix'
  | 'pipe'
  | 'event'
  | 'signalfd'
  | 'eventpoll'
  | 'inotify'
  | 'timerfd'
  | 'netlink'
  | 'bpf'
  | 'userfaultfd'
  | 'io_uring'
  | 'memfd'
  | 'pidfd';

const CHARACTERS: Readonly<Record<FdType, string>> = {
  file: 'f',
  directory: 'd',
  ipv4: '4',
  ipv6: '6',
  unix: 'u',
  pipe: 'p',
  event: 'e',
  signalfd: 's',
  eventpoll: 'l',
  inotify: 'i',
  timerfd: 't',
  netlink: 'n',
  bpf: 'b',
  userfaultfd: 'u',
  io_uring: 'r',
  memfd: 'm',
  pidfd: 'P',
};

/** Calls whose result is a new fd, with what it is; undefined where the record tells. */
const CREATED_BY = new Map<string, FdType | undefined>([
  ['dup', undefined],
  ['dup2', undefined],
  ['dup3', undefined],
  ['pidfd_getfd', undefined],
  ['bpf', 'bpf'],
  ['userfaultfd', 'userfaultfd'],
  ['memfd_create', 'memfd'],
  ['pidfd_open', 'pidfd'],
  ['io_uring_setup', 'io_uring'],
  ['eventfd', 'event'],
  ['eventfd2', 'event'],
  ['signalfd', 'signalfd'],
  ['signalfd4', 'signalfd'],
  ['timerfd_create', 'timerfd'],
  ['inotify_init', 'inotify'],
  ['inotify_init1', 'inotify'],
  ['epoll_create', 'eventpoll'],
  ['epoll_create1', 'eventpoll'],
]);

/** Calls whose first argument is the fd in question. */
const FIRST_ARGUMENT = new Set(
  `setns finit_module kexec_file_load close fcntl ioctl shutdown read readv pread preadv preadv2 write writev pwrite pwritev pwritev2 sendfile
   getdents64 fsync fdatasync flock fallocate lseek fstat`.split(/\s+/),
);

const NEW_SOCKET = new Set(['socket', 'accept', 'accept4']);
const FILE_WHEN_FAILED = new Set(['openat', 'openat2', 'creat']);

/** Parts of the kernel's names of anonymous files. */
const ANONYMOUS: readonly [string, FdType][] = [
  ['memfd:', 'memfd'],
  ['eventpoll', 'eventpoll'],
  ['eventfd', 'event'],
  ['signalfd', 'signalfd'],
  ['timerfd', 'timerfd'],
  ['inotify', 'inotify'],
  ['io_uring', 'io_uring'],
  ['userfaultfd', 'userfaultfd'],
  ['pidfd', 'pidfd'],
  ['bpf', 'bpf'],
];

/** The fd the event made or used: negative after a failed making, undefined when the event is about none. */
export function fdNumber(event: KernelEvent): number | undefined {
  switch (event.kind) {
    case EVENT_OPEN:
      return event.result >= 0 ? event.result : -1;
    case EVENT_PATH:
      return event.flags & EVENT_FROM_FD ? event.int32(pathLayout.fd) : undefined;
    case EVENT_SOCKET:
      if (!NEW_SOCKET.has(eventName(event))) return event.int32(socketLayout.fd);
      return event.result >= 0 ? event.result : -1;
    case EVENT_CALL: {
      const name = eventName(event);
      if (CREATED_BY.has(name)) return event.result >= 0 ? event.result : -1;
      if (name === 'mmap') return event.intArgument(4);
      return FIRST_ARGUMENT.has(name) ? event.intArgument(0) : undefined;
    }
    default:
      return undefined;
  }
}

/** Whether the event has an fd that is open. */
export function hasFd(event: KernelEvent): boolean {
  const number = fdNumber(event);
  return number !== undefined && number >= 0;
}

/** Whether there was a file or socket of that number. */
export function isOpenFd(event: KernelEvent): boolean {
  switch (event.kind) {
    case EVENT_PATH:
      return event.string(2) !== ''; // a pipe has no name either
    case EVENT_SOCKET:
      return socketFamily(event) !== 0;
    case EVENT_CALL:
      return (
        CREATED_BY.has(eventName(event)) ||
        event.uint32(callLayout.fdMode) !== 0 ||
        socketFamily(event) !== 0 ||
        event.string(1) !== ''
      );
    default:
      return true;
  }
}

/** What the event's fd is; undefined when that is unknown or there is none. */
export function fdType(event: KernelEvent): FdType | undefined {
  if (!hasFd(event)) return failedType(event);
  switch (event.kind) {
    case EVENT_OPEN:
      return event.uint32(openLayout.openFlags) & OPEN.DIRECTORY ? 'directory' : 'file';
    case EVENT_PATH:
      if (!isOpenFd(event)) return undefined;
      return eventName(event) === 'fchdir' ? 'directory' : 'file';
    case EVENT_SOCKET:
      return socketType(event);
    default:
      return CREATED_BY.get(eventName(event)) ?? typeOfCallFd(event);
  }
}

/** One letter for what the fd is: `o` for what is unknown, undefined for events without fd. */
export function fdTypeCharacter(event: KernelEvent): string | undefined {
  if (fdNumber(event) === undefined) return undefined;
  const type = fdType(event);
  return type === undefined ? 'o' : CHARACTERS[type];
}

/** What Falco takes an fd for that was not made. */
function failedType(event: KernelEvent): FdType | undefined {
  const name = eventName(event);
  if (FILE_WHEN_FAILED.has(name)) return 'file';
  return NEW_SOCKET.has(name) ? 'ipv4' : undefined;
}

function socketType(event: KernelEvent): FdType | undefined {
  switch (socketFamily(event)) {
    case AF_UNIX:
      return 'unix';
    case AF_INET:
      return 'ipv4';
    case AF_INET6:
      return endpointsOf(event)?.family === 4 ? 'ipv4' : 'ipv6';
    case AF_NETLINK:
      return 'netlink';
    default:
      return undefined;
  }
}

function typeOfCallFd(event: KernelEvent): FdType | undefined {
  if (event.uint16(callLayout.fdFamily) !== 0) return socketType(event);
  const path = event.string(1);
  if (!path.startsWith('/') || path.startsWith('/memfd:')) {
    const known = ANONYMOUS.find(([part]) => path.includes(part));
    if (known !== undefined) return known[1];
  }
  switch (event.uint32(callLayout.fdMode) & 0o170000) {
    case 0o040000:
      return 'directory';
    case 0o010000:
      return 'pipe';
    case 0o100000:
    case 0o020000:
    case 0o060000:
      return 'file';
    default:
      return path.startsWith('/') ? 'file' : undefined;
  }
}

/** The name of the event's fd: a path, both ends of a connection, or empty. A failed open has its argument's. */
export function fdName(event: KernelEvent): ByteString | undefined {
  if (event.kind === EVENT_OPEN) return mainPath(event);
  if (!hasFd(event)) return undefined;
  switch (event.kind) {
    case EVENT_PATH:
      return event.string(2);
    case EVENT_SOCKET:
      return socketName(event);
    case EVENT_CALL:
      return callFdName(event);
    default:
      return undefined;
  }
}

function socketName(event: KernelEvent): ByteString {
  const ends = endpointsOf(event);
  if (ends !== undefined) return endpointsText(ends);
  return event.string(1) || event.string(0);
}

function callFdName(event: KernelEvent): ByteString {
  const made = CREATED_BY.get(eventName(event));
  if (made === 'memfd') return `memfd:${event.string(0)}`;
  // Falco gives these no name when they are made.
  if (made !== undefined && made !== 'pidfd') return '';
  const ends = endpointsOf(event);
  if (ends !== undefined) return endpointsText(ends);
  const path = event.string(1);
  return path.startsWith('/') ? fold(path) : path;
}

const PROTOCOLS = new Map([
  [6, 'tcp'],
  [17, 'udp'],
  [1, 'icmp'],
  [58, 'icmp'],
  [255, 'raw'],
]);
const SOCK_RAW = 3;

/** The transport protocol; `<NA>` of a socket that has no role yet. */
export function transport(event: KernelEvent): ByteString | undefined {
  if (!hasFd(event)) return undefined;
  const ends = endpointsOf(event);
  if (ends === undefined || ends.role === 'none') return '<NA>';
  const isCall = event.kind === EVENT_CALL;
  if (event.uint8(isCall ? callLayout.fdType : socketLayout.type) === SOCK_RAW) return 'raw';
  const protocol = event.uint8(isCall ? callLayout.fdProtocol : socketLayout.protocol);
  return PROTOCOLS.get(protocol) ?? '<NA>';
}
