/** Alerts as programs post them to Alertmanager: labels, annotations and times. */
import { randomUUID } from 'node:crypto';
import {
  ALERT_LIMITS,
  type Alert,
  type ExternalAlert,
  type Priority,
  parsePriority,
} from '@tocsin/openapi';
import { LabelsError, readLabels } from '../routing/labels.ts';
import { labelsText } from '../routing/tree.ts';
import type { Labels } from '../routing/types.ts';
import type { ReceivedAlert } from './batch.ts';

/** Reads one element of a post. Answers what is wrong with it as a text. */
export function readExternalAlert(given: unknown, now: number): ReceivedAlert | string {
  if (typeof given !== 'object' || given === null) return 'an alert must be an object';
  const { labels, annotations, startsAt, endsAt, generatorURL } = given as Record<string, unknown>;
  try {
    const own = readLabels(labels);
    if (Object.keys(own).length === 0) return 'at least one label pair required';
    const starts = timeOf(startsAt, 'startsAt');
    const ends = timeOf(endsAt, 'endsAt');
    if (starts !== undefined && ends !== undefined && ends < starts)
      return 'start time must be before end time';
    return received({
      labels: own,
      annotations: readAnnotations(annotations),
      startsAt: starts,
      endsAt: ends,
      generatorUrl: typeof generatorURL === 'string' ? generatorURL.slice(0, 2048) : '',
      now,
    });
  } catch (error) {
    if (!(error instanceof LabelsError)) throw error;
    return error.message;
  }
}

interface External {
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly startsAt: number | undefined;
  readonly endsAt: number | undefined;
  readonly generatorUrl: string;
  readonly now: number;
}

/** Go's zero time means that none is given. */
function timeOf(value: unknown, name: string): number | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  const isTime = typeof value === 'string' && /^\d{4}-\d{2}-\d{2}[Tt ]/.test(value);
  const time = isTime ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(time)) throw new LabelsError(`${name} is no time`);
  return time < 0 ? undefined : time;
}

const MAX_ANNOTATIONS = 64;

function readAnnotations(given: unknown): Labels {
  const annotations: Record<string, string> = Object.create(null);
  if (given === undefined || given === null) return annotations;
  if (typeof given !== 'object' || Array.isArray(given))
    throw new LabelsError('annotations must be a mapping of names to texts');
  const entries = Object.entries(given);
  if (entries.length > MAX_ANNOTATIONS)
    throw new LabelsError(`there are more than ${MAX_ANNOTATIONS} annotations`);
  for (const [name, value] of entries) {
    if (typeof value !== 'string' || name === '__proto__' || name.length > 256)
      throw new LabelsError(`annotation ${JSON.stringify(name.slice(0, 40))} is not a text`);
    if (value.length > ALERT_LIMITS.outputLength)
      throw new LabelsError(`annotation ${JSON.stringify(name)} is too long`);
    annotations[name] = value;
  }
  return annotations;
}

const iso = (time: number | undefined) =>
  time === undefined ? null : new Date(time).toISOString();

function received({ labels, annotations, startsAt, endsAt, generatorUrl, now }: External) {
  const { alertname, rule = alertname, hostname, instance, source = 'alertmanager' } = labels;
  const { summary, description, message } = annotations;
  const timeMs = startsAt ?? Math.min(endsAt ?? now, now);
  const alert: Alert = {
    uuid: randomUUID(),
    time: new Date(timeMs).toISOString(),
    rule: (rule ?? 'alert').slice(0, ALERT_LIMITS.ruleLength),
    priority: priorityOf(labels),
    source: source.slice(0, 64),
    output: (summary ?? description ?? message ?? labelsText(labels)).slice(
      0,
      ALERT_LIMITS.outputLength,
    ),
    output_fields: { ...labels },
    hostname: (hostname ?? instance ?? 'unknown').slice(0, 255),
    tags: (labels['tags']?.split(',') ?? [])
      .slice(0, ALERT_LIMITS.tags)
      .map((tag) => tag.trim().slice(0, ALERT_LIMITS.tagLength)),
  };
  const external: ExternalAlert = {
    labels: { ...labels },
    annotations: { ...annotations },
    starts_at: iso(startsAt),
    ends_at: iso(endsAt),
    generator_url: generatorUrl,
  };
  const line = JSON.stringify({ ...alert, external });
  // Without a start it has that of its end, as in Alertmanager.
  const times = { startsAt: startsAt ?? endsAt, endsAt };
  const said = generatorUrl === '' ? annotations : { ...annotations, '\0': generatorUrl };
  return { alert, line, timeMs, external: { labels, ...times, said } } satisfies ReceivedAlert;
}

/** What people call severities. */
const SEVERITIES: Readonly<Record<string, Priority>> = {
  page: 'Critical',
  high: 'Critical',
  major: 'Error',
  medium: 'Warning',
  minor: 'Warning',
  information: 'Informational',
  low: 'Informational',
  none: 'Debug',
};

function priorityOf({ priority, severity }: Labels): Priority {
  const named = parsePriority(priority ?? '') ?? parsePriority(severity ?? '');
  return named ?? SEVERITIES[(severity ?? '').toLowerCase()] ?? 'Warning';
}
