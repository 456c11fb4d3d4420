import type { Alert } from '@tocsin/openapi';

export interface OutboxOptions {
  /** Alerts of one message. */
  readonly batch?: number;
  /** Messages that the other side has not acknowledged. */
  readonly inFlight?: number;
  /** Alerts that wait at most. */
  readonly limit?: number;
}

/** Hands alerts to the main thread in batches, and waits when it does not keep up. */
export class AlertOutbox {
  /** Alerts dropped because the main thread did not take them. */
  dropped = 0;
  readonly #send: (alerts: readonly Alert[]) => void;
  readonly #options: Required<OutboxOptions>;
  #waiting: Alert[] = [];
  #inFlight = 0;

  constructor(send: (alerts: readonly Alert[]) => void, options: OutboxOptions = {}) {
    this.#send = send;
    this.#options = { batch: 1000, inFlight: 16, limit: 32_768, ...options };
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  add(alert: Alert): void {
    if (this.#waiting.length >= this.#options.limit) this.dropped++;
    else this.#waiting.push(alert);
  }

  /** Sends what waits, as far as the other side keeps up. */
  flush(): void {
    while (this.#waiting.length > 0 && this.#inFlight < this.#options.inFlight) {
      this.#inFlight++;
      this.#send(this.#waiting.splice(0, this.#options.batch));
    }
  }

  /** The other side has taken one batch. */
  acknowledge(): void {
    this.#inFlight--;
    this.flush();
  }

  /** Sends everything at once, at the end. */
  flushAll(): void {
    if (this.#waiting.length > 0) this.#send(this.#waiting.splice(0));
  }
}
