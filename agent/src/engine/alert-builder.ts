import { randomUUID } from 'node:crypto';
import type { Alert, Priority } from '@tocsin/openapi';
import { clockText, utcText } from '../events/fields/event-time.ts';
import type { KernelEvent } from '../events/kernel-event.ts';

/** A rule as the alert shows it. */
export interface AlertingRule {
  readonly name: string;
  readonly priority: Priority;
  readonly source: string;
  readonly tags: readonly string[];
}

/** What a rule's output template made of an event. */
export interface Rendered {
  readonly output: string;
  readonly outputFields: Readonly<Record<string, unknown>>;
}

/** Makes the alert of a match. Integers beyond 2^53 in its fields are bigint. */
export function alertOf(
  rule: AlertingRule,
  { output, outputFields }: Rendered,
  event: KernelEvent,
  { epoch, hostname }: { epoch: bigint; hostname: string },
): Alert {
  const time = event.time + epoch;
  return build(rule, output, { 'evt.time': time, ...outputFields }, time, hostname);
}

/** Makes an alert about Tocsin itself. */
export function internalAlert(
  rule: string,
  priority: Priority,
  message: string,
  fields: Record<string, unknown>,
  hostname: string,
): Alert {
  const time = BigInt(Date.now()) * 1_000_000n;
  return build(
    { name: rule, priority, source: 'internal', tags: [] },
    message,
    fields,
    time,
    hostname,
  );
}

function build(
  rule: AlertingRule,
  message: string,
  fields: Record<string, unknown>,
  time: bigint,
  hostname: string,
): Alert {
  return {
    uuid: randomUUID(),
    time: `${utcText(time)}Z`,
    rule: rule.name,
    priority: rule.priority,
    source: rule.source,
    output: `${clockText(time)}: ${rule.priority} ${message}`,
    output_fields: fields,
    hostname,
    tags: [...rule.tags].sort(),
  };
}
