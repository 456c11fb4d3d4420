import type { Notification, ShownAlert } from './channel.ts';
import { printable } from './text.ts';

const MAX_RULES_NAMED = 10;

/** Whether something is told as a number only. */
export const isHeld = ({ count, ended = 0 }: Notification['held']): boolean => count + ended > 0;

/** `37 alerts, 4 ended`. */
export function countHeld({ count, ended = 0 }: Notification['held']): string {
  const alerts = `${count} ${count === 1 ? 'alert' : 'alerts'}`;
  if (count === 0) return `what ended: ${ended}`;
  return ended > 0 ? `${alerts}, ${ended} ended` : alerts;
}

/** What is told as a number only, as one sentence; empty when nothing is. */
export function describeHeld(held: Notification['held']): string {
  if (!isHeld(held)) return '';
  const named = held.byRule
    .slice(0, MAX_RULES_NAMED)
    .map(({ rule, count }) => `${count} × ${printable(rule, 80)}`);
  const others = held.byRule.length - named.length;
  if (others > 0) named.push(`${others} more rules`);
  const breakdown = named.length > 0 ? ` (${named.join(', ')})` : '';
  if (held.digest) return `Digest of ${countHeld(held)}${breakdown}`;
  const ended = held.ended ? `, ${held.ended} ended` : '';
  return `+${held.count} more held back${ended}${breakdown}`;
}

/** What machines are told of a notification: its alerts, and one more of source `internal` when others are told as a number only. */
export function toldAlerts({ id, time, alerts, held }: Notification): readonly ShownAlert[] {
  if (!isHeld(held)) return alerts;
  const digest: ShownAlert = {
    id,
    time,
    rule: held.digest ? 'Digest' : 'Notifications held back',
    priority: 'Notice',
    source: 'internal',
    output: describeHeld(held),
    output_fields: {
      count: held.count,
      by_rule: held.byRule,
      ...(held.ended && { ended: held.ended }),
    },
    hostname: 'tocsin',
    tags: [],
    fingerprint: 'held',
    agent: 'tocsin',
    count: held.count,
    first_seen: time,
    last_seen: time,
  };
  return [...alerts, digest];
}
