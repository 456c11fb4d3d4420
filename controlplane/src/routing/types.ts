/** The words of routing: what the tree, groups, silences and inhibition say to each other. Pure; times are milliseconds since 1970. */

/** Labels of an alert: without a prototype and without empty values, because an empty label is a missing one. */
export type Labels = Readonly<Record<string, string>>;

/** One condition on labels. */
export interface Matcher {
  matches(labels: Labels): boolean;
  /** In Alertmanager's notation, as keys of groups hold it. */
  toString(): string;
}

/** An inclusive or exclusive set of times. */
export interface TimeInterval {
  contains(at: Date): boolean;
  /** What it is made of. */
  toString(): string;
}

/** What a route says of repeats of one thing. */
export interface RouteDedupe {
  readonly windowMs: number | undefined;
  /** Labels that make the identity, instead of all. */
  readonly identity: readonly string[] | undefined;
}

/** How many notifications a route may make. */
export interface RouteThrottle {
  readonly perMinute: number;
  readonly burst: number;
}

/** A node of the routing tree with all it inherits. */
export interface Route {
  /** Unique: the key, and the positions among the siblings below the root. */
  readonly id: string;
  /** The matchers from the root down, as in Alertmanager: `{}/{env="prod"}`. */
  readonly key: string;
  /** Name of the channel, Alertmanager's receiver. */
  readonly channel: string;
  readonly groupBy: readonly string[] | 'all';
  readonly groupWaitMs: number;
  readonly groupIntervalMs: number;
  readonly repeatIntervalMs: number;
  readonly muteTimeIntervals: readonly string[];
  readonly activeTimeIntervals: readonly string[];
  readonly dedupe: RouteDedupe | undefined;
  readonly throttle: RouteThrottle | undefined;
  /** An alert that was not seen for so long is resolved, ms; undefined takes the global value. */
  readonly resolveAfterMs: number | undefined;
  /** An alert that it matches does not wait for its group. */
  readonly flushImmediately: Matcher | undefined;
  /** Position in the tree, depth first. */
  readonly order: number;
}

export interface RoutingTree {
  /** The routes that take an alert with these labels, in tree order; never empty. */
  match(labels: Labels): readonly Route[];
  /** Every node, in tree order; the first is the root. */
  readonly routes: readonly Route[];
}

/** While a source fires, targets that agree with it in the labels `equal` are held back. */
export interface InhibitRule {
  readonly name: string | undefined;
  readonly source: readonly Matcher[];
  readonly target: readonly Matcher[];
  readonly equal: readonly string[];
  /** Whether a label that both lack counts as equal. */
  readonly equalMissing: 'match' | 'no_match';
}

/** Holds back what any one of its sets matches wholly, from `startsAt` until `endsAt`. */
export interface Silence {
  readonly id: string;
  readonly matchers: readonly (readonly Matcher[])[];
  readonly startsAt: number;
  readonly endsAt: number;
}
