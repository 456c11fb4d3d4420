/** What people are shown of an alert, the same on every channel for people: the facts, the colours, the one-line summary. */
import {
  PRIORITIES,
  type Priority,
  parsePriority,
  type StoredAlert,
  severityOf,
} from '@tocsin/openapi';
import { fieldText } from './alert-fields.ts';
import type { Notification, ShownAlert } from './channel.ts';
import { countHeld } from './digest.ts';
import { describeCounts } from './grouped.ts';
import { printable } from './text.ts';

/** How a priority looks. The word always stands beside the colour. */
export interface Look {
  /** `#rrggbb`, dark enough for white text on it. */
  readonly colour: string;
  readonly symbol: string;
}

const LOOKS: Readonly<Record<Priority, Look>> = {
  Emergency: { colour: '#7a0c1f', symbol: '🚨' },
  Alert: { colour: '#9f1239', symbol: '🚨' },
  Critical: { colour: '#b42318', symbol: '🔴' },
  Error: { colour: '#c2410c', symbol: '🟠' },
  Warning: { colour: '#a16207', symbol: '🟡' },
  Notice: { colour: '#1d4ed8', symbol: '🔵' },
  Informational: { colour: '#475569', symbol: '⚪' },
  Debug: { colour: '#64748b', symbol: '⚪' },
};

const RESOLVED: Look = { colour: '#15803d', symbol: '✅' };

/** What ended looks like nothing that fires. */
export const lookOf = ({ priority, status }: Pick<ShownAlert, 'priority' | 'status'>): Look =>
  status === 'resolved' ? RESOLVED : LOOKS[priority];

/** Nothing of the group fires any more. */
export const isOver = ({ group }: Notification): boolean => group?.counts.firing === 0;

/** How a notification looks as a whole, and the word that stands beside that. */
export function lookOfAll(notification: Notification): Look & { readonly word: string } {
  const priority = highestPriority(notification);
  return isOver(notification)
    ? { ...RESOLVED, word: 'Resolved' }
    : { ...LOOKS[priority], word: priority };
}

/** Falco leads each output with its own time and priority. */
const OUTPUT_PREFIX =
  /^(?:\d{4}-\d{2}-\d{2}T)?\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{4})?: (\w+) (?=\S)/;

/** What an alert says, without the time and priority that stand beside it wherever people read it. */
export function messageOf({ output, priority }: Pick<StoredAlert, 'output' | 'priority'>): string {
  const [prefix = '', named = ''] = OUTPUT_PREFIX.exec(output) ?? [];
  return parsePriority(named) === priority ? output.slice(prefix.length) : output;
}

/** A label and a value that is printable and bounded, and still to be escaped for its medium. */
export interface Fact {
  readonly label: string;
  readonly value: string;
}

const MAX_VALUE = 300;
const MAX_TAGS = 12;

/** The facts of an alert that help to judge it, in the order in which they are asked for; what an event lacks is left out. */
export function factsOf(alert: ShownAlert): Fact[] {
  const field = (name: string): string => fieldText(alert, name);
  const container = field('container.name') || field('container.id');
  const target = field('fd.name');
  const image = field('container.image.repository');
  const pod = field('k8s.pod.name');
  const facts: [string, string][] = [
    ['Host', alert.hostname],
    ['Container', container === 'host' ? '' : withDetail(container, image)],
    ['Pod', pod && [field('k8s.ns.name'), pod].filter(Boolean).join('/')],
    ['Process', field('proc.cmdline') || field('proc.name')],
    ['Parent', field('proc.pname')],
    ['User', field('user.name')],
    [target.includes('->') ? 'Connection' : 'File', target],
    ['Status', alert.status === 'resolved' ? 'resolved' : ''],
    ['Seen', describeCount(alert)],
    ['Tags', alert.tags.slice(0, MAX_TAGS).join(', ')],
  ];
  return (
    facts
      // A process may be named by spaces alone, and services refuse a whole message for a value that shows nothing.
      .filter(([, value]) => value.trim() !== '')
      .map(([label, value]) => ({ label, value: printable(value, MAX_VALUE) }))
  );
}

/** The most severe priority of a notification; Notice for one that only tells what was held back. */
export function highestPriority(notification: Notification): Priority {
  const severities = notification.alerts.map(({ priority }) => severityOf(priority));
  return PRIORITIES[Math.min(...severities)] ?? 'Notice';
}

/** One line for subjects, headings and previews; printable, at most `max` long. */
export function summaryOf(notification: Notification, max: number): string {
  const { alerts, held, group } = notification;
  const [first, ...others] = alerts;
  const more = held.count > 0 ? ` (+${held.count} more)` : '';
  const start = notification.test ? 'Test: ' : '';
  if (!first && held.digest)
    return printable(`${start}Digest of ${countHeld(held)}${mostOf(held)}`, max);
  if (!first) return printable(`${start}${held.count} notifications held back`, max);
  const about = `${first.rule} on ${first.hostname}`;
  const { firing, resolved } = group?.counts ?? { firing: 0, resolved: 0 };
  if (group && firing + resolved > 1)
    return printable(`${start}${describeCounts(group)}: ${about} and others`, max);
  if (resolved > 0) return printable(`Resolved: ${about}`, max);
  const what = others.length === 0 ? about : `${alerts.length} alerts, first ${about}`;
  const room = Math.max(20, max - start.length - more.length);
  return `${start}${printable(what, room)}${more}`;
}

function mostOf({ byRule: [most, other] }: Notification['held']): string {
  if (!most) return '';
  return other ? `, most of them ${most.rule}` : `: ${most.rule}`;
}

/** What is said of a notification that may be seen twice; empty of others. */
export const repeatNote = ({ repeated }: Notification): string =>
  repeated ? 'This may have been delivered before: the answer to an earlier attempt was lost.' : '';

/** `2026-11-20 10:00:00 UTC`; what is no time is shown as it is. */
export function showTime(time: string): string {
  const [, day, clock] = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})/.exec(time) ?? [];
  return day && clock ? `${day} ${clock} UTC` : printable(time, 40);
}

const withDetail = (name: string, detail: string): string =>
  name && detail ? `${name} (${detail})` : name || detail;

function describeCount({ count, time, first_seen, last_seen }: StoredAlert): string {
  if (count <= 1) return showTime(time);
  return `${count} times, ${showTime(first_seen)} to ${showTime(last_seen)}`;
}
