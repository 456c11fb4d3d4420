import type { KernelEvent } from '../events/kernel-event.ts';
import type { Container } from '../state/container.ts';

/** A hundred containers that start at once on a busy machine are told of by their runtime up to two seconds late. */
const PATIENCE_MS = 3000;

export interface ParkingOptions {
  /** How long an event waits for the facts of its container, ms. */
  readonly patienceMs?: number;
  /** Of the time between two looks at most so much counts, ms: what came in while this thread stood still is only taken after that. */
  readonly longestTurnMs?: number;
  /** Bytes of all parked records. */
  readonly byteLimit?: number;
  readonly now?: () => number;
}

/** What became of parked events; each is a count since the start. */
export interface ParkingCounters {
  parked: number;
  /** Judged without the facts because they did not come in time. */
  expired: number;
  /** Judged at once without the facts because too many were waiting. */
  refused: number;
}

interface Lot {
  readonly since: number;
  readonly events: KernelEvent[];
}

/** Holds events of containers whose facts are on their way, in order, so that the first event is judged by them too. */
export class Parking {
  readonly counters: ParkingCounters = { parked: 0, expired: 0, refused: 0 };
  readonly #lots = new Map<Container, Lot>();
  readonly #patienceMs: number;
  readonly #byteLimit: number;
  readonly #now: () => number;
  readonly #longestTurnMs: number;
  readonly #judge: (event: KernelEvent) => void;
  #bytes = 0;
  #lookedAt: number;
  /** Time that counted, ms. */
  #elapsed = 0;

  constructor(judge: (event: KernelEvent) => void, options: ParkingOptions = {}) {
    this.#judge = judge;
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
    this.#byteLimit = options.byteLimit ?? 16 * 1024 * 1024;
    this.#now = options.now ?? (() => performance.now());
    this.#longestTurnMs = options.longestTurnMs ?? Number.POSITIVE_INFINITY;
    this.#lookedAt = this.#now();
  }

  get waiting(): number {
    let count = 0;
    for (const { events } of this.#lots.values()) count += events.length;
    return count;
  }

  /** Keeps a copy of the event if it must wait; false when it is to be judged now. */
  park(event: KernelEvent): boolean {
    const { container } = event;
    if (!container.pending) return false;
    if (this.#bytes + event.length > this.#byteLimit) {
      this.counters.refused++;
      this.release(container);
      return false;
    }
    const lot = this.#lots.get(container) ?? { since: this.#clock(), events: [] };
    // Once patience has run out for a container, its later events do not wait again.
    if (lot.events.length === 0 && this.#lots.has(container)) return false;
    this.#lots.set(container, lot);
    const copy = event.copy();
    copy.process = event.process.freeze();
    lot.events.push(copy);
    this.#bytes += copy.length;
    this.counters.parked++;
    return true;
  }

  /** Judges what waited for a container. */
  release(container: Container): void {
    const lot = this.#lots.get(container);
    if (lot === undefined) return;
    if (!container.pending) this.#lots.delete(container);
    for (const event of lot.events.splice(0)) {
      this.#bytes -= event.length;
      this.#judge(event);
    }
  }

  /** Judges what has waited for too long. */
  releaseExpired(): void {
    const before = this.#clock() - this.#patienceMs;
    for (const [container, lot] of this.#lots) {
      if (lot.since > before || lot.events.length === 0) continue;
      this.counters.expired += lot.events.length;
      this.release(container);
    }
  }

  #clock(): number {
    const now = this.#now();
    this.#elapsed += Math.min(now - this.#lookedAt, this.#longestTurnMs);
    this.#lookedAt = now;
    return this.#elapsed;
  }

  /** Judges everything that waits, at the end. */
  releaseAll(): void {
    for (const container of [...this.#lots.keys()]) this.release(container);
  }
}
