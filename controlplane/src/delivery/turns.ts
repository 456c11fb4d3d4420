/**
 * Who of the lanes of a channel may send now. More lanes are taken than sent at a time: while what became of some is written down, and
 * Redis has synced it, others are sent.
 */
export class Turns {
  readonly #most: number;
  #sending = 0;
  readonly #waiting: { readonly isUrgent: boolean; begin(may: boolean): void }[] = [];

  /** `most` send at a time; one of several is kept for what is urgent. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Resolves when it may send, which it ends by `free`; false: it shall not. */
  wait(isUrgent: boolean): Promise<boolean> {
    return new Promise((begin) => {
      const after = isUrgent ? this.#waiting.findIndex((other) => !other.isUrgent) : -1;
      this.#waiting.splice(after < 0 ? this.#waiting.length : after, 0, { isUrgent, begin });
      this.#next();
    });
  }

  free(): void {
    this.#sending--;
    this.#next();
  }

  /** None of those that wait shall send. */
  clear(): void {
    for (const { begin } of this.#waiting.splice(0)) begin(false);
  }

  #next(): void {
    for (const first of [...this.#waiting]) {
      const room = first.isUrgent || this.#most === 1 ? this.#most : this.#most - 1;
      if (this.#sending >= room) return;
      this.#sending++;
      this.#waiting.shift();
      first.begin(true);
    }
  }
}
