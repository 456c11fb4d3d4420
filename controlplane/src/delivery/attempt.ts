/**
 * The memory of the notification at the head of a lane, so that any worker goes on where another stopped. It is written before a
 * send: the entries that make up the notification stay the same under its id whatever is queued behind them, and a worker that was
 * killed in mid-send is known to have left the outcome open.
 */
import type { Redis } from 'ioredis';
import { laneKeys } from '../store/keys.ts';

export interface Attempt {
  /** Id of the first entry: a memory of another head is void. */
  readonly head: string;
  /** How many entries the notification tells. */
  readonly count: number;
  /** Attempts that failed; waiting because the provider said so is none. */
  readonly failures: number;
  /** When it was first tried, ms since the epoch. */
  readonly since: number;
  /** When it is tried again, ms since the epoch. */
  readonly next: number;
  /** A send is under way, or its worker was killed. */
  readonly sending: boolean;
  /** An earlier attempt may have been received. */
  readonly repeated: boolean;
}

/** Longer than anything is tried. */
const KEPT_SECONDS = 7 * 86_400;

/** The attempt at `head`, or undefined when it was not tried yet. */
export async function readAttempt(redis: Redis, channel: string): Promise<Attempt | undefined> {
  const text = await redis.get(laneKeys(channel).attempt);
  return text === null ? undefined : (JSON.parse(text) as Attempt);
}

export async function writeAttempt(redis: Redis, channel: string, attempt: Attempt): Promise<void> {
  await redis.set(laneKeys(channel).attempt, JSON.stringify(attempt), 'EX', KEPT_SECONDS);
}
