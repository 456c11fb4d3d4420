import type { Redis } from 'ioredis';
import { type DeliveryQueue, openQueue, wakeChannels } from '../delivery/queue.ts';

/**
 * Wakes the workers of channels that got entries. A wake-up is a hint: the entries are safe in their lanes, and the sweeper finds a
 * channel whose wake-up was lost. So there is at most one call under way for each channel, and failures only count.
 */
export class LaneWaker {
  readonly #queue: DeliveryQueue;
  readonly #underWay = new Map<string, 'once' | 'again'>();
  #failures = 0;
  #here: (channel: string) => boolean = () => false;

  constructor(redis: Redis) {
    this.#queue = openQueue(redis);
    this.#queue.on('error', () => {
      this.#failures++;
    });
  }

  /** Wake-ups that Redis did not take. */
  get failures(): number {
    return this.#failures;
  }

  /** Workers of this process are told at once; the way through Redis is for those of others, when these have too much to do. */
  tellHere(wake: (channel: string) => boolean): void {
    this.#here = wake;
  }

  /** Returns at once. */
  wake(channels: readonly string[]): void {
    for (const channel of channels) {
      if (this.#here(channel)) continue;
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
        await wakeChannels(this.#queue, [channel]);
      } catch {
        this.#failures++;
      }
    } while (this.#underWay.get(channel) === 'again');
    this.#underWay.delete(channel);
  }
}
