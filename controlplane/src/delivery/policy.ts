/** What follows from the outcome of an attempt. Pure: clock and chance are passed in. */
import type { FailureReason, Outcome } from './channel.ts';

export interface RetryPolicy {
  /** The longest pause after the first failure; it doubles with each further one. */
  readonly firstMs: number;
  readonly mostMs: number;
  /** A notification that could not be delivered for this long is given up. */
  readonly patienceMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = {
  firstMs: 2000,
  mostMs: 15 * 60_000,
  patienceMs: 24 * 3_600_000,
};

/** Faults that the attempt cannot outlast but a person can mend: nothing is given up at once because a token ran out at night. */
export const MENDABLE: ReadonlySet<FailureReason> = new Set(['auth', 'configuration', 'blocked']);

/** The least pause a provider can ask for, so that `Retry-After: 0` does not become a busy loop. */
const LEAST_PAUSE_MS = 500;

export type Decision =
  | { readonly next: 'done' }
  | { readonly next: 'give up'; readonly reason: FailureReason; readonly detail: string }
  | {
      readonly next: 'again';
      readonly at: number;
      readonly failures: number;
      /** The provider wants nothing more until then: all lanes of the channel wait. */
      readonly quiet?: true;
    };

/** Decides about a notification first tried at `since` with `failures` failed attempts before this one. */
export function decide(
  outcome: Outcome,
  { since, failures }: { readonly since: number; readonly failures: number },
  policy: RetryPolicy,
  now: number,
  random: () => number,
): Decision {
  if (outcome.result === 'ok') return { next: 'done' };
  const { reason, detail } = outcome;
  if (outcome.result === 'permanent' && !MENDABLE.has(reason))
    return { next: 'give up', reason, detail };
  // A stop of ours says nothing about the receiver.
  if (reason === 'aborted') return { next: 'again', at: now, failures };
  if (now - since >= policy.patienceMs) {
    return { next: 'give up', reason, detail: `given up after ${hours(now - since)}: ${detail}` };
  }
  if (outcome.result !== 'permanent' && outcome.retryAfterMs !== undefined) {
    const at = now + Math.max(outcome.retryAfterMs, LEAST_PAUSE_MS);
    return { next: 'again', at, failures, quiet: true };
  }
  const at = now + pauseMs(failures, policy, random);
  const quiet = reason === 'rate_limited';
  return { next: 'again', at, failures: failures + 1, ...(quiet && { quiet }) };
}

/** Half of the pause is certain and half is chance, so that lanes that failed together do not come back together. */
function pauseMs(failures: number, { firstMs, mostMs }: RetryPolicy, random: () => number): number {
  const longest = Math.min(mostMs, firstMs * 2 ** Math.min(failures, 30));
  return Math.round(longest * (0.5 + random() / 2));
}

const hours = (ms: number): string =>
  ms >= 3_600_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 1000)} s`;
