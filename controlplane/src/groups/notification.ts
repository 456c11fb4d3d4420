/** From alerts of a group to what is told of them. Pure. */
import { isAtLeast, parsePriority } from '@tocsin/openapi';
import type { ToldAlert } from '../routing/notification.ts';
import type { Labels } from '../routing/types.ts';
import type { ActiveAlert } from '../store/groups.ts';

/** Whether an alert is one that nothing less severe may keep waiting. */
export function isUrgent(labels: Labels): boolean {
  const priority = parsePriority(labels['priority'] ?? labels['severity'] ?? '');
  return priority !== undefined && isAtLeast(priority, 'Critical');
}

/** Alerts that are told in full in one notification. */
export const MAX_TOLD = 1000;
const TOP = 10;

/** An alert as it is told. */
export const told = (alert: ActiveAlert, now: number): ToldAlert => ({
  labels: alert.labels,
  starts_at: alert.startsAt,
  ends_at: alert.endsAt <= now ? alert.endsAt : null,
  count: alert.count,
  last_seen: alert.lastSeen,
  samples: alert.samples,
});

/** What an alert is counted by. */
export const ruleOf = (labels: Labels): string =>
  labels['rule'] || labels['alertname'] || '(no rule)';

/** What there was most of, by rule. */
export function topOf(alerts: readonly ActiveAlert[]): { rule: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const { labels, count } of alerts) {
    const rule = ruleOf(labels);
    counts.set(rule, (counts.get(rule) ?? 0) + count);
  }
  return [...counts]
    .map(([rule, count]) => ({ rule, count }))
    .sort((a, b) => b.count - a.count || (a.rule < b.rule ? -1 : 1))
    .slice(0, TOP);
}
