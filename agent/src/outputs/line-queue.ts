import { setTimeout as delay } from 'node:timers/promises';

const CHUNK_CHARACTERS = 64 * 1024;
/** Some ten thousand alerts: a burst while the reader stands still for a moment. */
const DEFAULT_CAPACITY = 32 * 1024 * 1024;
const RETRY_MS = { first: 100, most: 10_000 };

export interface LineQueueCounters {
  written: number;
  /** Lines lost because the queue was full or the end came. */
  dropped: number;
  /** Writes that failed and were tried again. */
  failures: number;
}

export interface LineQueueOptions {
  /** Characters that may wait. */
  readonly capacity?: number;
  /** Writes whole lines; rejects when they should be tried again. */
  readonly write: (chunk: string) => Promise<void>;
  /** Called for the first failure after a success. */
  readonly onFailure: (error: Error) => void;
}

/** Lines on their way to something that may be slow or away. A full queue refuses the newest lines and counts them. */
export class LineQueue {
  readonly counters: LineQueueCounters = { written: 0, dropped: 0, failures: 0 };
  readonly #options: LineQueueOptions;
  readonly #capacity: number;
  readonly #closing = new AbortController();
  #lines: string[] = [];
  #length = 0;
  #running: Promise<void> | undefined;

  constructor(options: LineQueueOptions) {
    this.#options = options;
    this.#capacity = options.capacity ?? DEFAULT_CAPACITY;
  }

  /** False when the line is refused, and with that lost. */
  push(line: string): boolean {
    if (this.#closing.signal.aborted || this.#length + line.length > this.#capacity) {
      this.counters.dropped++;
      return false;
    }
    this.#lines.push(line);
    this.#length += line.length;
    this.#running ??= this.#run();
    return true;
  }

  /** Writes what is queued within `graceMs`; counts the rest as dropped. */
  async close(graceMs: number): Promise<void> {
    const running = this.#running ?? Promise.resolve();
    const timer = new AbortController();
    await Promise.race([running, delay(graceMs, undefined, { signal: timer.signal })]);
    timer.abort();
    this.#closing.abort();
    this.counters.dropped += this.#lines.length;
    this.#lines = [];
  }

  async #run(): Promise<void> {
    let waitMs = RETRY_MS.first;
    while (this.#lines.length > 0) {
      const count = this.#countOfChunk();
      const chunk = this.#lines
        .slice(0, count)
        .map((line) => `${line}\n`)
        .join('');
      try {
        await this.#options.write(chunk);
        this.#forget(count);
        waitMs = RETRY_MS.first;
      } catch (error) {
        if (waitMs === RETRY_MS.first) this.#options.onFailure(error as Error);
        this.counters.failures++;
        await delay(waitMs, undefined, { signal: this.#closing.signal }).catch(() => undefined);
        waitMs = Math.min(waitMs * 2, RETRY_MS.most);
      }
    }
    this.#running = undefined;
  }

  #countOfChunk(): number {
    let length = 0;
    let count = 0;
    for (const line of this.#lines) {
      length += line.length;
      if (count > 0 && length > CHUNK_CHARACTERS) break;
      count++;
    }
    return count;
  }

  #forget(count: number): void {
    const written = this.#lines.splice(0, count);
    for (const line of written) this.#length -= line.length;
    this.counters.written += written.length;
  }
}
