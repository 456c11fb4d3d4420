/**
 * The channels that this process drains, each once at a time. A wake-up that comes while its channel is drained is kept. When to come
 * back is remembered here only as a hint: the due times are in Redis, and the sweeper of any process finds them.
 */
import type { Drained, Turn } from './drain.ts';

export interface DrainsParts {
  readonly drain: (channel: string, turn: Turn) => Promise<Drained>;
  readonly onProblem: (error: unknown) => void;
}

/** Channels that are drained at a time, so that Redis and this process keep up. */
const MOST = 64;
/** A channel that takes longer waits for somebody else's answer, and lets another begin beside it. */
const SLOT_MS = 1000;
/** The longest that a hint waits, ms. */
const LATEST_MS = 60_000;

export class Drains {
  readonly #parts: DrainsParts;
  /** What is drained. */
  readonly #running = new Map<string, { readonly turn: Turn; readonly done: Promise<void> }>();
  /** Those that began lately. */
  readonly #slots = new Map<string, NodeJS.Timeout>();
  readonly #waiting = new Set<string>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #stopped = false;

  constructor(parts: DrainsParts) {
    this.#parts = parts;
  }

  /** Drains a channel; returns at once. False when others do so earlier, if there are any. */
  wake(channel: string): boolean {
    if (this.#stopped) return false;
    const turn = this.#running.get(channel)?.turn;
    if (turn) {
      turn.again = true;
      turn.look?.();
      return true;
    }
    if (this.#slots.size >= MOST) {
      this.#waiting.add(channel);
      return false;
    }
    this.#start(channel);
    return true;
  }

  /** Begins nothing more; resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of [...this.#timers.values(), ...this.#slots.values()]) clearTimeout(timer);
    await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  #start(channel: string): void {
    clearTimeout(this.#timers.get(channel));
    this.#timers.delete(channel);
    const turn: Turn = { again: false };
    const done = this.#parts.drain(channel, turn).then(
      (drained) => this.#ended(channel, drained),
      (error: unknown) => {
        this.#parts.onProblem(error);
        // The sweeper comes back to it.
        this.#ended(channel, { next: 'idle' });
      },
    );
    this.#running.set(channel, { turn, done });
    this.#slots.set(channel, setTimeout(() => this.#free(channel), SLOT_MS).unref());
  }

  /** Lets the next begin. */
  #free(channel: string): void {
    clearTimeout(this.#slots.get(channel));
    if (!this.#slots.delete(channel)) return;
    const [next] = this.#waiting;
    if (next === undefined) return;
    this.#waiting.delete(next);
    this.wake(next);
  }

  #ended(channel: string, drained: Drained): void {
    const again = this.#running.get(channel)?.turn.again;
    this.#running.delete(channel);
    if (drained.next === 'later') this.#comeBack(channel, drained.at);
    this.#free(channel);
    if (again) this.wake(channel);
  }

  #comeBack(channel: string, at: number): void {
    if (this.#stopped) return;
    const ms = Math.min(LATEST_MS, Math.max(0, at - Date.now()));
    const timer = setTimeout(() => {
      this.#timers.delete(channel);
      this.wake(channel);
    }, ms);
    this.#timers.set(channel, timer.unref());
  }
}
