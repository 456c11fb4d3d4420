/** Silences: what may be silenced, by whom and for how long. Semantics are Alertmanager's. */
import { randomUUID } from 'node:crypto';
import { formatDuration } from '@tocsin/openapi';
import { ProblemError } from '../errors.ts';
import type { Condition } from '../routing/conditions.ts';
import { MatcherError, parseMatchers } from '../routing/matcher.ts';
import type { Labels } from '../routing/types.ts';
import { SILENCE_RETENTION_MS, type SilenceStore, type StoredSilence } from '../store/silences.ts';

export type SilenceState = 'pending' | 'active' | 'expired';

/** What somebody asks for; times are ms since the epoch. */
export interface SilenceDraft {
  /** Sets of matchers, of which one must fit wholly. */
  readonly matchers: readonly (readonly Condition[])[];
  readonly startsAt: number | undefined;
  readonly endsAt: number;
  readonly createdBy: string;
  readonly comment: string;
}

export interface SilenceLimits {
  readonly maxDurationMs: number;
  /** Of the recent alerts, percent. */
  readonly maxHiddenPercent: number;
  readonly maxCount: number;
}

/** Recent alerts, which a preview looks at. */
export type RecentLabels<T> = () => Promise<
  readonly { readonly labels: Labels; readonly alert: T }[]
>;

export interface Preview<T> {
  /** Recent alerts that were looked at. */
  readonly looked: number;
  readonly hidden: readonly T[];
}

export const stateOf = (
  { starts_at, ends_at }: Pick<StoredSilence, 'starts_at' | 'ends_at'>,
  now: number,
): SilenceState => (now >= ends_at ? 'expired' : now < starts_at ? 'pending' : 'active');

const MAX_MATCHERS = 64;
const STATES: readonly SilenceState[] = ['active', 'pending', 'expired'];

export class Silences<T> {
  readonly #store: SilenceStore;
  readonly #recent: RecentLabels<T>;
  readonly #limits: () => SilenceLimits;

  constructor(store: SilenceStore, recent: RecentLabels<T>, limits: () => SilenceLimits) {
    this.#store = store;
    this.#recent = recent;
    this.#limits = limits;
  }

  /** All that are kept: active ones first, those that end next in front. */
  async list(now: number): Promise<StoredSilence[]> {
    const all = await this.#store.all();
    const old = all.filter(({ ends_at }) => ends_at < now - SILENCE_RETENTION_MS);
    await this.#store.remove(old.map(({ id }) => id));
    const rank = (silence: StoredSilence) => STATES.indexOf(stateOf(silence, now));
    const time = (silence: StoredSilence) =>
      [silence.ends_at, silence.starts_at, -silence.ends_at][rank(silence)] ?? 0;
    return all
      .filter((silence) => !old.includes(silence))
      .sort((a, b) => rank(a) - rank(b) || time(a) - time(b) || (a.id < b.id ? -1 : 1));
  }

  /** Throws ProblemError when there is none. */
  async get(id: string): Promise<StoredSilence> {
    const silence = await this.#store.get(id);
    if (!silence) throw new ProblemError('not_found', `There is no silence ${id.slice(0, 64)}.`);
    return silence;
  }

  /**
   * Makes a silence, or changes the one of this id. One that matches something else than before, or is over, is another silence: the
   * old one ends and the new one gets its own id. Throws ProblemError, and changes nothing then.
   */
  async set(draft: SilenceDraft, now: number, id?: string): Promise<StoredSilence> {
    const old = id === undefined ? undefined : await this.get(id);
    const startsAt = Math.max(draft.startsAt ?? now, now);
    await this.#check(draft, startsAt, now, old === undefined);
    const fresh = {
      matchers: draft.matchers.map((set) => set.map(String)),
      starts_at: startsAt,
      ends_at: draft.endsAt,
      created_by: draft.createdBy,
      comment: draft.comment,
      updated_at: now,
    };
    const state = old && stateOf(old, now);
    if (old && isChange(draft, old, now)) {
      const starts_at = state === 'active' ? old.starts_at : startsAt;
      const changed = { ...fresh, id: old.id, starts_at };
      await this.#store.put([changed]);
      return changed;
    }
    const silence = { ...fresh, id: randomUUID() };
    await this.#store.put(old && state !== 'expired' ? [ended(old, now), silence] : [silence]);
    return silence;
  }

  /** Ends a silence; one that is over stays as it is. Throws ProblemError when there is none. */
  async expire(id: string, now: number): Promise<void> {
    const silence = await this.get(id);
    if (stateOf(silence, now) !== 'expired') await this.#store.put([ended(silence, now)]);
  }

  /** Which of the recent alerts matchers would hide. */
  async preview(matchers: SilenceDraft['matchers']): Promise<Preview<T>> {
    const recent = await this.#recent();
    const hidden = recent.filter(({ labels }) =>
      matchers.some((set) => set.every((matcher) => matcher.matches(labels))),
    );
    return { looked: recent.length, hidden: hidden.map(({ alert }) => alert) };
  }

  async #check(draft: SilenceDraft, startsAt: number, now: number, more: boolean): Promise<void> {
    const { maxDurationMs, maxHiddenPercent, maxCount } = this.#limits();
    const refuse = (pointer: string, message: string): never => {
      throw new ProblemError('validation_failed', `The silence is refused: ${message}.`, [
        { pointer, message },
      ]);
    };
    checkMatchers(draft.matchers, refuse);
    if (draft.endsAt <= now) refuse('/ends_at', 'its end is in the past');
    if (draft.endsAt <= startsAt) refuse('/ends_at', 'it ends before it starts');
    if (draft.endsAt - startsAt > maxDurationMs)
      refuse('/ends_at', `it is longer than the ${formatDuration(maxDurationMs)} allowed`);
    if (more && (await this.#store.all()).length >= maxCount)
      refuse('', `there are ${maxCount} silences, as many as are allowed`);
    if (maxHiddenPercent >= 100) return;
    const { looked, hidden } = await this.preview(draft.matchers);
    const percent = looked === 0 ? 0 : (100 * hidden.length) / looked;
    if (percent > maxHiddenPercent)
      refuse(
        '/matchers',
        `it would hide ${Math.round(percent)} % of the recent alerts, more than the ${maxHiddenPercent} % allowed`,
      );
  }
}

/** Whether it stays the same silence: one that is active keeps its start, to the second, one that waits gets none that is over. */
function isChange({ matchers, startsAt }: SilenceDraft, old: StoredSilence, now: number): boolean {
  const texts = matchers.map((set) => set.map(String));
  if (JSON.stringify(old.matchers) !== JSON.stringify(texts)) return false;
  const second = (time: number) => Math.floor(time / 1000);
  switch (stateOf(old, now)) {
    case 'active':
      return startsAt === undefined || second(startsAt) === second(old.starts_at);
    case 'pending':
      return startsAt === undefined || startsAt >= now;
    case 'expired':
      return false;
  }
}

const ended = (silence: StoredSilence, now: number): StoredSilence => ({
  ...silence,
  starts_at: Math.min(silence.starts_at, now),
  ends_at: now,
  updated_at: now,
});

const NOTHING: Labels = Object.freeze(Object.create(null));

/** Asks for nothing: a missing label will do. What is negated asks for something, as in Alertmanager. */
const isEmpty = (matcher: Condition) =>
  !/^(!|not )/.test(matcher.operator) && matcher.matches(NOTHING);

function checkMatchers(
  sets: SilenceDraft['matchers'],
  refuse: (pointer: string, message: string) => never,
): void {
  if (sets.length === 0) refuse('/matchers', 'it has no matchers');
  if (sets.flat().length > MAX_MATCHERS)
    refuse('/matchers', `it has more than ${MAX_MATCHERS} matchers`);
  for (const [index, set] of sets.entries()) {
    if (set.length === 0) refuse(`/matchers/${index}`, 'a set of matchers is empty');
    if (set.every(isEmpty))
      refuse('/matchers', 'one matcher at least must not match a missing label');
  }
}

/** Reads matchers as texts: one set, or sets. Throws ProblemError. */
export function readMatcherSets(given: readonly (string | readonly string[])[]): Condition[][] {
  const sets = given.every((one) => typeof one === 'string')
    ? [given.map((text, index) => [text, `/matchers/${index}`] as const)]
    : given.map((one, index) =>
        [one].flat().map((text, at) => [text, `/matchers/${index}/${at}`] as const),
      );
  return sets.map((set) =>
    set.flatMap(([text, pointer]) => {
      try {
        return parseMatchers(text);
      } catch (error) {
        if (!(error instanceof MatcherError)) throw error;
        throw new ProblemError('validation_failed', `A matcher is wrong: ${error.message}.`, [
          { pointer, message: error.message },
        ]);
      }
    }),
  );
}
