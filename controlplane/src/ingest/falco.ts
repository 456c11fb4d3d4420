/** Alerts as Falco's `http_output` posts them, one JSON object each. */
import { randomUUID } from 'node:crypto';
import { ALERT_LIMITS, parsePriority } from '@tocsin/openapi';
import { ProblemError } from '../errors.ts';
import { parseLine, type ReceivedAlert } from './batch.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Reads the body of a post. Throws ProblemError with what is wrong with it. */
export function readFalcoAlert(body: Buffer): ReceivedAlert {
  let given: unknown;
  try {
    given = JSON.parse(keepNumbers(body.toString('utf8')));
  } catch {
    throw new ProblemError('bad_request', 'The body is not JSON: post one alert of Falco.');
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new ProblemError('alert_invalid', 'The body must be one JSON object, an alert of Falco.');
  const fields = given as Fields;
  const errors = missing(fields);
  if (errors.length === 0) {
    const received = parseLine(JSON.stringify(alertOf(fields)), 0);
    if (!Array.isArray(received)) return received;
    errors.push(
      ...received.map(({ pointer, message }) => ({
        pointer: pointer.replace(/^\/0/, ''),
        message,
      })),
    );
  }
  throw new ProblemError('alert_invalid', 'The body is no alert of Falco.', errors);
}

/** Numbers that JavaScript would round (nanoseconds, inodes) stay as they were written, as texts. */
const keepNumbers = (text: string) =>
  text.replace(/"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g, (token) =>
    token.startsWith('"') ? token : `"${token}"`,
  );

/** What every alert of Falco has. */
function missing(given: Fields): { pointer: string; message: string }[] {
  const { priority, rule, time, output_fields } = given;
  const wrong = (pointer: string, message: string) => [{ pointer, message }];
  const isText = (value: unknown) => typeof value === 'string' && value !== '';
  const named = typeof priority === 'string' && parsePriority(priority) !== undefined;
  const fields = typeof output_fields === 'object' ? Object.keys(output_fields ?? {}) : [];
  const real = typeof time === 'string' && !Number.isNaN(Date.parse(time));
  return [
    ...(named ? [] : wrong('/priority', 'priority must be one of the eight that Falco has')),
    ...(isText(rule) ? [] : wrong('/rule', 'rule must be the name of a rule')),
    ...(real ? [] : wrong('/time', 'time must be a time as 2026-01-31T12:00:00.123456789Z')),
    ...(fields.length > 0 ? [] : wrong('/output_fields', 'output_fields must not be empty')),
  ];
}

const UTC = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$/;

function alertOf(given: Fields): Fields {
  const { uuid, time, rule, priority, source, output, output_fields, hostname, tags } = given;
  const text = typeof output === 'string' ? output : '';
  return {
    uuid: typeof uuid === 'string' ? uuid : randomUUID(),
    time: UTC.test(String(time)) ? time : new Date(String(time)).toISOString(),
    rule,
    priority: parsePriority(String(priority)),
    source: source || 'syscall',
    output: text.slice(0, ALERT_LIMITS.outputLength),
    output_fields,
    hostname: hostname || 'unknown',
    tags: tags ?? [],
  };
}
