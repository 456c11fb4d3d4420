import type { ByteString } from '../rules/field.ts';
import { eventName } from './event-name.ts';
import type { KernelEvent } from './kernel-event.ts';

const SENDS = new Set(['sendto', 'sendmsg', 'sendmmsg']);
const RECEIVES = new Set(['recvfrom', 'recvmsg', 'recvmmsg']);

/** Which way a message call moves its data; undefined for all other events. */
export function messageDirection(event: KernelEvent): 'read' | 'write' | undefined {
  const name = eventName(event);
  return SENDS.has(name) ? 'write' : RECEIVES.has(name) ? 'read' : undefined;
}

/** The first bytes that a message call moved. */
export function messageData(event: KernelEvent): ByteString | undefined {
  return messageDirection(event) === undefined ? undefined : event.string(2) || undefined;
}
