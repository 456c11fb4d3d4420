/** Waiting times that double from `firstMs` to `capMs`, each shortened by a random part up to a half so that agents do not come together. */
export class BackOff {
  readonly #firstMs: number;
  readonly #capMs: number;
  readonly #random: () => number;
  #failures = 0;

  constructor(firstMs: number, capMs: number, random: () => number = Math.random) {
    this.#firstMs = firstMs;
    this.#capMs = capMs;
    this.#random = random;
  }

  /** How long to wait after one more failure. */
  nextMs(): number {
    const full = Math.min(this.#capMs, this.#firstMs * 2 ** Math.min(this.#failures++, 30));
    return full * (1 - this.#random() / 2);
  }

  reset(): void {
    this.#failures = 0;
  }
}
