import type { Priority } from '@tocsin/openapi';
import { encodeJson } from './encode-json.ts';

/** What is told of one match. Time is nanoseconds since the epoch. */
export interface AlertFacts {
  readonly time: bigint;
  readonly rule: string;
  readonly priority: Priority;
  readonly source: string;
  /** Sorted. */
  readonly tags: readonly string[];
  readonly hostname: string;
  /** The rendered message, without time and priority. */
  readonly message: string;
  readonly outputFields: Readonly<Record<string, unknown>>;
}

/** What the JSON form holds; Falco's defaults. */
export interface AlertFormat {
  /** Times in ISO 8601 and UTC rather than as the local time of day. */
  readonly iso8601?: boolean;
  readonly messageProperty?: boolean;
  readonly outputProperty?: boolean;
  readonly outputFieldsProperty?: boolean;
  readonly tagsProperty?: boolean;
}

const NANOSECONDS = 1_000_000_000n;

function split(time: bigint): { date: Date; fraction: string } {
  const milliseconds = Number(time / 1_000_000n);
  return { date: new Date(milliseconds), fraction: String(time % NANOSECONDS).padStart(9, '0') };
}

/** UTC to the nanosecond: `2016-08-04T16:17:57.881781397Z`. */
export function formatUtc(time: bigint): string {
  const { date, fraction } = split(time);
  return `${date.toISOString().slice(0, 19)}.${fraction}Z`;
}

/** The form that `%evt.time.iso8601` has: UTC with a numeric offset. */
export function formatIso8601(time: bigint): string {
  return `${formatUtc(time).slice(0, -1)}+0000`;
}

/** Local time of day to the nanosecond, as `%evt.time` shows it. */
export function formatTimeOfDay(time: bigint): string {
  const { date, fraction } = split(time);
  const two = (part: number): string => String(part).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${fraction}`;
}

function line(facts: AlertFacts, format: AlertFormat): string {
  const time = format.iso8601 ? formatIso8601(facts.time) : formatTimeOfDay(facts.time);
  return `${time}: ${facts.priority} ${facts.message}`;
}

/** The alert as one line of text. Control characters, quotes and backslashes are escaped as in JSON. */
export function formatAlertText(facts: AlertFacts, format: AlertFormat = {}): string {
  return JSON.stringify(line(facts, format)).slice(1, -1).replaceAll('\x7f', '\\u007f');
}

/** The alert as Falco's JSON object; integers beyond 2^53 are bigint. */
export function alertObject(facts: AlertFacts, format: AlertFormat = {}): Record<string, unknown> {
  const { rule, priority, source, tags, hostname, message } = facts;
  const timeKey = format.iso8601 ? 'evt.time.iso8601' : 'evt.time';
  return {
    hostname,
    ...(format.messageProperty && { message }),
    ...(format.outputProperty !== false && { output: line(facts, format) }),
    ...(format.outputFieldsProperty !== false && {
      output_fields: { ...facts.outputFields, [timeKey]: facts.time },
    }),
    priority,
    rule,
    source,
    ...(format.tagsProperty !== false && { tags: [...tags] }),
    time: formatUtc(facts.time),
  };
}

/** The alert as one line of JSON with sorted keys. */
export function formatAlertJson(facts: AlertFacts, format: AlertFormat = {}): string {
  return encodeJson(alertObject(facts, format), true);
}
