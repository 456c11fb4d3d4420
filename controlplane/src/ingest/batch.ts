/** The body of a batch: from bytes to alerts. Nothing in it is trusted; one bad line refuses the whole batch. */
import { isUtf8 } from 'node:buffer';
import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import { ALERT_LIMITS, Alert, escapePointer, explainErrors } from '@tocsin/openapi';
import { Compile } from 'typebox/compile';
import { ProblemError } from '../errors.ts';
import type { Labels } from '../routing/types.ts';

/** One alert with the text it came in, which is what is stored. */
export interface ReceivedAlert {
  readonly alert: Alert;
  readonly line: string;
  /** `time` in ms since the epoch. */
  readonly timeMs: number;
  /** What came over the API of Alertmanager: its labels are those it came with. Times in ms; undefined: not given. */
  readonly external?: {
    readonly labels: Labels;
    readonly startsAt: number | undefined;
    readonly endsAt: number | undefined;
    /** What is said of it beside: annotations and where it comes from. */
    readonly said: Labels;
  };
}

const MAX_FIELD_DEPTH = 8;
const MAX_ERRORS = 20;
const checker = Compile(Alert);
const decoders = new Map([
  ['gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
]);

/** Undoes the content encoding; what it unpacks to is limited as the body is. */
export async function decodeBody(body: Buffer, encoding: string | undefined): Promise<Buffer> {
  const name = encoding?.trim().toLowerCase() || 'identity';
  if (name === 'identity') return body;
  const decode = decoders.get(name);
  if (!decode) {
    throw new ProblemError(
      'media_type_unsupported',
      `Content-Encoding must be identity, gzip or deflate, not ${JSON.stringify(name.slice(0, 64))}.`,
    );
  }
  try {
    return await decode(body, { maxOutputLength: ALERT_LIMITS.batchBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new ProblemError(
        'body_too_large',
        `The batch unpacks to more than ${ALERT_LIMITS.batchBytes} bytes.`,
      );
    }
    throw new ProblemError('batch_unreadable', `The ${name} body is broken or cut off.`);
  }
}

/** Reads newline-delimited JSON. Throws ProblemError with a pointer for each thing that is wrong. */
export function parseBatch(body: Buffer): ReceivedAlert[] {
  if (!isUtf8(body)) throw new ProblemError('batch_unreadable', 'The batch is not UTF-8.');
  const lines = body.toString('utf8').split('\n');
  if (lines.at(-1) === '') lines.pop();
  if (lines.length > ALERT_LIMITS.batchAlerts) {
    throw new ProblemError(
      'body_too_large',
      `The batch has ${lines.length} lines; at most ${ALERT_LIMITS.batchAlerts} are taken.`,
    );
  }
  const received: ReceivedAlert[] = [];
  const errors: { pointer: string; message: string }[] = [];
  for (const [index, line] of lines.entries()) {
    const result = parseLine(line, index);
    if (Array.isArray(result)) errors.push(...result);
    else received.push(result);
    if (errors.length >= MAX_ERRORS) break;
  }
  if (errors.length > 0) {
    throw new ProblemError(
      'alert_invalid',
      'The batch holds lines that are not valid alerts; nothing of it was stored.',
      errors.slice(0, MAX_ERRORS),
    );
  }
  return received;
}

/** Reads one line; answers what is wrong with it, with pointers below `/index`. */
export function parseLine(
  line: string,
  index: number,
): ReceivedAlert | { pointer: string; message: string }[] {
  const wrong = (message: string, path = '') => [{ pointer: `/${index}${path}`, message }];
  if (line.length > ALERT_LIMITS.lineBytes) {
    return wrong(`must not be longer than ${ALERT_LIMITS.lineBytes} characters`);
  }
  let alert: unknown;
  try {
    alert = JSON.parse(line);
  } catch {
    return wrong(
      'is not JSON: each line must hold one JSON object, and lines are separated by a newline',
    );
  }
  if (!checker.Check(alert)) {
    const found = explainErrors(Alert, alert).map(({ pointer, message }) => ({
      pointer: `/${index}${pointer}`,
      message,
    }));
    return found.length > 0 ? found : wrong('is not a valid alert');
  }
  const timeMs = Date.parse(alert.time);
  if (Number.isNaN(timeMs)) return wrong('time is not a date that exists', '/time');
  const fields = Object.keys(alert.output_fields);
  if (fields.includes('__proto__')) {
    return wrong('is not a name for a field', '/output_fields/__proto__');
  }
  const deep = fields.find((name) => isDeeper(alert.output_fields[name], MAX_FIELD_DEPTH));
  if (deep !== undefined) {
    return wrong(
      `is nested deeper than ${MAX_FIELD_DEPTH}`,
      `/output_fields/${escapePointer(deep)}`,
    );
  }
  return { alert, line, timeMs };
}

function isDeeper(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (depth === 0) return true;
  return Object.values(value).some((child) => isDeeper(child, depth - 1));
}
