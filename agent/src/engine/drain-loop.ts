import { KernelEvent } from '../events/kernel-event.ts';
import type { Probe } from '../probe/probe.ts';
import { forEachRecord } from '../probe/records.ts';

export interface DrainOptions {
  /** Shortest and longest wait between looks at the ring while records come, ms. */
  readonly minimumWaitMs?: number;
  readonly maximumWaitMs?: number;
  /** After the longest wait without one the ring tells of the next; it is looked at so often even so, ms. */
  readonly idleWaitMs?: number;
  /** After this time timers and messages have their turn before the next span, ms. */
  readonly budgetMs?: number;
  /** Gets the place of a record and the bytes from there to the end of what may be read. */
  readonly onRecord: (event: KernelEvent, offset: number, available: number) => void;
  /** After each turn, with the ring empty, so that all that had happened is known, or the budget used up. */
  readonly onTurn: (isCaughtUp: boolean) => void;
}

/** By itself; the first record comes sooner. */
export const IDLE_WAIT_MS = 250;

/** Spans of unread records that are counted at the end: more than the largest ring has. */
const UNREAD_SPANS = 1024;

/** Reads the ring at its own pace while records come, which costs those who make them nothing; while none do, the first wakes it. */
export class DrainLoop {
  readonly #probe: Probe;
  readonly #options: Required<DrainOptions>;
  readonly #event = new KernelEvent();
  readonly #words: Uint32Array;
  readonly #span = new Uint32Array(2);
  #wait: number;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #running = false;

  constructor(probe: Probe, options: DrainOptions) {
    this.#probe = probe;
    this.#options = {
      minimumWaitMs: 2,
      maximumWaitMs: 10,
      idleWaitMs: IDLE_WAIT_MS,
      budgetMs: 8,
      ...options,
    };
    this.#wait = this.#options.minimumWaitMs;
    const { buffer, byteOffset, byteLength } = probe.ring;
    this.#words = new Uint32Array(buffer, byteOffset, byteLength >> 2);
    this.#event.use(Buffer.from(buffer, byteOffset, byteLength));
  }

  start(): void {
    this.#running = true;
    this.turn();
  }

  stop(): void {
    this.#running = false;
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
  }

  /** Reads what is left, at the end, for at most so long; returns how many records nobody read. */
  finish(limitMs: number): number {
    this.stop();
    this.#options.onTurn(this.#read(limitMs).inTime);
    let unread = 0;
    // What other processes add meanwhile is less than this takes away, and only counted.
    for (let spans = 0; spans < UNREAD_SPANS && this.#probe.scan(this.#span); spans++) {
      const [start = 0, bytes = 0] = this.#span;
      forEachRecord(this.#words, start, bytes, () => unread++);
      this.#probe.advance(bytes);
    }
    return unread;
  }

  /** Reads until the ring is empty or the budget used up, and sees to the next turn. */
  turn(): void {
    const { records, inTime } = this.#read(this.#options.budgetMs);
    this.#options.onTurn(inTime);
    if (!this.#running) return;
    if (!inTime) {
      this.#immediate = setImmediate(() => this.turn());
      return;
    }
    const { minimumWaitMs, maximumWaitMs, idleWaitMs } = this.#options;
    const isIdle = records === 0;
    this.#wait = Math.min(
      maximumWaitMs,
      Math.max(minimumWaitMs, records > 0 ? this.#wait / 2 : this.#wait * 2),
    );
    const waits = isIdle && this.#probe.wait?.(() => this.#wake());
    this.#timer = setTimeout(() => this.turn(), waits ? idleWaitMs : this.#wait);
  }

  #wake(): void {
    clearTimeout(this.#timer);
    this.turn();
  }

  #read(budgetMs: number): { records: number; inTime: boolean } {
    const deadline = performance.now() + budgetMs;
    const { onRecord } = this.#options;
    const event = this.#event;
    let records = 0;
    let inTime = true;
    while (inTime && this.#probe.scan(this.#span)) {
      const [start = 0, bytes = 0] = this.#span;
      forEachRecord(this.#words, start, bytes, (offset) => {
        records++;
        onRecord(event, offset, start + bytes - offset);
      });
      this.#probe.advance(bytes);
      inTime = performance.now() < deadline;
    }
    return { records, inTime };
  }
}
