import { randomUUID } from 'node:crypto';
import { ALERT_LIMITS, type Alert, type Priority } from '@tocsin/openapi';
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

/** Makes the alert of a match. */
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
  fields: Readonly<Record<string, unknown>>,
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
  fields: Readonly<Record<string, unknown>>,
  time: bigint,
  hostname: string,
): Alert {
  const output = `${clockText(time)}: ${rule.priority} ${message}`;
  return {
    uuid: randomUUID(),
    time: `${utcText(time)}Z`,
    rule: rule.name.slice(0, ALERT_LIMITS.ruleLength),
    priority: rule.priority,
    source: rule.source,
    output: output.slice(0, ALERT_LIMITS.outputLength),
    output_fields: plainFields(fields),
    hostname,
    tags: [...rule.tags].sort().slice(0, ALERT_LIMITS.tags),
  };
}

/** JSON has no bigint: what a double cannot hold exactly is rounded; the alert's `time` stays exact. */
function plainFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields)
      .slice(0, ALERT_LIMITS.outputFields)
      .map(([key, value]) => [key, typeof value === 'bigint' ? Number(value) : value]),
  );
}
