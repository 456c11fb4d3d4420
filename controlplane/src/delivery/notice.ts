/** What the control plane itself has to say about a channel, told on another one. */
import type { Priority, StoredAlert } from '@tocsin/openapi';
import type { OutboxEntry } from '../store/outbox.ts';
import { ownAlert } from './own-alert.ts';

/** An entry that tells of one thing that no agent saw. */
export function noticeEntry(
  rule: string,
  priority: Priority,
  output: string,
  fields: StoredAlert['output_fields'],
  now: number,
): OutboxEntry {
  const notice = ownAlert({ rule, priority, output, output_fields: fields }, now);
  return { id: `notice-${notice.id}`, time: now, notice };
}
