import { EVENT_SOCKET } from '@tocsin/native';
import type { ByteString } from '../rules/field.ts';
import { eventName } from './event-name.ts';
import type { KernelEvent } from './kernel-event.ts';

const SENDS = new Set(
  'sendto sendmsg sendmmsg write writev pwrite pwritev pwritev2 sendfile'.split(' '),
);
const RECEIVES = new Set('recvfrom recvmsg recvmmsg read readv pread preadv preadv2'.split(' '));

/** Which way a call moves data; undefined for all other events. */
export function messageDirection(event: KernelEvent): 'read' | 'write' | undefined {
  const name = eventName(event);
  return SENDS.has(name) ? 'write' : RECEIVES.has(name) ? 'read' : undefined;
}

/** The first bytes that a call moved. */
export function messageData(event: KernelEvent): ByteString | undefined {
  if (messageDirection(event) === undefined) return undefined;
  return event.string(event.kind === EVENT_SOCKET ? 2 : 0) || undefined;
}
