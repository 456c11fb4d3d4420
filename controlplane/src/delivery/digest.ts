import type { Notification } from './channel.ts';
import { printable } from './text.ts';

const MAX_RULES_NAMED = 10;

/** What is told as a number only, as one sentence; empty when nothing is. */
export function describeHeld(held: Notification['held']): string {
  if (held.count === 0) return '';
  const named = held.byRule
    .slice(0, MAX_RULES_NAMED)
    .map(({ rule, count }) => `${count} × ${printable(rule, 80)}`);
  const others = held.byRule.length - named.length;
  if (others > 0) named.push(`${others} more rules`);
  const breakdown = named.length > 0 ? ` (${named.join(', ')})` : '';
  return `+${held.count} more held back${breakdown}`;
}
