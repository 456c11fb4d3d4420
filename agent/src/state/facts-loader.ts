import type { Container, ContainerFacts } from './container.ts';
import { factsBytes, fitFacts } from './facts-bytes.ts';
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
  /** Too large, so that labels, variables or mounts were left out. */
  cut: number;
}

/** Bytes of the facts of one container. */
const FACTS_LIMIT = 256 * 1024;
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
  readonly counters: FactsCounters = { found: 0, asked: 0, missing: 0, cut: 0 };
  readonly #lookup: Pick<RuntimeLookup, 'readFiles' | 'ask'>;
  readonly #retryMs: readonly number[];
  readonly #negativeMs: number;
  readonly #concurrency: number;
  readonly #now: () => number;
  readonly #onSettled: (container: Container) => void;
  readonly #waiting: (() => void)[] = [];
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
    this.#find(container)
      .catch(() => undefined)
      .then((found) => {
        if (!this.#stopped) this.#settle(container, found);
      })
      .catch(() => {});
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
    for (const resume of this.#waiting.splice(0)) resume();
  }

  /** Waits for a turn. The newest goes first: its first event waits, while older ones have waited in vain already. */
  async #turn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#concurrency)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
      this.#waiting.pop()?.();
    }
  }

  async #find(container: Container): Promise<Found | undefined> {
    let partial: Found | undefined;
    for (const wait of [0, ...this.#retryMs]) {
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      if (this.#stopped) return undefined;
      const { found, isLast } = await this.#turn(() => this.#attempt(container, partial));
      partial = found ?? partial;
      if (isLast) return partial;
    }
    return partial;
  }

  /** Reads the files once, and asks the runtime if these do not tell all. */
  async #attempt(
    container: Container,
    before: Found | undefined,
  ): Promise<{ found: Found | undefined; isLast: boolean }> {
    if (this.#stopped) return { found: undefined, isLast: true };
    // It answers only as long as the container lasts, so it is asked while the files are read.
    const asksNow = container.runtime === 'containerd' && container.bundle !== undefined;
    const asking = asksNow ? this.#lookup.ask(container).catch(() => undefined) : undefined;
    const found = await this.#lookup.readFiles(container);
    const isEnough = found !== undefined && (found.isAll || isWhole(found.facts));
    if (isEnough && !ANSWER_MORE.has(found.runtime)) return { found, isLast: true };
    const partial = found ?? before;
    const told = await (asking ?? this.#lookup.ask(container, partial?.runtime));
    if (told === undefined) return { found, isLast: isEnough };
    this.counters.asked++;
    return { found: { ...told, facts: { ...partial?.facts, ...told.facts } }, isLast: true };
  }

  #settle(container: Container, found: Found | undefined): void {
    container.pending = false;
    if (found === undefined) {
      this.counters.missing++;
      this.#missingSince.set(container, this.#now());
    } else {
      this.counters.found++;
      const { facts, cut } = fitFacts(found.facts, FACTS_LIMIT);
      if (cut) this.counters.cut++;
      container.facts = facts;
      container.factsBytes = factsBytes(facts);
      container.runtime = found.runtime ?? container.runtime;
      container.confirmed = found.confirmed ?? false;
    }
    this.#onSettled(container);
  }
}

function isWhole(facts: ContainerFacts): boolean {
  return facts.name !== undefined && facts.image !== undefined;
}
