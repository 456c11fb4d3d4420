/** The routing tree: what of a configuration each route inherits, and which routes take an alert. Semantics are Alertmanager's. */
import { parseDuration, type RouteConfig } from '@tocsin/openapi';
import { type Condition, compareConditions } from './conditions.ts';
import { build, parseMatchers } from './matcher.ts';
import { compareBytes, quote, RESERVED } from './quote.ts';
import type { Labels, Matcher, Route, RoutingTree } from './types.ts';

/** What the root has when it does not say otherwise. */
const DEFAULTS = {
  groupBy: [],
  groupWaitMs: 30_000,
  groupIntervalMs: 5 * 60_000,
  repeatIntervalMs: 4 * 3_600_000,
  dedupe: undefined,
  throttle: undefined,
  resolveAfterMs: undefined,
  flushImmediately: undefined,
} as const satisfies Partial<Route>;

/** Matchers in their three notations. */
export interface GivenMatchers {
  readonly match?: RouteConfig['match'] | undefined;
  readonly match_re?: RouteConfig['match_re'] | undefined;
  readonly matchers?: readonly string[] | undefined;
}

/** What `match_re` says, as Alertmanager shows it in keys. */
export const anchored = (pattern: string | number | boolean): string => `^(?:${pattern})$`;

/** Conditions that must all hold, in the order of a route's key. Throws MatcherError. */
export function matchersOf({ match, match_re, matchers }: GivenMatchers): Condition[] {
  return [
    ...Object.entries(match ?? {}).map(([name, value]) => build(name, '=', String(value))),
    ...Object.entries(match_re ?? {}).map(([name, value]) => build(name, '=~', anchored(value))),
    ...(matchers ?? []).flatMap((text) => parseMatchers(text)),
  ].sort(compareConditions);
}

/** Conditions that only hold together. */
export function allOf(conditions: readonly Matcher[]): Matcher {
  return {
    matches: (labels) => conditions.every((condition) => condition.matches(labels)),
    toString: () => `{${conditions.join(',')}}`,
  };
}

/** Makes a tree of a route that was checked. Throws MatcherError for one that was not. */
export function compileTree(root: RouteConfig): RoutingTree {
  const routes: Route[] = [];
  const node = compileNode(root, undefined, 0, routes);
  return { routes, match: (labels) => matchNode(node, labels) };
}

interface Node {
  readonly route: Route;
  readonly conditions: readonly Condition[];
  readonly goesOn: boolean;
  readonly children: readonly Node[];
  readonly index: ChildIndex;
}

function compileNode(
  given: RouteConfig,
  parent: Route | undefined,
  position: number,
  routes: Route[],
): Node {
  const conditions = matchersOf(given);
  const route = routeOf(given, conditions, parent, position, routes.length);
  routes.push(route);
  const children = (given.routes ?? []).map((child, at) => compileNode(child, route, at, routes));
  const index = new ChildIndex(children.map((child) => child.conditions));
  return { route, conditions, goesOn: given.continue === true, children, index };
}

function routeOf(
  given: RouteConfig,
  conditions: readonly Condition[],
  parent: Route | undefined,
  position: number,
  order: number,
): Route {
  const own = `{${conditions.join(',')}}`;
  const base = parent ?? { ...DEFAULTS, channel: '' };
  const { group_by, dedupe, throttle, flush_immediately } = given;
  return Object.freeze({
    id: parent ? `${parent.id}/${own}/${position}` : own,
    key: parent ? `${parent.key}/${own}` : own,
    channel: given.receiver ?? base.channel,
    groupBy: group_by ? groupByOf(group_by) : base.groupBy,
    groupWaitMs: milliseconds(given.group_wait) ?? base.groupWaitMs,
    groupIntervalMs: milliseconds(given.group_interval) ?? base.groupIntervalMs,
    repeatIntervalMs: milliseconds(given.repeat_interval) ?? base.repeatIntervalMs,
    muteTimeIntervals: given.mute_time_intervals ?? [],
    activeTimeIntervals: given.active_time_intervals ?? [],
    dedupe: dedupe
      ? { windowMs: milliseconds(dedupe.window), identity: dedupe.identity }
      : base.dedupe,
    throttle: throttle ? { perMinute: throttle.per_minute, burst: throttle.burst } : base.throttle,
    resolveAfterMs: milliseconds(given.resolve_after) ?? base.resolveAfterMs,
    flushImmediately:
      flush_immediately === undefined
        ? base.flushImmediately
        : allOf(parseMatchers(flush_immediately)),
    order,
  });
}

const groupByOf = (names: readonly string[]): Route['groupBy'] =>
  names.includes('...') ? 'all' : [...names];

const milliseconds = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : parseDuration(text);

function matchNode(node: Node, labels: Labels): readonly Route[] {
  const found: Route[] = [];
  for (const position of node.index.candidates(labels)) {
    const child = node.children[position] as Node;
    if (!child.conditions.every((condition) => condition.matches(labels))) continue;
    found.push(...matchNode(child, labels));
    if (!child.goesOn) break;
  }
  return found.length > 0 ? found : [node.route];
}

/**
 * Which children can match at all. A child that demands one of some values of a label is found by the value, so that thousands of
 * siblings for thousands of teams cost one look; the others are always asked.
 */
class ChildIndex {
  readonly #byLabel = new Map<string, Map<string, number[]>>();
  readonly #always: number[] = [];

  constructor(children: readonly (readonly Condition[])[]) {
    const crowds = new Map<string, number>();
    const keyOf = (name: string, value: string) => `${name}\0${value}`;
    for (const { name, value } of children.flatMap(demands)) {
      const key = keyOf(name, value);
      crowds.set(key, (crowds.get(key) ?? 0) + 1);
    }
    const crowdOf = ({ name, values }: Condition) =>
      (values ?? []).reduce((sum, value) => sum + (crowds.get(keyOf(name, value)) ?? 0), 0);
    children.forEach((conditions, position) => {
      const rarest = conditions
        .filter(({ values }) => values !== undefined)
        .reduce<Condition | undefined>(
          (best, one) => (best && crowdOf(best) <= crowdOf(one) ? best : one),
          undefined,
        );
      if (rarest) this.#add(rarest, position);
      else this.#always.push(position);
    });
  }

  /** Positions in order, among them those of all children that match. */
  candidates(labels: Labels): readonly number[] {
    let found = this.#always;
    for (const [name, byValue] of this.#byLabel) {
      const more = byValue.get(labels[name] ?? '');
      if (more) found = found.length === 0 ? more : merged(found, more);
    }
    return found;
  }

  #add({ name, values }: Condition, position: number): void {
    const byValue = this.#byLabel.get(name) ?? new Map<string, number[]>();
    this.#byLabel.set(name, byValue);
    for (const value of new Set(values)) {
      const positions = byValue.get(value);
      if (positions) positions.push(position);
      else byValue.set(value, [position]);
    }
  }
}

const demands = (conditions: readonly Condition[]) =>
  conditions.flatMap(({ name, values }) => (values ?? []).map((value) => ({ name, value })));

/** Two ascending lists as one. */
function merged(a: readonly number[], b: readonly number[]): number[] {
  const all: number[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [left, right] = [a[i] ?? Number.POSITIVE_INFINITY, b[j] ?? Number.POSITIVE_INFINITY];
    if (left <= right) i++;
    if (right <= left) j++;
    all.push(Math.min(left, right));
  }
  return all;
}

/** The labels that an alert's group is made of; those it lacks are left out. */
export function groupLabels({ groupBy }: Pick<Route, 'groupBy'>, labels: Labels): Labels {
  if (groupBy === 'all') return labels;
  const group: Record<string, string> = Object.create(null);
  for (const name of groupBy) {
    const value = labels[name];
    if (value !== undefined) group[name] = value;
  }
  return Object.freeze(group);
}

/** Alertmanager's text of a group by its labels: `{}/{env="prod"}:{alertname="High", cluster="a"}`. */
export const keyOfGroup = ({ key }: Pick<Route, 'key'>, labels: Labels): string =>
  `${key}:${labelsText(labels)}`;

/** The same by the labels of an alert. */
export const groupKey = (route: Pick<Route, 'key' | 'groupBy'>, labels: Labels): string =>
  keyOfGroup(route, groupLabels(route, labels));

/** Labels as Go prints a label set. */
export function labelsText(labels: Labels): string {
  const parts = Object.keys(labels)
    .sort(compareBytes)
    .map((name) => `${RESERVED.test(name) ? quote(name) : name}=${quote(labels[name] ?? '')}`);
  return `{${parts.join(', ')}}`;
}
