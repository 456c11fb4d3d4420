import { randomUUID } from 'node:crypto';
import type { Alert, Priority } from '@tocsin/openapi';

/** What Tocsin says of itself. */
export interface InternalAlert {
  readonly rule: string;
  readonly priority: Priority;
  readonly message: string;
  readonly fields: Readonly<Record<string, number | string>>;
}

/** Makes it an alert of source `internal`, told like any other. */
export function makeInternalAlert(
  { rule, priority, message, fields }: InternalAlert,
  hostname: string,
  now: Date,
): Alert {
  const told = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
  const time = now.toISOString();
  return {
    uuid: randomUUID(),
    time,
    rule,
    priority,
    source: 'internal',
    output: `${time.slice(11, -1)}: ${priority} ${message} (${told.join(' ')})`,
    output_fields: fields,
    hostname,
    tags: [],
  };
}
