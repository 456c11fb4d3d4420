/** The silences of a moment, found by the values they ask for, so that ten thousand cost about as much as one. Pure. */
import type { Condition } from '../routing/conditions.ts';
import { MatcherError, parseMatchers } from '../routing/matcher.ts';
import type { Labels, Silence } from '../routing/types.ts';
import type { StoredSilence } from '../store/silences.ts';

/** The matchers of a stored silence; of a set that cannot be read, none. */
export function setsOf({ matchers }: Pick<StoredSilence, 'matchers'>): Condition[][] {
  return matchers.map((set) => {
    try {
      return set.flatMap((text) => parseMatchers(text));
    } catch (error) {
      if (!(error instanceof MatcherError)) throw error;
      return [];
    }
  });
}

/** Reads a stored silence. One whose matchers cannot be read holds nothing back. */
export function readSilence(stored: StoredSilence): Silence {
  const { id, starts_at, ends_at } = stored;
  return { id, matchers: setsOf(stored), startsAt: starts_at, endsAt: ends_at };
}

interface MatcherSet {
  readonly silence: Silence;
  readonly matchers: Silence['matchers'][number];
}

/** What a matcher tells of itself when it asks for one of some values of a label. */
interface Demand {
  readonly name?: string;
  readonly values?: readonly string[];
}

export class SilenceIndex {
  readonly #byLabel = new Map<string, Map<string, MatcherSet[]>>();
  readonly #others: MatcherSet[] = [];

  constructor(silences: readonly Silence[]) {
    for (const silence of silences) {
      for (const matchers of silence.matchers) this.#add({ silence, matchers });
    }
  }

  /** A silence that matches; `fits` narrows the choice. */
  find(labels: Labels, fits: (silence: Silence) => boolean): Silence | undefined {
    return this.matching(labels, fits).next().value;
  }

  /** All that match; one with several sets may come more than once. */
  *matching(labels: Labels, fits: (silence: Silence) => boolean): Generator<Silence, undefined> {
    yield* matchingOf(this.#others, labels, fits);
    for (const [name, byValue] of this.#byLabel) {
      const sets = byValue.get(labels[name] ?? '');
      if (sets) yield* matchingOf(sets, labels, fits);
    }
  }

  #add(set: MatcherSet): void {
    const demand = (set.matchers as readonly Demand[]).find(
      ({ name, values }) => name !== undefined && values !== undefined && values.length > 0,
    );
    if (demand?.name === undefined || !demand.values) {
      this.#others.push(set);
      return;
    }
    let byValue = this.#byLabel.get(demand.name);
    if (!byValue) {
      byValue = new Map();
      this.#byLabel.set(demand.name, byValue);
    }
    for (const value of new Set(demand.values)) {
      const same = byValue.get(value);
      if (same) same.push(set);
      else byValue.set(value, [set]);
    }
  }
}

function* matchingOf(
  sets: readonly MatcherSet[],
  labels: Labels,
  fits: (silence: Silence) => boolean,
): Generator<Silence, undefined> {
  for (const { silence, matchers } of sets) {
    if (matchers.length === 0 || !fits(silence)) continue;
    if (matchers.every((matcher) => matcher.matches(labels))) yield silence;
  }
}
