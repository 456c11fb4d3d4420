import { randomUUID } from 'node:crypto';
import type { Channel, StoredAlert } from '@tocsin/openapi';
import type { Notification, Outcome, Sender } from './channel.ts';
import { startDeadline } from './deadline.ts';
import { sendOnce } from './lane.ts';
import { createSender, type Environment, type FindKind } from './senders.ts';

const TEST_MS = 20_000;

/** Makes one attempt now, past lane and throttle, and returns how it ended with the provider's own words. */
export async function testSend(
  channel: Channel,
  findKind: FindKind,
  environment: Environment,
  signal: AbortSignal,
): Promise<Outcome> {
  const deadline = startDeadline([signal], TEST_MS);
  let sender: Sender | undefined;
  try {
    return await sendOnce(() => {
      sender = createSender(channel, findKind, environment);
      return sender.send(testNotification(channel.name), { signal: deadline.signal });
    });
  } finally {
    deadline.release();
    await sender?.close();
  }
}

function testNotification(channel: string): Notification {
  const id = randomUUID();
  const time = new Date().toISOString();
  const alert: StoredAlert = {
    id,
    time,
    rule: 'Test notification',
    priority: 'Informational',
    source: 'internal',
    output: `This is a test of the channel ${channel}: nothing happened.`,
    output_fields: {},
    hostname: 'tocsin',
    tags: ['test'],
    fingerprint: '0'.repeat(32),
    agent: 'tocsin',
    count: 1,
    first_seen: time,
    last_seen: time,
  };
  return {
    id: `test-${id}`,
    channel,
    time,
    alerts: [alert],
    held: { count: 0, byRule: [] },
    test: true,
  };
}
