import { isEventName, syscallNumber, syscallsOf } from '../events/event-name.ts';
import { kernelEventFields } from '../events/fields/source.ts';
import type { KernelEvent } from '../events/kernel-event.ts';
import { exampleOf, isClassified, openClassesOf, wordsOf } from '../events/open-classes.ts';
import { verdictFinder } from '../events/open-verdicts.ts';
import { type CompiledRules, compileRules } from '../rules/compile-rules.ts';
import type { LoadResult } from '../rules/load-rules.ts';
import type { LoadedRule } from '../rules/loader/rule-set.ts';
import { interestOf } from './interest.ts';
import { USUAL_TYPES } from './rule-judge.ts';

/** What a rule makes the probe tell of some event types. */
export interface KernelCost {
  readonly events: readonly string[];
  /** Whether failed calls are told too. */
  readonly failed: boolean;
  /** The sorts of opens that are told; absent for other events and where all are. */
  readonly opens?: readonly string[];
  /**
   * `learnt`: opens of a path that comes again and again are left out once it is known that the rule cannot match there; `host`: those
   * outside of containers are.
   */
  readonly paths?: 'all' | 'host' | 'learnt';
}

/** An absolute path that rules do not name. */
const UNNAMED_PATH = '/tocsin/no/such/path';

/** What a rule costs the kernel if it is enabled, by event types that cost alike. */
export function kernelCostOf(
  rule: LoadedRule,
  { ruleset: loaded, registry }: Pick<LoadResult, 'ruleset' | 'registry'>,
): KernelCost[] {
  const ruleset = { ...loaded, rules: [rule], enabled: [rule] };
  const compiled = compileRules({ ruleset, registry }, kernelEventFields, {
    matching: 'all',
    usualTypes: USUAL_TYPES,
  });
  const alike = new Map<string, { cost: Omit<KernelCost, 'events'>; events: string[] }>();
  const failing = new Set(interestOf(compiled).keepFailed);
  for (const type of [...compiled.eventTypes].filter(isEventName).sort()) {
    const failed = syscallsOf([type]).some((number) => failing.has(number));
    const cost = { failed, ...costOfOpens(compiled, type) };
    const key = JSON.stringify(cost);
    const group = alike.get(key) ?? { cost, events: [] };
    group.events.push(type);
    alike.set(key, group);
  }
  return [...alike.values()].map(({ cost, events }) => ({ events, ...cost }));
}

function costOfOpens(
  compiled: CompiledRules<KernelEvent>,
  type: string,
): Pick<KernelCost, 'opens' | 'paths'> {
  const call = syscallNumber(type);
  if (!isClassified(call)) return {};
  const classes = openClassesOf(compiled).find((one) => one.call === call);
  if (classes === undefined) return {};
  const wanted = classes.succeeded | classes.failed;
  if (wanted === 0) return { opens: [] };
  const openClass = 31 - Math.clz32(wanted & -wanted);
  const failed = (classes.succeeded & (1 << openClass)) === 0;
  const example = exampleOf(call, openClass, failed, UNNAMED_PATH);
  const verdict = verdictFinder(compiled)(example);
  const paths = verdict === undefined ? 'all' : verdict.onHost ? 'host' : 'learnt';
  return { opens: wordsOf(wanted), paths };
}

const PATHS = {
  all: 'all paths',
  host: 'hot paths learnt on the host',
  learnt: 'hot paths learnt',
} as const;

/** A line for a person. */
export function kernelCostText({ events, failed, opens, paths }: KernelCost): string {
  const parts = [
    events.join(', '),
    ...(opens === undefined ? [] : [opens.length > 0 ? opens.join(', ') : 'none']),
    failed ? 'succeeded and failed' : 'succeeded',
    ...(paths === undefined ? [] : [PATHS[paths]]),
  ];
  return parts.join('; ');
}
