/** Notifications that were given up, by channel, until they are sent again, thrown away or expire. */
import type { Redis } from 'ioredis';
import {
  channelKeys,
  fatePrefix,
  laneKeys,
  lanesKey,
  outcomesKey,
  outcomesPrefix,
} from './keys.ts';
import { alertsOf, type OutboxEntry } from './outbox.ts';
import { loadScript, runScript } from './scripts.ts';

export interface DeadLetter {
  /** When it was given up, ms since the epoch. */
  readonly time: number;
  readonly lane: string;
  readonly reason: string;
  readonly detail: string;
  /** It may have been told. */
  readonly repeated: boolean;
  readonly entry: OutboxEntry;
}

/** All given ones must fit. Times are ms. */
export interface LetterFilter {
  readonly ids?: readonly string[] | undefined;
  readonly reason?: string | undefined;
  /** One of its alerts is of this rule. */
  readonly rule?: string | undefined;
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

const PAGE = 200;
const redriveScript = loadScript('redrive', 'groups');
const discardScript = loadScript('discard-letters');

export class DeadLetters {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  count(channel: string): Promise<number> {
    return this.#redis.zcard(channelKeys(channel).letters);
  }

  async get(channel: string, id: string): Promise<DeadLetter | undefined> {
    const text = await this.#redis.hget(channelKeys(channel).letter, id);
    return text === null ? undefined : (JSON.parse(text) as DeadLetter);
  }

  /** Newest first, from the `offset`th that fits. */
  async list(
    channel: string,
    filter: LetterFilter,
    limit: number,
    offset = 0,
  ): Promise<DeadLetter[]> {
    const found: DeadLetter[] = [];
    let skipped = 0;
    for await (const letter of this.#all(channel, filter)) {
      if (skipped < offset) skipped++;
      else found.push(letter);
      if (found.length === limit) break;
    }
    return found;
  }

  /** Puts those that fit, but at most `limit`, back into their lanes, in the order in which they were decided. Returns how many. */
  async redrive(channel: string, filter: LetterFilter, limit: number): Promise<number> {
    const letters = await this.list(channel, filter, limit);
    letters.sort((a, b) => a.entry.time - b.entry.time);
    const byLane = new Map<string, DeadLetter[]>();
    for (const letter of letters) {
      const lane = byLane.get(letter.lane);
      if (lane) lane.push(letter);
      else byLane.set(letter.lane, [letter]);
    }
    let count = 0;
    for (const [lane, own] of byLane)
      for (let from = 0; from < own.length; from += PAGE)
        count += await this.#putBack(channel, lane, own.slice(from, from + PAGE));
    return count;
  }

  /** Forgets those that fit, but at most `limit`. Returns how many. */
  async discard(channel: string, filter: LetterFilter, limit: number): Promise<number> {
    const letters = await this.list(channel, filter, limit);
    return this.#forget(
      channel,
      'dead_letters_discarded',
      letters.map(({ entry }) => entry.id),
    );
  }

  /** Forgets those that were given up before a time, some hundreds at most. Returns how many. */
  async expire(channel: string, before: number): Promise<number> {
    const { letters } = channelKeys(channel);
    const ids = await this.#redis.zrangebyscore(letters, '-inf', before, 'LIMIT', 0, PAGE);
    return this.#forget(channel, 'dead_letters_expired', ids);
  }

  async #putBack(channel: string, lane: string, letters: readonly DeadLetter[]): Promise<number> {
    const { letters: times, letter, ledger, ready } = channelKeys(channel);
    const keys = [times, letter, ledger, outcomesKey, lanesKey, ready, laneKeys(lane).entries];
    const args = letters.flatMap(({ entry, repeated }) => [
      entry.id,
      JSON.stringify({ ...entry, ...(repeated && { repeated }) }),
      alertsOf(entry),
    ]);
    return (await runScript(this.#redis, redriveScript, keys, [
      ...[channel, lane, outcomesPrefix, fatePrefix],
      ...args,
    ])) as number;
  }

  async #forget(channel: string, counter: string, ids: readonly string[]): Promise<number> {
    const { letters, letter, ledger } = channelKeys(channel);
    let count = 0;
    for (let from = 0; from < ids.length; from += PAGE) {
      const args = [counter, ...ids.slice(from, from + PAGE)];
      const keys = [letters, letter, ledger];
      count += (await runScript(this.#redis, discardScript, keys, args)) as number;
    }
    return count;
  }

  async *#all(channel: string, filter: LetterFilter): AsyncGenerator<DeadLetter> {
    const { letters, letter } = channelKeys(channel);
    const { ids, since = '-inf', until = '+inf' } = filter;
    const all = ids ?? (await this.#redis.zrevrangebyscore(letters, until, since));
    for (let from = 0; from < all.length; from += PAGE) {
      const texts = await this.#redis.hmget(letter, ...all.slice(from, from + PAGE));
      for (const text of texts) {
        const one = text ? (JSON.parse(text) as DeadLetter) : undefined;
        if (one && fits(one, filter)) yield one;
      }
    }
  }
}

function fits({ time, reason, entry }: DeadLetter, filter: LetterFilter): boolean {
  return (
    (filter.reason === undefined || reason === filter.reason) &&
    (filter.rule === undefined || rulesOf(entry).includes(filter.rule)) &&
    time >= (filter.since ?? time) &&
    time <= (filter.until ?? time)
  );
}

/** Rules of the alerts that an entry names. */
export function rulesOf({ rule, notice, group, held = [] }: OutboxEntry): string[] {
  const grouped = [...(group?.firing ?? []), ...(group?.resolved ?? [])];
  return [
    ...new Set([
      ...(rule === undefined ? [] : [rule]),
      ...(notice ? [notice.rule] : []),
      ...grouped.flatMap(({ labels }) => labels['rule'] ?? labels['alertname'] ?? []),
      ...held.map(([name]) => name),
    ]),
  ];
}
