/** From the head of a lane to one notification. Pure: what is read from Redis is passed in. */
import type { StoredAlert } from '@tocsin/openapi';
import type { OutboxEntry } from '../store/outbox.ts';
import type { Notification } from './channel.ts';
import { composeGroup, mergeGroups, shownAlerts } from './grouped.ts';

/** Alerts one notification tells at most; a longer lane is told in several. */
export const MAX_BATCH = 20;
/** About how large the alerts of one notification get, in characters of JSON; a single alert may be larger. */
const MAX_BATCH_CHARACTERS = 256 * 1024;

/** How many entries of the head are told together. `alerts` are theirs, undefined where none is stored any more. */
export function batchSize(alerts: readonly (StoredAlert | undefined)[]): number {
  let characters = 0;
  for (const [index, alert] of alerts.slice(0, MAX_BATCH).entries()) {
    characters += alert ? JSON.stringify(alert).length : 0;
    if (index > 0 && characters > MAX_BATCH_CHARACTERS) return index;
  }
  return Math.min(alerts.length, MAX_BATCH);
}

/** Alerts that updates of a group name when they are told together; a single update may name more. */
const MAX_NAMED = 1000;

/** How many entries of the head can be told together at all: what is in no group, alerts told apart, or updates of a group that name all they count. */
export function together(head: readonly OutboxEntry[]): number {
  const [first] = head;
  if (first?.notice || first?.digest) return 1;
  if (first?.apart) {
    const other = head.findIndex(({ apart }) => !apart);
    return other < 0 ? head.length : other;
  }
  if (!first?.group) {
    const other = head.findIndex(
      ({ group, notice, digest }) => group !== undefined || notice !== undefined || digest,
    );
    return other < 0 ? head.length : other;
  }
  let named = 0;
  const end = head.findIndex(({ group, apart }) => {
    if (!group || apart) return true;
    const { firing, resolved, counts } = group;
    named += firing.length + resolved.length;
    return named > MAX_NAMED || counts.firing + counts.resolved > firing.length + resolved.length;
  });
  return end < 0 ? head.length : Math.max(1, end);
}

/** One notification of these entries; undefined when there is nothing to tell. Its id is that of the first. */
export function compose(
  channel: string,
  entries: readonly OutboxEntry[],
  alerts: readonly (StoredAlert | undefined)[],
  repeated: boolean,
  samples: ReadonlyMap<string, StoredAlert> = new Map(),
): Notification | undefined {
  const [first] = entries;
  if (first?.notice) {
    const time = new Date(first.time).toISOString();
    const held = { count: 0, byRule: [] };
    return { id: first.id, channel, time, alerts: [first.notice], held, test: false };
  }
  if (first?.group && first.apart && entries.length > 1) {
    const { group: _, ...whole } = composeGroup(channel, first, first.group, samples, repeated);
    const alerts = entries.flatMap(({ group }) => (group ? shownAlerts(group, samples) : []));
    return { ...whole, alerts };
  }
  const updates = entries.flatMap(({ group }) => group ?? []);
  const group = mergeGroups(updates);
  if (first && group) return composeGroup(channel, first, group, samples, repeated);
  const stored = alerts.filter((alert) => alert !== undefined);
  const held = sumHeld(entries, alerts);
  if (!first || (stored.length === 0 && held.count === 0 && !held.ended)) return undefined;
  return {
    id: first.id,
    channel,
    time: new Date(first.time).toISOString(),
    alerts: stored,
    held,
    test: false,
    ...(repeated && { repeated }),
  };
}

/** Entries whose alert is not stored any more: they are told as a number. */
export const unstored = (
  entries: readonly OutboxEntry[],
  alerts: readonly (StoredAlert | undefined)[],
): OutboxEntry[] =>
  entries.filter(({ alert }, index) => alert !== undefined && alerts[index] === undefined);

function sumHeld(
  entries: readonly OutboxEntry[],
  alerts: readonly (StoredAlert | undefined)[],
): Notification['held'] {
  const counts = new Map<string, number>();
  const add = (rule: string, count: number) => counts.set(rule, (counts.get(rule) ?? 0) + count);
  for (const [rule, count] of entries.flatMap(({ held }) => held ?? [])) add(rule, count);
  for (const { rule = '(unknown rule)' } of unstored(entries, alerts)) add(rule, 1);
  const byRule = [...counts]
    .map(([rule, count]) => ({ rule, count }))
    .sort((a, b) => b.count - a.count || (a.rule < b.rule ? -1 : 1));
  const ended = entries.reduce((sum, entry) => sum + (entry.ended ?? 0), 0);
  return {
    count: byRule.reduce((sum, { count }) => sum + count, 0),
    byRule,
    ...(entries.some(({ digest }) => digest) && { digest: true }),
    ...(ended > 0 && { ended }),
  };
}
