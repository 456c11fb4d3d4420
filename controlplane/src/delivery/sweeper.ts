/** Finds what no event will: channels whose wake-up was lost, held counters that have become due, dead letters that expire. */
import type { Channel } from '@tocsin/openapi';
import type { Outbox } from '../store/outbox.ts';

export interface SweeperParts {
  readonly outbox: Pick<Outbox, 'lanesWithWork' | 'lanesWithHeld' | 'takeHeld'>;
  readonly channels: { get(name: string): Channel | undefined };
  readonly wake: (channels: readonly string[]) => void;
  readonly onProblem: (error: unknown) => void;
  /** Between two looks for held counters, ms; lanes and dead letters are looked at less often. */
  readonly everyMs: number;
  /** Throws away what was given up too long ago. */
  readonly expireLetters: () => Promise<void>;
}

const LANES_EVERY = 5;
const EXPIRE_EVERY = 60;

export class Sweeper {
  readonly #parts: SweeperParts;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #looks = 0;
  #stopped = false;

  constructor(parts: SweeperParts) {
    this.#parts = parts;
  }

  /** Looks at once and then again and again, one look at a time. */
  start(): void {
    this.#running = this.#look().finally(() => {
      if (!this.#stopped) this.#timer = setTimeout(() => this.start(), this.#parts.everyMs);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #look(): Promise<void> {
    try {
      await this.#tellHeld();
      if (this.#looks % LANES_EVERY === 0) await this.#wakeLanes();
      if (this.#looks++ % EXPIRE_EVERY === 0) await this.#parts.expireLetters();
    } catch (error) {
      this.#parts.onProblem(error);
    }
  }

  async #tellHeld(): Promise<void> {
    const { outbox, channels, wake } = this.#parts;
    for (const name of await outbox.lanesWithHeld()) {
      const channel = channels.get(name);
      if (channel && (await outbox.takeHeld(channel)) > 0) wake([name]);
    }
  }

  async #wakeLanes(): Promise<void> {
    const { outbox, channels, wake } = this.#parts;
    const lanes = await outbox.lanesWithWork();
    wake(lanes.filter((name) => channels.get(name) !== undefined));
  }
}
