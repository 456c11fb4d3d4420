/**
 * Which alerts are held back because others fire. Every firing source is kept, by the labels that must agree, so that one source
 * that ends never hides another that goes on. Pure: built anew from the sources of a moment.
 */
import type { InhibitRule, Labels, Matcher } from './types.ts';

/** An alert that fires. */
export interface Source {
  readonly fingerprint: string;
  readonly labels: Labels;
}

interface IndexedRule {
  readonly rule: InhibitRule;
  /** By the values of the labels that must agree. */
  readonly sources: ReadonlyMap<string, Inhibitors>;
}

/** What holds back the targets that agree. One of each is enough, since all of them fire. */
interface Inhibitors {
  any: string;
  /** One that is not itself a target: what is both is only held back by such. */
  oneSided: string | undefined;
}

const fits = (matchers: readonly Matcher[], labels: Labels) =>
  matchers.every((matcher) => matcher.matches(labels));

/** Whether an alert with these labels can hold others back: the store keeps an account of such. */
export const isSource = (rules: readonly InhibitRule[], labels: Labels): boolean =>
  rules.some(({ source }) => fits(source, labels));

/** What agrees has the same text; undefined when a label is missing that must not be. */
function agreement({ equal, equalMissing }: InhibitRule, labels: Labels): string | undefined {
  const values = equal.map((name) => labels[name] ?? '');
  if (equalMissing === 'no_match' && values.includes('')) return undefined;
  return JSON.stringify(values);
}

export class Inhibition {
  readonly #rules: readonly IndexedRule[];

  /** `sources` are those that fire at the moment that is asked about. */
  constructor(rules: readonly InhibitRule[], sources: readonly Source[]) {
    this.#rules = rules.map((rule) => ({ rule, sources: indexed(rule, sources) }));
  }

  /** Fingerprint of a source that holds back an alert with these labels. */
  inhibitor(labels: Labels): string | undefined {
    for (const { rule, sources } of this.#rules) {
      if (sources.size === 0 || !fits(rule.target, labels)) continue;
      const key = agreement(rule, labels);
      const agreeing = key === undefined ? undefined : sources.get(key);
      const found = fits(rule.source, labels) ? agreeing?.oneSided : agreeing?.any;
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

function indexed(rule: InhibitRule, sources: readonly Source[]): Map<string, Inhibitors> {
  const index = new Map<string, Inhibitors>();
  for (const { fingerprint, labels } of sources) {
    if (!fits(rule.source, labels)) continue;
    const key = agreement(rule, labels);
    if (key === undefined) continue;
    const oneSided = fits(rule.target, labels) ? undefined : fingerprint;
    const known = index.get(key);
    if (known) known.oneSided ??= oneSided;
    else index.set(key, { any: fingerprint, oneSided });
  }
  return index;
}
