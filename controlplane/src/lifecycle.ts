interface Step {
  readonly name: string;
  readonly close: () => unknown;
}

/**
 * What was opened is closed in reverse order, each step within its share of time. A step that fails or hangs never keeps the
 * others from closing.
 */
export class Lifecycle {
  readonly #steps: Step[] = [];
  readonly #stepMs: number;
  #closing: Promise<void> | undefined;

  constructor(stepMs = 2000) {
    this.#stepMs = stepMs;
  }

  /** Registers how to close what was just opened. */
  defer(name: string, close: () => unknown): void {
    this.#steps.push({ name, close });
  }

  /** Closes everything. Calling it again waits for the same closing. Rejects with what went wrong after all steps ran. */
  close(): Promise<void> {
    this.#closing ??= this.#run();
    return this.#closing;
  }

  async #run(): Promise<void> {
    const failures: Error[] = [];
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      await this.#close(step).catch((error: unknown) => {
        failures.push(new Error(`${step?.name} did not close cleanly`, { cause: error }));
      });
    }
    if (failures.length > 0) throw new AggregateError(failures, failures[0]?.message);
  }

  async #close(step: Step): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(new Error(`took longer than ${this.#stepMs} ms`)),
        this.#stepMs,
      );
    });
    try {
      await Promise.race([Promise.resolve().then(step.close), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
