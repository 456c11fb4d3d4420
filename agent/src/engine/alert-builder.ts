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

/** What all alerts of one agent have in common. */
export interface AlertStyle {
  readonly hostname: string;
  /** Lines begin with the time in ISO 8601 and UTC rather than the local time of day. */
  readonly iso8601?: boolean;
}

/** Makes the alert of a match. Integers beyond 2^53 in its fields are bigint. */
export function alertOf(
  rule: AlertingRule,
  { output, outputFields }: Rendered,
  event: KernelEvent,
  epoch: bigint,
  style: AlertStyle,
  uuid = randomUUID() as string,
): Alert {
  const time = event.time + epoch;
  const timeField = style.iso8601 ? 'evt.time.iso8601' : 'evt.time';
  return build(rule, output, { [timeField]: time, ...outputFields }, time, style, uuid);
}

/** Makes an alert about Tocsin itself. */
export function internalAlert(
  rule: string,
  priority: Priority,
  message: string,
  fields: Record<string, unknown>,
  style: AlertStyle,
): Alert {
  const time = BigInt(Date.now()) * 1_000_000n;
  return build(
    { name: rule, priority, source: 'internal', tags: [] },
    message,
    fields,
    time,
    style,
  );
}

function build(
  rule: AlertingRule,
  message: string,
  fields: Record<string, unknown>,
  time: bigint,
  { hostname, iso8601 = false }: AlertStyle,
  uuid = randomUUID() as string,
): Alert {
  const clock = iso8601 ? `${utcText(time)}+0000` : clockText(time);
  return {
    uuid,
    time: `${utcText(time)}Z`,
    rule: rule.name,
    priority: rule.priority,
    source: rule.source,
    output: `${clock}: ${rule.priority} ${message}`,
    output_fields: fields,
    hostname,
    tags: [...rule.tags].sort(),
  };
}
