/** From what a group says to a notification: each of its alerts as the stored one that shows it, or as its labels make one. Pure. */
import { createHash } from 'node:crypto';
import { type Priority, parsePriority, type StoredAlert } from '@tocsin/openapi';
import type { GroupNotification, ToldAlert } from '../routing/notification.ts';
import { labelsText } from '../routing/tree.ts';
import type { OutboxEntry } from '../store/outbox.ts';
import type { Notification, ShownAlert } from './channel.ts';
import { printable } from './text.ts';

/** Alerts of a group that are told in full; the others are numbers, and labels for programs. */
const MAX_SHOWN = 20;

const shownOf = ({ firing, resolved }: GroupNotification): readonly ToldAlert[] =>
  [...firing, ...resolved].slice(0, MAX_SHOWN);

/** Ids of the stored alerts that are needed to show a group. */
export const samplesOf = (group: GroupNotification): string[] =>
  shownOf(group).flatMap(({ samples }) => samples.slice(-1));

/** Those that are told in full. */
export const shownAlerts = (
  group: GroupNotification,
  samples: ReadonlyMap<string, StoredAlert>,
): ShownAlert[] => shownOf(group).map((alert) => shown(alert, samples));

/** The notification of a group. */
export function composeGroup(
  channel: string,
  entry: OutboxEntry,
  group: GroupNotification,
  samples: ReadonlyMap<string, StoredAlert>,
  repeated: boolean,
): Notification {
  const alerts = shownAlerts(group, samples);
  return {
    id: entry.id,
    channel,
    time: new Date(entry.time).toISOString(),
    alerts,
    held: othersOf(group, alerts.length),
    group,
    test: false,
    ...(repeated && { repeated }),
  };
}

/**
 * Updates of one group that waited, oldest first, as one: what the last of them says, and of what is no longer in it, what was said
 * last. Undefined when there is none.
 */
export function mergeGroups(updates: readonly GroupNotification[]): GroupNotification | undefined {
  const newest = updates.at(-1);
  if (!newest || updates.length === 1) return newest;
  const last = new Map<string, ToldAlert>();
  for (const { firing, resolved } of updates) {
    for (const alert of [...resolved, ...firing]) last.set(labelsText(alert.labels), alert);
  }
  const inNewest = new Set(
    [...newest.firing, ...newest.resolved].map((alert) => labelsText(alert.labels)),
  );
  const gone = [...last].flatMap(([text, alert]) => (inNewest.has(text) ? [] : [alert]));
  const firing = gone.filter(({ ends_at }) => ends_at === null);
  const resolved = gone.filter(({ ends_at }) => ends_at !== null);
  return {
    ...newest,
    firing: [...newest.firing, ...firing],
    resolved: [...newest.resolved, ...resolved],
    counts: {
      firing: newest.counts.firing + firing.length,
      resolved: newest.counts.resolved + resolved.length,
      held: newest.counts.held,
      seen: newest.counts.seen + gone.reduce((sum, { count }) => sum + count, 0),
    },
    ...(updates.some(({ urgent }) => urgent) && { urgent: true }),
    waited: updates.slice(0, -1).map(({ reason }) => reason),
  };
}

/** What of the group is told as a number. */
function othersOf(
  { firing, resolved, counts }: GroupNotification,
  shown: number,
): Notification['held'] {
  const byRule = new Map<string, number>();
  for (const { labels } of [...firing, ...resolved].slice(shown)) {
    const rule = ruleOf(labels);
    byRule.set(rule, (byRule.get(rule) ?? 0) + 1);
  }
  const unnamed = counts.firing + counts.resolved - firing.length - resolved.length;
  if (unnamed > 0) byRule.set('(other alerts)', unnamed);
  return {
    count: counts.firing + counts.resolved - shown,
    byRule: [...byRule]
      .map(([rule, count]) => ({ rule, count }))
      .sort((a, b) => b.count - a.count || (a.rule < b.rule ? -1 : 1)),
  };
}

const ruleOf = (labels: ToldAlert['labels']): string =>
  labels['rule'] ?? labels['alertname'] ?? 'alert';

function shown(told: ToldAlert, samples: ReadonlyMap<string, StoredAlert>): ShownAlert {
  const { labels, count, starts_at, ends_at, last_seen } = told;
  const sample = samples.get(told.samples.at(-1) ?? '');
  const known = {
    status: ends_at === null ? ('firing' as const) : ('resolved' as const),
    count,
    first_seen: new Date(starts_at).toISOString(),
    last_seen: new Date(last_seen).toISOString(),
  };
  if (sample) return { ...sample, ...known };
  const text = labelsText(labels);
  const fingerprint = createHash('sha256').update(text).digest('hex').slice(0, 32);
  return {
    id: fingerprint.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
    time: known.first_seen,
    rule: ruleOf(labels),
    priority: priorityOf(labels),
    source: labels['source'] ?? 'alertmanager',
    output: text,
    output_fields: { ...labels },
    hostname: labels['hostname'] ?? labels['instance'] ?? 'unknown',
    tags: labels['tags']?.split(',') ?? [],
    fingerprint,
    agent: labels['agent'] ?? '',
    ...known,
  };
}

const priorityOf = (labels: ToldAlert['labels']): Priority =>
  parsePriority(labels['priority'] ?? '') ?? parsePriority(labels['severity'] ?? '') ?? 'Notice';

/** What services that fold messages know a group by: the same in all its notifications, and of letters and digits. */
export const incidentKey = ({ key }: GroupNotification): string =>
  `tocsin-${createHash('sha256').update(key).digest('hex')}`;

const MAX_LABELS = 160;

/** `2 firing, 1 resolved`; what there is none of is left out. */
export const describeCounts = ({ counts: { firing, resolved } }: GroupNotification): string =>
  [firing > 0 ? `${firing} firing` : '', resolved > 0 ? `${resolved} resolved` : '']
    .filter((text) => text !== '')
    .join(', ');

/** What a group says in one line, escaped for people: `2 firing, 1 resolved (new alerts) in {cluster="a"}`; empty without a group. */
export function describeGroup({ group }: Notification, max = 300): string {
  if (!group) return '';
  const labels = Object.keys(group.labels).length > 0 ? ` in ${labelsText(group.labels)}` : '';
  const top = (group.top ?? []).map(({ rule, count }) => `${count} × ${printable(rule, 60)}`);
  const most = top.length > 0 ? `; most of them ${top.join(', ')}` : '';
  const waited = group.waited ? `; ${group.waited.length} updates that waited are in it` : '';
  const text = `${describeCounts(group)} (${group.reason}${waited})${printable(labels, MAX_LABELS)}${most}`;
  return printable(text, max);
}
