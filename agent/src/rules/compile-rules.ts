import { isAtLeast, type Priority } from '@tocsin/openapi';
import { textOf } from './byte-string.ts';
import { couldHold, mustHold } from './compiler/bounds.ts';
import { failureOf } from './compiler/failure.ts';
import { Graph, type Node } from './compiler/graph.ts';
import { FieldBinder, leafTest, type ResolveDomain } from './compiler/operand-reader.ts';
import { decideFrom } from './compiler/partial-match.ts';
import { type Decide, Program, type Scan } from './compiler/program.ts';
import {
  type Condition,
  fieldsOf,
  type Leaf,
  leavesOf,
  textOfCondition,
} from './condition/condition.ts';
import { constantOf } from './condition/event-type-set.ts';
import { ConditionResolver } from './condition/resolve.ts';
import { EVENT_TYPES } from './event-types.ts';
import type { FieldReference, FieldSource } from './field.ts';
import type { LoadResult } from './load-rules.ts';
import type { LoadedRule } from './loader/rule-set.ts';
import { bindTemplate, type Rendered } from './output/render.ts';

export interface CompileOptions {
  /** `first`: the first rule that matches; `all`: every one. */
  readonly matching: 'first' | 'all';
  /** Rules less severe than this are left out. */
  readonly minimumPriority?: Priority;
  /** Looks up names for checks on `fd.sip.name` and its kind; see `CompiledRules.domains`. */
  readonly resolveDomain?: ResolveDomain;
  /** Types that a rule is tried for which names none, or names what it does not want; default all. */
  readonly usualTypes?: ReadonlySet<string>;
  /** Fields whose values may come later than the event; see `CompiledRules.dependsOnLate`. */
  readonly lateFields?: ReadonlySet<string>;
}

/** What a rule did since it was first loaded. */
export interface RuleCounters {
  matched: number;
  errors: number;
  /** Time that trying it took, as far as `measure` was asked. */
  seconds: number;
}

/** One enabled rule, bound to a source of events. */
export interface CompiledRule<E> {
  readonly rule: LoadedRule;
  readonly name: string;
  readonly priority: Priority;
  readonly source: string;
  readonly tags: readonly string[];
  /** Fields of the condition that the source cannot supply; they count as missing. `evt.type` when no event has such a type. */
  readonly blind: readonly string[];
  readonly counters: RuleCounters;
  /** Renders the output for an event that matched. */
  render(event: E): Rendered;
}

/** The part of an event that is relied on, the same for every event one verdict is to stand for. */
export interface Knowledge<E> {
  /** Whether the field's value, or that it has none, is the same for all of them. */
  knows(field: FieldReference, event: E): boolean;
  /** What a check comes to for all of them although its fields are not known exactly. */
  assume?(leaf: Leaf, event: E): boolean | undefined;
}

/** Enabled rules, indexed by event type. */
export interface CompiledRules<E> {
  readonly rules: readonly CompiledRule<E>[];
  /** Every event type that some rule is tried for. */
  readonly eventTypes: ReadonlySet<string>;
  /** Domain names that conditions compare addresses with: look them up before the first event. */
  readonly domains: ReadonlySet<string>;
  /** Rules that match the event, in order; the same empty array whenever there is none. Does not throw: errors are counted. */
  match(event: E): readonly CompiledRule<E>[];
  /**
   * Tries every rule of the event's type by itself and adds `weight` times the seconds it took to its counter, and counts neither
   * matches nor errors, which `match` does. What rules share is paid by each of them, so that the sum is more
   * than `match` takes. `now` is in milliseconds.
   */
  measure(event: E, weight: number, now: () => number): void;
  /** Whether a failed call of the type could match any rule. */
  wantsFailures(eventType: string): boolean;
  /**
   * Makes a function that tells of an event whether some rule could match an event of the same type that agrees with it in what
   * is known; false is certain. `only` narrows it to one rule.
   */
  couldMatch(knowledge: Knowledge<E>, only?: CompiledRule<E>): (event: E) => boolean;
  /** Whether a condition or output of an enabled rule reads the field, with whatever argument. */
  usesField(name: string): boolean;
  /**
   * For an event whose late fields have no value yet: whether they decide if a rule matches, or a rule that could match shows one.
   * All other events can be judged at once.
   */
  dependsOnLate(event: E): boolean;
  /** Compiles what else is compiled when `dependsOnLate` is first asked, which takes about as long as all rules took. */
  prepareLate(): void;
}

/** The rules of one event type in order. */
interface TypeTable<E> {
  readonly rules: readonly CompiledRule<E>[];
  readonly scan: Scan<E>;
  /** A function a rule, to find out which one fails. */
  readonly decide: readonly Decide<E>[];
  /** The result when only the rule at that place matches, so that a match allocates nothing either. */
  readonly alone: readonly (readonly CompiledRule<E>[])[];
}

const NO_DOMAIN: ResolveDomain = () => undefined;

function bindRule<E>(
  rule: LoadedRule,
  binder: FieldBinder<E>,
  resolver: ConditionResolver,
): CompiledRule<E> {
  const render = bindTemplate(rule.outputParts, binder.read, resolver);
  const extra = rule.extraFields.map(({ key, parts, raw }) => ({
    key,
    raw,
    render: bindTemplate(parts, binder.read, resolver),
  }));
  const { name, priority, source, tags } = rule;
  return {
    rule,
    name,
    priority,
    source,
    tags,
    blind: blindFields(rule, binder),
    counters: { matched: 0, errors: 0, seconds: 0 },
    render(event) {
      const rendered = render(event);
      for (const field of extra) {
        const { output, outputFields } = field.render(event);
        rendered.outputFields[field.key] = field.raw ? Object.values(outputFields)[0] : output;
      }
      return rendered;
    },
  };
}

/** What a condition reads and the source can never supply. */
export function blindFields<E>(rule: LoadedRule, binder: FieldBinder<E>): string[] {
  const fields = [...leavesOf(rule.condition)]
    .flatMap(leafFields)
    .filter((field) => !binder.bind(field))
    .map(({ text }) => text);
  const { eventTypes } = rule;
  const isSeen =
    eventTypes === 'all' ||
    eventTypes.size === 0 ||
    [...eventTypes].some((type) => binder.hasType(type));
  return [...new Set(isSeen ? fields : ['evt.type', ...fields])].sort();
}

/** The fields a check reads. A name check gets by with the address. */
function leafFields(leaf: Leaf) {
  if (leaf.domain) return [leaf.domain.address];
  return [...fieldsOf(leaf.left), ...(leaf.right ? fieldsOf(leaf.right) : [])];
}

/** What is known of a check for events of one type: the type itself, and what the source cannot supply. */
function assumptions<E>(
  eventType: string | undefined,
  binder: FieldBinder<E>,
): (leaf: Leaf) => boolean | undefined {
  return (leaf) => {
    if (leafFields(leaf).some((field) => !binder.bind(field))) return false;
    const constant = constantOf(leaf);
    if (constant !== undefined) return constant;
    if (eventType === undefined || leaf.left.kind !== 'field' || leaf.right) return undefined;
    return leaf.left.text === 'evt.type' ? leaf.test(eventType) : undefined;
  };
}

class RuleCompiler<E> {
  private readonly rules: readonly CompiledRule<E>[];
  private readonly binder: FieldBinder<E>;
  private readonly graph = new Graph();
  private readonly roots: Node[] = [];
  private readonly rootIndexes = new Map<number, number>();
  private readonly plans = new Map<string | undefined, { rule: CompiledRule<E>; root: number }[]>();

  constructor(rules: readonly CompiledRule<E>[], binder: FieldBinder<E>) {
    this.rules = rules;
    this.binder = binder;
  }

  /** Plans the tables of each type, of other types (`undefined`), and of rules that name no possible type. */
  compile(resolve: ResolveDomain): {
    begin(): void;
    tables: Map<string | undefined, TypeTable<E>>;
    fallback: TypeTable<E>;
  } {
    const named = new Set<string>();
    for (const { rule } of this.rules) {
      if (rule.eventTypes !== 'all') for (const type of rule.eventTypes) named.add(type);
    }
    for (const type of [...named, undefined]) {
      this.plan(type, (rule) => {
        if (rule.eventTypes === 'all') return true;
        return type !== undefined && rule.eventTypes.has(type);
      });
    }
    const rest = this.planned(
      undefined,
      (rule) => rule.eventTypes !== 'all' && rule.eventTypes.size === 0,
    );
    const plans = [...this.plans.values(), rest];
    const program = new Program(this.binder, resolve);
    const { begin, roots, scans } = program.compile(
      this.roots,
      plans.map((plan) => plan.map(({ root }) => root)),
    );
    const built = plans.map((plan, index) => ({
      rules: plan.map(({ rule }) => rule),
      scan: scans[index] ?? (() => -1),
      decide: plan.map(({ root }) => roots[root] ?? (() => true)),
      alone: plan.map(({ rule }) => [rule]),
    }));
    const fallback = built.pop() as TypeTable<E>;
    const tables = new Map(
      [...this.plans.keys()].map((type, index) => [type, built[index] as TypeTable<E>]),
    );
    return { begin, tables, fallback };
  }

  private plan(type: string | undefined, fits: (rule: LoadedRule) => boolean): void {
    this.plans.set(type, this.planned(type, fits));
  }

  private planned(
    type: string | undefined,
    fits: (rule: LoadedRule) => boolean,
  ): { rule: CompiledRule<E>; root: number }[] {
    const assume = assumptions(type, this.binder);
    const plan: { rule: CompiledRule<E>; root: number }[] = [];
    for (const rule of this.rules) {
      if (!fits(rule.rule)) continue;
      const simplified = this.graph.simplify(rule.rule.condition, assume);
      if (simplified === false) continue;
      plan.push({ rule, root: simplified === true ? -1 : this.rootOf(simplified) });
    }
    return plan;
  }

  private rootOf(node: Node): number {
    let index = this.rootIndexes.get(node.id);
    if (index === undefined) {
      index = this.roots.length;
      this.roots.push(node);
      this.rootIndexes.set(node.id, index);
    }
    return index;
  }
}

/** Compiles the enabled rules of a load for a source of events. */
export function compileRules<E>(
  loaded: Pick<LoadResult, 'ruleset' | 'registry'>,
  source: FieldSource<E>,
  options: CompileOptions,
): CompiledRules<E> {
  const {
    minimumPriority = 'Debug',
    resolveDomain = NO_DOMAIN,
    usualTypes = EVENT_TYPES,
  } = options;
  const binder = new FieldBinder(source);
  const resolver = new ConditionResolver(loaded.registry);
  const rules = loaded.ruleset.enabled
    .filter(({ priority }) => isAtLeast(priority, minimumPriority))
    .map((rule) => bindRule(rule, binder, resolver));
  const { begin, tables, fallback } = new RuleCompiler(rules, binder).compile(resolveDomain);
  const { matching } = options;
  const none: readonly CompiledRule<E>[] = [];
  const others = tables.get(undefined) ?? fallback;
  return {
    rules,
    eventTypes: eventTypesOfAll(rules, usualTypes),
    domains: domainsOf(rules),
    match(event) {
      begin();
      const table = tables.get(source.typeOf(event)) ?? others;
      let found: readonly CompiledRule<E>[] | undefined;
      try {
        found = select(table, event, matching) ?? select(fallback, event, matching);
      } catch {
        found =
          selectCarefully(table, event, matching) ?? selectCarefully(fallback, event, matching);
      }
      if (!found) return none;
      for (const rule of found) rule.counters.matched += 1;
      return found;
    },
    measure(event, weight, now) {
      for (const table of [tables.get(source.typeOf(event)) ?? others, fallback])
        measureTable(table, event, { weight, now, begin });
    },
    wantsFailures: (eventType) => wantsFailures(rules, binder, eventType),
    couldMatch: (knowledge, only) =>
      couldMatch(
        only ? [only] : rules,
        { binder, typeOf: (event) => source.typeOf(event) },
        knowledge,
      ),
    usesField: fieldUse(rules),
    ...lateDependence(rules, binder, source, options),
  };
}

/** Compiled apart and not before it is asked for, since only events of things just begun are asked about. */
function lateDependence<E>(
  rules: readonly CompiledRule<E>[],
  binder: FieldBinder<E>,
  source: FieldSource<E>,
  { lateFields = new Set(), resolveDomain = NO_DOMAIN }: CompileOptions,
): Pick<CompiledRules<E>, 'dependsOnLate' | 'prepareLate'> {
  const isLate = (leaf: Leaf): boolean =>
    leafFields(leaf).some(({ reference }) => lateFields.has(reference.definition.name));
  const waiting = rules.flatMap((compiled) => {
    const { rule } = compiled;
    const shows = fieldUse([{ ...compiled, rule: { ...rule, condition: NOTHING } }]);
    const could = couldHold(rule.condition, isLate);
    if ([...lateFields].some(shows)) return [{ ...compiled, rule: { ...rule, condition: could } }];
    if (![...leavesOf(rule.condition)].some(isLate)) return [];
    const must: Condition = { kind: 'not', child: mustHold(rule.condition, isLate) };
    const condition: Condition = { kind: 'and', children: [could, must] };
    return [{ ...compiled, rule: { ...rule, condition } }];
  });
  if (waiting.length === 0) return { dependsOnLate: () => false, prepareLate: () => {} };
  let compiled: ReturnType<RuleCompiler<E>['compile']> | undefined;
  const prepare = () => {
    compiled ??= new RuleCompiler(waiting, binder).compile(resolveDomain);
    return compiled;
  };
  return {
    prepareLate: prepare,
    dependsOnLate(event) {
      const { begin, tables, fallback } = prepare();
      begin();
      const table = tables.get(source.typeOf(event)) ?? tables.get(undefined) ?? fallback;
      try {
        return table.scan(event, 0) >= 0 || fallback.scan(event, 0) >= 0;
      } catch {
        return true;
      }
    },
  };
}

const NOTHING: Condition = { kind: 'or', children: [] };

/** The rules of a table that match; nothing if none does. */
function select<E>(
  table: TypeTable<E>,
  event: E,
  matching: 'first' | 'all',
): readonly CompiledRule<E>[] | undefined {
  const { scan, rules, alone } = table;
  let place = scan(event, 0);
  if (place < 0) return undefined;
  const first = alone[place];
  if (matching === 'first') return first;
  place = scan(event, place + 1);
  if (place < 0) return first;
  const several = [...(first ?? [])];
  for (; place >= 0; place = scan(event, place + 1)) several.push(rules[place] as CompiledRule<E>);
  return several;
}

/** The same rule by rule, after one failed: its error is counted, and the others are tried all the same. */
function selectCarefully<E>(
  { rules, decide }: TypeTable<E>,
  event: E,
  matching: 'first' | 'all',
): readonly CompiledRule<E>[] | undefined {
  const found: CompiledRule<E>[] = [];
  for (const [index, rule] of rules.entries()) {
    try {
      if (decide[index]?.(event)) found.push(rule);
    } catch {
      rule.counters.errors += 1;
    }
    if (matching === 'first' && found.length > 0) break;
  }
  return found.length > 0 ? found : undefined;
}

interface Stopwatch {
  readonly weight: number;
  now(): number;
  /** Forgets what is remembered of the event. */
  begin(): void;
}

/** Adds the time of each rule to its counter, less what looking at the clock takes. */
function measureTable<E>(
  { rules, decide }: TypeTable<E>,
  event: E,
  { weight, now, begin }: Stopwatch,
): void {
  const idle = now();
  const clockMs = now() - idle;
  for (const [index, rule] of rules.entries()) {
    begin();
    const start = now();
    try {
      decide[index]?.(event);
    } catch {
      // Counted where the event was judged.
    }
    const ms = now() - start - clockMs;
    if (ms > 0) rule.counters.seconds += (ms * weight) / 1000;
  }
}

function eventTypesOfAll<E>(
  rules: readonly CompiledRule<E>[],
  usualTypes: ReadonlySet<string>,
): ReadonlySet<string> {
  const types = new Set<string>();
  for (const { rule } of rules) {
    // A rule whose set is empty is tried for every type.
    const named =
      rule.eventTypes === 'all' || rule.eventTypes.size === 0 ? EVENT_TYPES : rule.eventTypes;
    const isChoice = named.size * 2 < EVENT_TYPES.size;
    for (const type of named) if (isChoice || usualTypes.has(type)) types.add(type);
  }
  return types;
}

function domainsOf<E>(rules: readonly CompiledRule<E>[]): ReadonlySet<string> {
  const domains = new Set<string>();
  for (const { rule } of rules) {
    for (const { domain } of leavesOf(rule.condition)) {
      for (const name of domain?.names ?? []) domains.add(name);
    }
  }
  return domains;
}

/** A rule whose set is empty is tried for every type. */
function isTriedFor({ eventTypes }: LoadedRule, eventType: string): boolean {
  return eventTypes === 'all' || eventTypes.size === 0 || eventTypes.has(eventType);
}

interface EventReader<E> {
  readonly binder: FieldBinder<E>;
  typeOf(event: E): string;
}

/** What is to be known of a check for events of one type. */
interface LeafView<E> {
  /** What it comes to for all of them. */
  readonly certain: boolean | undefined;
  readonly fields: readonly FieldReference[];
  readonly test: (event: E) => boolean;
}

function couldMatch<E>(
  rules: readonly CompiledRule<E>[],
  { binder, typeOf }: EventReader<E>,
  knowledge: Knowledge<E>,
): (event: E) => boolean {
  const viewsByType = new Map<string, (leaf: Leaf) => LeafView<E>>();
  return (event) => {
    const type = typeOf(event);
    const viewOf = viewsByType.get(type) ?? leafViews(type, binder);
    viewsByType.set(type, viewOf);
    const known = (leaf: Leaf): boolean | undefined => {
      const { certain, fields, test } = viewOf(leaf);
      const assumed = certain ?? knowledge.assume?.(leaf, event);
      // What a domain name stands for changes by the hour.
      if (assumed !== undefined || leaf.domain) return assumed;
      return fields.every((field) => knowledge.knows(field, event)) ? test(event) : undefined;
    };
    return rules.some(
      ({ rule }) => isTriedFor(rule, type) && decideFrom(rule.condition, known) !== false,
    );
  };
}

function leafViews<E>(type: string, binder: FieldBinder<E>): (leaf: Leaf) => LeafView<E> {
  const assume = assumptions(type, binder);
  const views = new Map<Leaf, LeafView<E>>();
  return (leaf) => {
    let view = views.get(leaf);
    if (view === undefined) {
      const fields = leafFields(leaf).map(({ reference }) => reference);
      view = { certain: assume(leaf), fields, test: leafTest(leaf, binder.read, NO_DOMAIN) };
      views.set(leaf, view);
    }
    return view;
  };
}

/** Conservative: only what the shape of the conditions makes certain counts. */
function wantsFailures<E>(
  rules: readonly CompiledRule<E>[],
  binder: FieldBinder<E>,
  eventType: string,
): boolean {
  const graph = new Graph();
  return rules.some(({ rule }) => {
    if (!isTriedFor(rule, eventType)) return false;
    const known = assumptions(eventType, binder);
    const assume = (leaf: Leaf): boolean | undefined => known(leaf) ?? failureOf(leaf, eventType);
    return graph.simplify(rule.condition, assume) !== false;
  });
}

function fieldUse<E>(rules: readonly CompiledRule<E>[]): (name: string) => boolean {
  const names = new Set<string>();
  for (const { rule } of rules) {
    for (const leaf of leavesOf(rule.condition)) {
      for (const { reference } of leafFields(leaf)) names.add(reference.definition.name);
      if (leaf.domain) names.add(leaf.left.text);
    }
    for (const part of [...rule.outputParts, ...rule.extraFields.flatMap(({ parts }) => parts)]) {
      if (typeof part === 'string') continue;
      for (const { reference } of fieldsOf(part.operand)) names.add(reference.definition.name);
    }
  }
  return (name) => names.has(name);
}

/** The condition of a rule with everything in place, as text. */
export function conditionText(rule: LoadedRule): string {
  return textOf(textOfCondition(rule.condition));
}
