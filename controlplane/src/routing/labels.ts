/** The labels of an alert: what routes, silences and inhibition look at. */
import { type Alert, severityOf } from '@tocsin/openapi';
import { compareBytes } from './quote.ts';
import type { Labels } from './types.ts';

/** Of what others give us as labels; more is refused. */
const LABEL_LIMITS = { labels: 128, name: 256, value: 8192 } as const;

/** These are no labels; the message tells which one and why. */
export class LabelsError extends Error {
  override name = 'LabelsError';
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL_IN_NAME = /[\u0000-\u001f\u007f-\u009f\p{Surrogate}]/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL_IN_VALUE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\p{Surrogate}]/u;
const LONGEST_SHOWN = 40;

/** Checks labels that somebody gave: texts by name, empty ones are left out. Throws LabelsError. */
export function readLabels(given: unknown): Labels {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new LabelsError('labels must be a mapping of names to texts');
  const entries = Object.entries(given);
  if (entries.length > LABEL_LIMITS.labels)
    throw new LabelsError(
      `there are ${entries.length} labels, more than the ${LABEL_LIMITS.labels} allowed`,
    );
  const labels: Record<string, string> = Object.create(null);
  for (const [name, value] of entries) {
    const text = name === 'tags' && isTexts(value) ? value.join(',') : value;
    checkLabel(name, text);
    if (text !== '') labels[name] = text;
  }
  return Object.freeze(labels);
}

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string');

function checkLabel(name: string, value: unknown): asserts value is string {
  const shown = JSON.stringify(name.slice(0, LONGEST_SHOWN));
  if (name === '') throw new LabelsError('a label has no name');
  if (name === '__proto__') throw new LabelsError('a label cannot be named __proto__');
  if (name.length > LABEL_LIMITS.name)
    throw new LabelsError(
      `the name ${shown} of a label is longer than ${LABEL_LIMITS.name} characters`,
    );
  if (CONTROL_IN_NAME.test(name))
    throw new LabelsError(`the name ${shown} of a label has control characters`);
  if (typeof value !== 'string') throw new LabelsError(`label ${shown} is not a text`);
  if (value.length > LABEL_LIMITS.value)
    throw new LabelsError(`label ${shown} is longer than ${LABEL_LIMITS.value} characters`);
  if (CONTROL_IN_VALUE.test(value))
    throw new LabelsError(`label ${shown} has control characters in its value`);
}

/** Output fields with a label name of their own. */
const FIELD_LABELS = {
  container: ['container.name', 'container.id'],
  image: ['container.image', 'container.image.repository'],
  namespace: ['k8s.ns.name'],
  pod: ['k8s.pod.name'],
} as const;

/** What Alertmanager's users match on; as falcosidekick maps the eight priorities. */
const SEVERITIES = ['critical', 'critical', 'critical', 'warning', 'warning'] as const;

const FIELD_CANDIDATES = Object.values(FIELD_LABELS).flat();

/** What the labels of an alert of an agent are made of, as a text that no other labels have. */
export function labelsSource(
  { rule, priority, source, hostname, tags, output_fields }: LabelledAlert,
  agent: string,
  fields: readonly string[] = [],
): string {
  // Every part is led by its length.
  let text = `${agent} ${priority} ${rule.length}:${rule}${source.length}:${source}${hostname.length}:${hostname}${tags.length}`;
  for (const tag of tags) text += `,${tag.length}:${tag}`;
  const add = (name: string) => {
    const value = Object.hasOwn(output_fields, name) ? output_fields[name] : undefined;
    const own = value === null || value === undefined ? '' : textOf(value);
    text += `;${own.length}:${own}`;
  };
  for (const name of FIELD_CANDIDATES) add(name);
  for (const name of fields) add(name);
  return text;
}

const textOf = (value: unknown) =>
  typeof value === 'object' ? JSON.stringify(value) : String(value);

type LabelledAlert = Pick<
  Alert,
  'rule' | 'priority' | 'source' | 'hostname' | 'tags' | 'output_fields'
>;

/**
 * Labels of an alert of an agent: rule (also as `alertname`), priority, severity, source, hostname, tags (sorted, with commas), agent,
 * container, image, namespace, pod, and those of its output fields that are named in `fields`, by their own names.
 */
export function labelsOf(
  alert: LabelledAlert,
  agent: string,
  fields: readonly string[] = [],
): Labels {
  const labels: Record<string, string> = Object.create(null);
  const set = (name: string, value: unknown) => {
    if (value === null || value === undefined || value === '') return false;
    const text = textOf(value);
    labels[name] = text.length > LABEL_LIMITS.value ? text.slice(0, LABEL_LIMITS.value) : text;
    return true;
  };
  const field = (name: string) =>
    Object.hasOwn(alert.output_fields, name) ? alert.output_fields[name] : undefined;
  set('rule', alert.rule);
  set('alertname', alert.rule);
  set('priority', alert.priority);
  set('severity', SEVERITIES[severityOf(alert.priority)] ?? 'information');
  set('source', alert.source);
  set('hostname', alert.hostname);
  set('agent', agent);
  if (alert.tags.length > 0) set('tags', [...alert.tags].sort(compareBytes).join(','));
  for (const [name, candidates] of Object.entries(FIELD_LABELS)) {
    candidates.some((candidate) => set(name, field(candidate)));
  }
  for (const name of fields) if (name !== '__proto__') set(name, field(name));
  return Object.freeze(labels);
}
