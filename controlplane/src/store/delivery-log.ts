/** What a channel was sent lately, and sums over all attempts. */
import type { Redis } from 'ioredis';
import { channelKeys } from './keys.ts';

/** One attempt. */
export interface LoggedAttempt {
  readonly notification: string;
  /** When it ended, ms since the epoch. */
  readonly time: number;
  readonly ms: number;
  readonly result: string;
  readonly reason?: string;
  readonly detail: string;
  /** Entries that it told together. */
  readonly entries: number;
  /** How many failed before it. */
  readonly failures: number;
  /** It may have been told before. */
  readonly repeated: boolean;
  /** What follows: `done`, `again`, `dead_lettered`. */
  readonly next: string;
}

export interface DeliveryStatistics {
  readonly attempts: readonly {
    readonly result: string;
    readonly reason: string | null;
    readonly count: number;
  }[];
  /** ms since the epoch. */
  readonly lastOk: number | undefined;
  readonly lastFailure: number | undefined;
}

/** Name under which an attempt is counted. */
export const resultKey = (result: string, reason = ''): string => `${result} ${reason}`;

/** Newest first. */
export async function readDeliveryLog(
  redis: Redis,
  channel: string,
  limit: number,
): Promise<LoggedAttempt[]> {
  const lines = await redis.lrange(channelKeys(channel).log, 0, limit - 1);
  return lines.map((line) => JSON.parse(line) as LoggedAttempt);
}

export async function readStatistics(redis: Redis, channel: string): Promise<DeliveryStatistics> {
  const { last_ok, last_failure, ...counts } = await redis.hgetall(channelKeys(channel).stats);
  const attempts = Object.entries(counts).map(([key, count]) => {
    const [result = '', reason] = key.split(' ');
    return { result, reason: reason || null, count: Number(count) };
  });
  attempts.sort((a, b) => b.count - a.count);
  return {
    attempts,
    lastOk: last_ok === undefined ? undefined : Number(last_ok),
    lastFailure: last_failure === undefined ? undefined : Number(last_failure),
  };
}
