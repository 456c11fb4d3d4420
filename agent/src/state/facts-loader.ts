import type { Container, ContainerFacts } from './container.ts';
import { type Found, RuntimeLookup } from './runtimes/lookup.ts';

export interface FactsLoaderOptions {
  readonly lookup?: Pick<RuntimeLookup, 'readFiles' | 'ask'>;
  /** Waits before each further attempt, ms. */
  readonly retryMs?: readonly number[];
  /** How long a container that nothing told of is left alone, ms. */
  readonly negativeMs?: number;
  /** Look-ups at a time; more wait their turn. */
  readonly concurrency?: number;
  readonly now?: () => number;
  /** Called when the facts are there, or given up on. */
  readonly onSettled?: (container: Container) => void;
}

/** What became of look-ups; each is a count since the start. */
export interface FactsCounters {
  found: number;
  /** Found by asking the runtime, not in a file. */
  asked: number;
  /** Nothing told of the container. */
  missing: number;
}

/** These keep nothing that is read here. */
const WITHOUT_FACTS = new Set<Container['runtime']>(['host', 'bpm']);
/** These keep in files less than they answer. */
const ANSWER_MORE = new Set<Container['runtime'] | undefined>(['containerd', 'podman']);

/** Whether anything can be told of such a container beyond its name. */
export function keepsFacts({ runtime }: Container): boolean {
  return !WITHOUT_FACTS.has(runtime);
}

/** Gets the facts of containers, a few at a time, and retries while the runtime is still writing them. */
export class FactsLoader {
  readonly counters: FactsCounters = { found: 0, asked: 0, missing: 0 };
  readonly #lookup: Pick<RuntimeLookup, 'readFiles' | 'ask'>;
  readonly #retryMs: readonly number[];
  readonly #negativeMs: number;
  readonly #concurrency: number;
  readonly #now: () => number;
  readonly #onSettled: (container: Container) => void;
  readonly #waiting: Container[] = [];
  readonly #missingSince = new WeakMap<Container, number>();
  #running = 0;
  #stopped = false;

  constructor(options: FactsLoaderOptions = {}) {
    this.#lookup = options.lookup ?? new RuntimeLookup();
    this.#retryMs = options.retryMs ?? [5, 20, 80, 320];
    this.#negativeMs = options.negativeMs ?? 30_000;
    this.#concurrency = options.concurrency ?? 8;
    this.#now = options.now ?? (() => performance.now());
    this.#onSettled = options.onSettled ?? (() => {});
  }

  /** Starts looking. */
  load(container: Container): void {
    if (!keepsFacts(container) || container.pending || this.#stopped) return;
    container.pending = true;
    this.#waiting.push(container);
    this.#next();
  }

  /** Looks again for a container that nothing told of some time ago. */
  refresh(container: Container): void {
    if (container.facts !== undefined || container.pending) return;
    const since = this.#missingSince.get(container);
    if (since !== undefined && this.#now() - since >= this.#negativeMs) this.load(container);
  }

  /** Ends all waiting; facts that arrive later are dropped. */
  stop(): void {
    this.#stopped = true;
    this.#waiting.length = 0;
  }

  #next(): void {
    while (this.#running < this.#concurrency) {
      const container = this.#waiting.shift();
      if (container === undefined) return;
      this.#running++;
      this.#find(container)
        .catch(() => undefined)
        .then((found) => {
          this.#running--;
          if (!this.#stopped) this.#settle(container, found);
          this.#next();
        })
        .catch(() => {});
    }
  }

  async #find(container: Container): Promise<Found | undefined> {
    let partial: Found | undefined;
    for (const wait of [0, ...this.#retryMs]) {
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      if (this.#stopped) return undefined;
      const found = await this.#lookup.readFiles(container);
      partial = found ?? partial;
      const isEnough = found !== undefined && (found.isAll || isWhole(found.facts));
      if (isEnough && !ANSWER_MORE.has(found.runtime)) return found;
      const told = await this.#lookup.ask(container, partial?.runtime);
      if (told !== undefined) {
        this.counters.asked++;
        return { ...told, facts: { ...partial?.facts, ...told.facts } };
      }
      if (isEnough) return found;
    }
    return partial;
  }

  #settle(container: Container, found: Found | undefined): void {
    container.pending = false;
    if (found === undefined) {
      this.counters.missing++;
      this.#missingSince.set(container, this.#now());
    } else {
      this.counters.found++;
      container.facts = found.facts;
      container.runtime = found.runtime ?? container.runtime;
      container.confirmed = found.confirmed ?? false;
    }
    this.#onSettled(container);
  }
}

function isWhole(facts: ContainerFacts): boolean {
  return facts.name !== undefined && facts.image !== undefined;
}
