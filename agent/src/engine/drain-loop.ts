import { KernelEvent } from '../events/kernel-event.ts';
import { forEachRecord, type Probe } from '../probe/probe.ts';

export interface DrainOptions {
  /** Shortest and longest wait between looks at an idle ring, ms. */
  readonly minimumWaitMs?: number;
  readonly maximumWaitMs?: number;
  /** Longest time at a stretch before timers and messages have their turn, ms. */
  readonly budgetMs?: number;
  readonly onRecord: (event: KernelEvent, offset: number, length: number) => void;
  /** After each turn, with the ring empty or the budget used up. */
  readonly onTurn: () => void;
}

/** Records handled between two looks at the clock. */
const STRIDE = 256;

/** Reads the ring at its own pace: soon again while records come, rarely while none do. */
export class DrainLoop {
  readonly #probe: Probe;
  readonly #options: Required<DrainOptions>;
  readonly #event = new KernelEvent();
  readonly #words: DataView;
  readonly #span = new Uint32Array(2);
  #wait: number;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #running = false;

  constructor(probe: Probe, options: DrainOptions) {
    this.#probe = probe;
    this.#options = { minimumWaitMs: 2, maximumWaitMs: 25, budgetMs: 8, ...options };
    this.#wait = this.#options.minimumWaitMs;
    const { buffer, byteOffset, byteLength } = probe.ring;
    this.#words = new DataView(buffer, byteOffset, byteLength);
    this.#event.use(Buffer.from(buffer, byteOffset, byteLength), this.#words);
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

  /** Reads until the ring is empty or the budget used up, and sees to the next turn. */
  turn(): void {
    const deadline = performance.now() + this.#options.budgetMs;
    let records = 0;
    let more = true;
    const { onRecord } = this.#options;
    const visit = (offset: number, length: number): boolean => {
      onRecord(this.#event, offset, length);
      return ++records % STRIDE !== 0 || performance.now() < deadline;
    };
    while (more && this.#probe.scan(this.#span)) {
      const passed = forEachRecord(this.#words, this.#span, visit);
      this.#probe.advance(passed);
      more = passed > 0 && performance.now() < deadline;
    }
    this.#options.onTurn();
    if (!this.#running) return;
    if (!more) {
      this.#immediate = setImmediate(() => this.turn());
      return;
    }
    const { minimumWaitMs, maximumWaitMs } = this.#options;
    this.#wait = Math.min(
      maximumWaitMs,
      Math.max(minimumWaitMs, records > 0 ? this.#wait / 2 : this.#wait * 2),
    );
    this.#timer = setTimeout(() => this.turn(), this.#wait);
  }
}
