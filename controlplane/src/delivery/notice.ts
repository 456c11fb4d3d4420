/** What the control plane itself has to say about a channel, told on another one. Pure. */
import { randomUUID } from 'node:crypto';
import type { Priority, StoredAlert } from '@tocsin/openapi';
import type { OutboxEntry } from '../store/outbox.ts';

/** An entry that tells of one thing that no agent saw. */
export function noticeEntry(
  rule: string,
  priority: Priority,
  output: string,
  fields: StoredAlert['output_fields'],
  now: number,
): OutboxEntry {
  const id = randomUUID();
  const time = new Date(now).toISOString();
  return {
    id: `notice-${id}`,
    time: now,
    notice: {
      ...{ id, time, rule, priority, output, output_fields: fields, count: 1 },
      source: 'internal',
      hostname: 'tocsin',
      tags: [],
      fingerprint: '0'.repeat(32),
      agent: 'tocsin',
      first_seen: time,
      last_seen: time,
    },
  };
}
