/** The routing part of a configuration: what is wrong with it, and what it becomes. */
import {
  type Complaint,
  escapePointer,
  explainErrors,
  type InhibitRuleConfig,
  parseDuration,
  type RouteConfig,
  RouteNode,
  type RoutingDocument,
  type TimeIntervalConfig,
} from '@tocsin/openapi';
import { checkInterval, compileInterval } from './intervals.ts';
import { build, MatcherError, parseMatchers } from './matcher.ts';
import { allOf, anchored, compileTree, type GivenMatchers, matchersOf } from './tree.ts';
import type { InhibitRule, RoutingTree, TimeInterval } from './types.ts';

/** The part of the configuration that routing reads. */
export interface RoutingConfig {
  readonly global: { readonly resolve_timeout: string };
  readonly route?: unknown;
  readonly inhibit_rules: readonly InhibitRuleConfig[];
  readonly time_intervals: readonly TimeIntervalConfig[];
  readonly mute_time_intervals?: readonly TimeIntervalConfig[];
}

/** Everything that routing decides with. */
export interface Routing {
  /** Undefined without a `route`: every channel is told what its minimum priority allows. */
  readonly tree: RoutingTree | undefined;
  readonly timeIntervals: ReadonlyMap<string, TimeInterval>;
  readonly inhibitRules: readonly InhibitRule[];
  readonly resolveTimeoutMs: number;
}

const MAX_DEPTH = 64;

/** Tells everything that is wrong with it, where. `channels` are the names that a route may send to. */
export function checkRouting(config: RoutingConfig, channels: ReadonlySet<string>): Complaint[] {
  const intervals = [
    ...config.time_intervals.map((one, index) => ({ one, at: `/time_intervals/${index}` })),
    ...(config.mute_time_intervals ?? []).map((one, index) => ({
      one,
      at: `/mute_time_intervals/${index}`,
    })),
  ];
  const complaints = intervals.flatMap(({ one, at }, index) => {
    const twice = intervals.findIndex((other) => other.one.name === one.name) < index;
    return [
      ...checkInterval(one, at),
      ...(twice
        ? [{ pointer: `${at}/name`, message: `two time intervals are named '${one.name}'` }]
        : []),
    ];
  });
  complaints.push(
    ...config.inhibit_rules.flatMap((rule, index) =>
      checkInhibition(rule, `/inhibit_rules/${index}`),
    ),
  );
  if (config.route !== undefined) {
    const names = new Set(intervals.map(({ one }) => one.name));
    complaints.push(...new RouteCheck(channels, names).check(config.route, '/route', 0));
  }
  return complaints;
}

const intervalsOf = ({ time_intervals, mute_time_intervals = [] }: RoutingConfig) => [
  ...time_intervals,
  ...mute_time_intervals,
];

/** The routing of a configuration by itself. */
export function documentOf(config: RoutingConfig): RoutingDocument {
  const { global, route, inhibit_rules } = config;
  return {
    global: { resolve_timeout: global.resolve_timeout },
    ...(route !== undefined && { route }),
    inhibit_rules: [...inhibit_rules],
    time_intervals: intervalsOf(config),
  };
}

/** Makes the parts of a configuration that was checked. */
export function compileRouting(config: RoutingConfig): Routing {
  const intervals = intervalsOf(config);
  return {
    tree: config.route === undefined ? undefined : compileTree(plainRoute(config.route)),
    timeIntervals: new Map(intervals.map((one) => [one.name, compileInterval(one)])),
    inhibitRules: config.inhibit_rules.map(compileInhibition),
    resolveTimeoutMs: parseDuration(config.global.resolve_timeout) ?? 0,
  };
}

const sidesOf = (rule: InhibitRuleConfig) => ({
  source: {
    match: rule.source_match,
    match_re: rule.source_match_re,
    matchers: rule.source_matchers,
  },
  target: {
    match: rule.target_match,
    match_re: rule.target_match_re,
    matchers: rule.target_matchers,
  },
});

function compileInhibition(rule: InhibitRuleConfig): InhibitRule {
  const { source, target } = sidesOf(rule);
  return {
    name: rule.name,
    source: matchersOf(source),
    target: matchersOf(target),
    equal: rule.equal ?? [],
    equalMissing: rule.equal_missing === 'match' ? 'match' : 'no_match',
  };
}

function checkInhibition(rule: InhibitRuleConfig, at: string): Complaint[] {
  return Object.entries(sidesOf(rule)).flatMap(([side, given]) => {
    if (Object.values(given).every((one) => Object.keys(one ?? {}).length === 0))
      return [{ pointer: at, message: `it has no ${side}_matchers, and would fit every alert` }];
    return checkMatchers(given, `${at}/${side}_`);
  });
}

/** What is wrong with matchers in all their notations; `prefix` leads to their keys. */
function checkMatchers(given: GivenMatchers, prefix: string): Complaint[] {
  const tried = (pointer: string, make: () => unknown) => attempt(`${prefix}${pointer}`, make);
  return [
    ...Object.entries(given.match ?? {}).flatMap(([name, value]) =>
      tried(`match/${escapePointer(name)}`, () => build(name, '=', String(value))),
    ),
    ...Object.entries(given.match_re ?? {}).flatMap(([name, value]) =>
      tried(`match_re/${escapePointer(name)}`, () => build(name, '=~', anchored(value))),
    ),
    ...(given.matchers ?? []).flatMap((text, index) =>
      tried(`matchers/${index}`, () => parseMatchers(text)),
    ),
  ];
}

function attempt(pointer: string, make: () => unknown): Complaint[] {
  try {
    make();
    return [];
  } catch (error) {
    if (!(error instanceof MatcherError)) throw error;
    return [{ pointer, message: `not a matcher: ${error.message}` }];
  }
}

/** YAML has nothing where people leave a value out, and numbers where they mean a duration. */
function plainRoute(given: unknown): RouteConfig {
  if (!isMapping(given)) return given as RouteConfig;
  const entries = Object.entries(given).flatMap(([key, value]) => {
    if (value === null) return [];
    if (key === 'routes' && Array.isArray(value)) return [[key, value.map(plainRoute)]];
    return [[key, value === 0 && /_(wait|interval|after)$/.test(key) ? '0' : value]];
  });
  return Object.fromEntries(entries) as RouteConfig;
}

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

class RouteCheck {
  readonly #channels: ReadonlySet<string>;
  readonly #intervals: ReadonlySet<string>;

  constructor(channels: ReadonlySet<string>, intervals: ReadonlySet<string>) {
    this.#channels = channels;
    this.#intervals = intervals;
  }

  check(given: unknown, at: string, depth: number): Complaint[] {
    if (depth > MAX_DEPTH)
      return [{ pointer: at, message: `routes are nested deeper than ${MAX_DEPTH}` }];
    const route = shallow(given);
    const shape = explainErrors(RouteNode, route, at);
    if (shape.length > 0) return shape;
    const node = route as RouteConfig;
    return [
      ...(depth === 0 ? checkRoot(node, at) : []),
      ...this.#checkReceiver(node, at),
      ...checkGroupBy(node, at),
      ...checkTimes(node, at),
      ...checkMatchers(node, `${at}/`),
      ...(node.flush_immediately === undefined
        ? []
        : attempt(`${at}/flush_immediately`, () =>
            allOf(parseMatchers(node.flush_immediately ?? '')),
          )),
      ...this.#checkIntervals(node, at),
      ...(node.routes ?? []).flatMap((child, index) =>
        this.check(child, `${at}/routes/${index}`, depth + 1),
      ),
    ];
  }

  #checkReceiver({ receiver }: RouteConfig, at: string): Complaint[] {
    if (receiver === undefined || this.#channels.has(receiver)) return [];
    return [{ pointer: `${at}/receiver`, message: `there is no receiver named '${receiver}'` }];
  }

  #checkIntervals(node: RouteConfig, at: string): Complaint[] {
    return (['mute_time_intervals', 'active_time_intervals'] as const).flatMap((key) =>
      (node[key] ?? []).flatMap((name, index) =>
        this.#intervals.has(name)
          ? []
          : [{ pointer: `${at}/${key}/${index}`, message: `there is no time interval '${name}'` }],
      ),
    );
  }
}

/** One node without what is nothing; the nodes below it stay as they are. */
function shallow(given: unknown): unknown {
  if (!isMapping(given)) return given;
  const { routes, ...own } = given;
  const plain = plainRoute(own);
  return routes === undefined || routes === null ? plain : { ...plain, routes };
}

function checkRoot(node: RouteConfig, at: string): Complaint[] {
  const complaints: Complaint[] = [];
  if (node.receiver === undefined)
    complaints.push({ pointer: at, message: 'the first route must name a receiver' });
  for (const key of ['match', 'match_re', 'matchers'] as const) {
    if (Object.keys(node[key] ?? {}).length > 0)
      complaints.push({
        pointer: `${at}/${key}`,
        message: 'the first route takes every alert and cannot have matchers',
      });
  }
  for (const key of ['mute_time_intervals', 'active_time_intervals'] as const) {
    if ((node[key] ?? []).length > 0)
      complaints.push({ pointer: `${at}/${key}`, message: `the first route cannot have ${key}` });
  }
  if (node.continue)
    complaints.push({
      pointer: `${at}/continue`,
      message: 'the first route has no siblings to continue with',
    });
  return complaints;
}

function checkGroupBy({ group_by = [] }: RouteConfig, at: string): Complaint[] {
  const pointer = `${at}/group_by`;
  const twice = group_by.find((name, index) => group_by.indexOf(name) < index);
  if (twice !== undefined)
    return [{ pointer, message: `the label '${twice}' is named twice in group_by` }];
  if (group_by.length > 1 && group_by.includes('...'))
    return [{ pointer, message: "'...' is all labels and stands alone in group_by" }];
  return [];
}

const POSITIVE = ['group_interval', 'repeat_interval', 'resolve_after'] as const;

function checkTimes(node: RouteConfig, at: string): Complaint[] {
  const given = {
    group_wait: node.group_wait,
    group_interval: node.group_interval,
    repeat_interval: node.repeat_interval,
    resolve_after: node.resolve_after,
    'dedupe/window': node.dedupe?.window,
  };
  return Object.entries(given).flatMap(([key, text]) => {
    if (text === undefined) return [];
    const ms = parseDuration(text);
    if (ms === undefined)
      return [{ pointer: `${at}/${key}`, message: `${key} is longer than a hundred years` }];
    const wrong = ms === 0 && POSITIVE.some((name) => name === key);
    return wrong ? [{ pointer: `${at}/${key}`, message: `${key} cannot be zero` }] : [];
  });
}
