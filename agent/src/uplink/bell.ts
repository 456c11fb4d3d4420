/** A batch goes after this time without a further alert. Milliseconds. */
const QUIET_MS = 1;
/** And at the latest after this time. */
const LATEST_MS = 5;
const FULL_ALERTS = 500;

/** Tells when alerts that trickle in are worth a batch: after a moment of quiet, so that a burst goes as one and a single alert at once. */
export class FlushTimer {
  #timer: NodeJS.Timeout | undefined;
  #alerts = 0;
  #firstMs = 0;
  #isDue = false;
  #wake: (() => void) | undefined;

  /** Alerts came in. */
  touch(alerts: number): void {
    const nowMs = performance.now();
    if (this.#alerts === 0) this.#firstMs = nowMs;
    this.#alerts += alerts;
    if (this.#alerts >= FULL_ALERTS || nowMs - this.#firstMs >= LATEST_MS) this.now();
    else if (this.#timer) this.#timer.refresh();
    else this.#timer = setTimeout(() => this.now(), QUIET_MS);
  }

  /** The wait is over. */
  now(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#alerts = 0;
    this.#isDue = true;
    this.#wake?.();
  }

  /** Waits for the next time a batch is due. One waiter at a time. */
  async wait(): Promise<void> {
    if (!this.#isDue) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#wake = undefined;
    this.#isDue = false;
  }
}
