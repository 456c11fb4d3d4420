/** Tells one waiter that there is something to send. What comes while a batch is on its way goes together in the next one. */
export class Bell {
  #rang = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rang = true;
    this.#wake?.();
  }

  /** Until it rings, or at once when it rang since the last wait. One waiter at a time. */
  async wait(): Promise<void> {
    if (!this.#rang) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#wake = undefined;
    this.#rang = false;
  }
}
