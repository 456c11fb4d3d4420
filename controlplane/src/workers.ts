import { setMaxListeners } from 'node:events';
import type { StoredAlert } from '@tocsin/openapi';
import type { Delivery, DeliveryParts } from './control-plane.ts';
import type { Notification } from './delivery/channel.ts';
import { findChannelKind } from './delivery/channels/index.ts';
import { resolveSecrets } from './delivery/secrets.ts';

/** Starts delivery: test notifications are sent at once, outside the lanes. */
export async function startDelivery(
  _parts: DeliveryParts,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Delivery> {
  return {
    testChannel: async (channel, signal) => {
      setMaxListeners(0, signal);
      const kind = findChannelKind(channel.kind);
      if (!kind) return { result: 'permanent', reason: 'configuration', detail: 'Unknown kind.' };
      try {
        const sender = kind.create(resolveSecrets(kind.settings, channel.settings, environment));
        try {
          return await sender.send(testNotification(channel.name), { signal });
        } finally {
          await sender.close();
        }
      } catch (error) {
        const { message } = error as Error;
        return { result: 'permanent', reason: 'configuration', detail: message };
      }
    },
    stop: async () => {},
  };
}

function testNotification(channel: string): Notification {
  const time = new Date().toISOString();
  const id = crypto.randomUUID();
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
  return { id, channel, time, alerts: [alert], held: { count: 0, byRule: [] }, test: true };
}
