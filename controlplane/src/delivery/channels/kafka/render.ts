import { type BodyForm, bodiesOf } from '../../bodies.ts';
import type { Notification } from '../../channel.ts';
import { incidentKey } from '../../grouped.ts';

/** What of a message does not depend on the topic. */
export interface Record {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly headers: ReadonlyMap<Buffer, Buffer>;
}

/** Records of one key go to one partition, where they keep their order: the key is that of the group, else that of what is told. */
export function renderRecords(notification: Notification, form: BodyForm): Record[] {
  const { group, alerts } = notification;
  const key = (fingerprint = 'held') => Buffer.from(group ? incidentKey(group) : fingerprint);
  return bodiesOf(notification, form).map(({ id, contentType, text, alert = alerts[0] }) => ({
    key: key(alert?.fingerprint),
    value: Buffer.from(text),
    headers: new Map(
      [
        ['content-type', contentType],
        ['tocsin-id', id],
      ].map(([name = '', value = '']) => [Buffer.from(name), Buffer.from(value)]),
    ),
  }));
}

/** Bytes of records that are sent together, well below what brokers take by default (1 MiB). */
const MAX_BATCH_BYTES = 768 * 1024;
/** What headers and lengths add to a record, at most. */
const OVERHEAD = 256;

/** Records in their order, in as many batches as they need. One that is too long alone stands alone: the broker decides. */
export function batchesOf(records: readonly Record[]): Record[][] {
  const batches: Record[][] = [];
  let room = 0;
  for (const record of records) {
    const bytes = record.key.length + record.value.length + OVERHEAD;
    const last = batches.at(-1);
    if (last && bytes <= room) last.push(record);
    else {
      batches.push([record]);
      room = MAX_BATCH_BYTES;
    }
    room -= bytes;
  }
  return batches;
}
