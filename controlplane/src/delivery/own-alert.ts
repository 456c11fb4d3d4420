import { randomUUID } from 'node:crypto';
import type { StoredAlert } from '@tocsin/openapi';

/** An alert that no agent saw: what the control plane itself has to say. */
export function ownAlert(
  told: Pick<StoredAlert, 'rule' | 'priority' | 'output'> & Partial<StoredAlert>,
  now: number,
): StoredAlert {
  const time = new Date(now).toISOString();
  return {
    id: randomUUID(),
    time,
    source: 'internal',
    output_fields: {},
    hostname: 'tocsin',
    tags: [],
    fingerprint: '0'.repeat(32),
    agent: 'tocsin',
    count: 1,
    first_seen: time,
    last_seen: time,
    ...told,
  };
}
