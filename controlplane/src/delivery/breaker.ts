/** When a channel as a whole is taken for broken, and when it is tried again. Pure: clock and chance are passed in. */
import type { Outcome } from './channel.ts';
import { MENDABLE } from './policy.ts';

/** What is remembered of a channel between sends. */
export interface Breaker {
  /** Failures since the last success. */
  readonly failures: number;
  /** How often it was opened since the last success; with any, one send at a time is tried. */
  readonly opens: number;
  /** No send before this time, ms. */
  readonly openUntil: number;
}

export interface BreakerPolicy {
  /** Failures in a row that open it; what only a person can mend opens it at once. */
  readonly failures: number;
  /** The longest pause after it was opened; it doubles with each probe that fails. */
  readonly firstMs: number;
  readonly mostMs: number;
}

export const CLOSED: Breaker = { failures: 0, opens: 0, openUntil: 0 };

export const DEFAULT_BREAKER: BreakerPolicy = { failures: 5, firstMs: 5000, mostMs: 60_000 };

/** The breaker after an attempt; the same one when the attempt tells nothing about the channel. */
export function judge(
  breaker: Breaker,
  outcome: Outcome,
  policy: BreakerPolicy,
  now: number,
  random: () => number,
): Breaker {
  // Somebody answered: that one notification was refused does not make a channel broken.
  const answered = outcome.result === 'permanent' && !MENDABLE.has(outcome.reason);
  if (outcome.result === 'ok' || answered)
    return breaker.failures + breaker.opens > 0 ? CLOSED : breaker;
  const asked = outcome.result !== 'permanent' && outcome.retryAfterMs !== undefined;
  if (outcome.reason === 'aborted' || outcome.reason === 'rate_limited' || asked) return breaker;
  // Begun before it was opened.
  if (breaker.openUntil > now) return breaker;
  const failures = breaker.failures + 1;
  const opens = breaker.opens > 0 || failures >= policy.failures || outcome.result === 'permanent';
  if (!opens) return { ...breaker, failures };
  const longest = Math.min(policy.mostMs, policy.firstMs * 2 ** Math.min(breaker.opens, 30));
  const openUntil = now + Math.round(longest * (0.5 + random() / 2));
  return { failures, opens: breaker.opens + 1, openUntil };
}
