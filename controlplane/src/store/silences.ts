/** Silences in Redis. */
import type { Redis } from 'ioredis';
import { silencesKey, silencesVersionKey } from './keys.ts';

/** A silence as it is stored; times are ms since the epoch. */
export interface StoredSilence {
  readonly id: string;
  /** Matchers as text: sets of which one must fit wholly. */
  readonly matchers: readonly (readonly string[])[];
  readonly starts_at: number;
  readonly ends_at: number;
  readonly created_by: string;
  readonly comment: string;
  readonly updated_at: number;
}

/** Silences are kept for so long after their end. */
export const SILENCE_RETENTION_MS = 5 * 86_400_000;

export class SilenceStore {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** Raised by each change. */
  async version(): Promise<string> {
    return (await this.#redis.get(silencesVersionKey)) ?? '0';
  }

  async all(): Promise<StoredSilence[]> {
    const texts = await this.#redis.hvals(silencesKey);
    return texts.map((text) => JSON.parse(text) as StoredSilence);
  }

  async get(id: string): Promise<StoredSilence | undefined> {
    const text = await this.#redis.hget(silencesKey, id);
    return text === null ? undefined : (JSON.parse(text) as StoredSilence);
  }

  /** Writes silences, new or changed, all or none. */
  async put(silences: readonly StoredSilence[]): Promise<void> {
    if (silences.length === 0) return;
    const pairs = silences.flatMap((silence) => [silence.id, JSON.stringify(silence)]);
    await this.#redis
      .multi()
      .hset(silencesKey, ...pairs)
      .incr(silencesVersionKey)
      .exec();
  }

  /** Forgets silences that ended long ago. */
  async remove(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#redis.hdel(silencesKey, ...ids);
  }
}
