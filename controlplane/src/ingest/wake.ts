import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { DELIVERIES_QUEUE, QUEUE_PREFIX } from '../store/keys.ts';

/** What a job of the deliveries queue carries: only the name of the lane to drain. */
export interface DrainJob {
  readonly channel: string;
}

/**
 * Wakes the workers of lanes that got entries. A wake-up is a hint: the entries are safe in their lane, and the sweeper finds a lane
 * whose wake-up was lost. So there is at most one call under way for each lane, and failures only count.
 */
export class LaneWaker {
  readonly #queue: Queue<DrainJob>;
  readonly #underWay = new Map<string, 'once' | 'again'>();
  #failures = 0;

  constructor(redis: Redis) {
    this.#queue = new Queue<DrainJob>(DELIVERIES_QUEUE, {
      connection: redis,
      prefix: QUEUE_PREFIX,
      defaultJobOptions: { removeOnComplete: { count: 100 }, removeOnFail: { count: 100 } },
    });
    this.#queue.on('error', () => {
      this.#failures++;
    });
  }

  /** Wake-ups that Redis did not take. */
  get failures(): number {
    return this.#failures;
  }

  /** Returns at once. */
  wake(channels: readonly string[]): void {
    for (const channel of channels) {
      if (this.#underWay.has(channel)) this.#underWay.set(channel, 'again');
      else void this.#add(channel);
    }
  }

  async close(): Promise<void> {
    await this.#queue.close();
  }

  async #add(channel: string): Promise<void> {
    do {
      this.#underWay.set(channel, 'once');
      try {
        await this.#queue.add(
          'drain',
          { channel },
          { deduplication: { id: channel, keepLastIfActive: true } },
        );
      } catch {
        this.#failures++;
      }
    } while (this.#underWay.get(channel) === 'again');
    this.#underWay.delete(channel);
  }
}
