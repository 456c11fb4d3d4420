/** A routing configuration as groups need it: which group an alert goes into, under which names the store knows routes. Pure. */
import { hash } from 'node:crypto';
import type { Routing } from '../routing/compile.ts';
import { compareText } from '../routing/flush.ts';
import { isSource } from '../routing/inhibition.ts';
import { groupLabels } from '../routing/tree.ts';
import type { Labels, Route, RoutingTree } from '../routing/types.ts';
import type { Bucket, GroupDefinition, GroupsRequest } from '../store/groups.ts';

/** An alert on its way into its groups. Times are ms since the epoch. */
export interface IncomingAlert {
  readonly labels: Labels;
  /** Undefined: when it comes. */
  readonly startsAt: number | undefined;
  /** Undefined: it is resolved when it was not seen for as long as its route says. */
  readonly endsAt: number | undefined;
  /** How many alerts it stands for. */
  readonly occurrences: number;
  /** When it was first and last seen; undefined: when it comes. */
  readonly seen: readonly [first: number, last: number] | undefined;
  /** Id of the stored alert with its body. */
  readonly sample: string | undefined;
  /** Id of the agent that sent it. */
  readonly agent: string | undefined;
}

/** Groups a route may have; what would need more goes into its overflow group. */
export const MAX_GROUPS = 10_000;
/** New groups of a route over time and at once. What comes faster is a storm, and told together. */
const NEW_GROUPS: Bucket = [60_000_000 / 120, 500 * (60_000_000 / 120)];

/** Identity of labels: 128 bits, because whoever chooses labels must not be able to hide one alert behind another. */
export const fingerprintOfLabels = (labels: Labels): string => digest(sortedPairs(labels));

const digest = (value: unknown): string =>
  Buffer.from(hash('sha256', JSON.stringify(value), 'hex').slice(0, 32), 'hex').toString(
    'base64url',
  );
const sortedPairs = (labels: Labels) =>
  Object.keys(labels)
    .sort(compareText)
    .map((name) => [name, labels[name]]);

interface RequestGroup {
  readonly position: number;
}

export class Grouping {
  readonly routing: Routing;
  readonly tree: RoutingTree;
  readonly #ids = new Map<Route, string>();
  readonly #byId = new Map<string, Route>();

  /** The configuration must have a `route`. */
  constructor(routing: Routing) {
    if (!routing.tree) throw new Error('there is no routing tree');
    this.routing = routing;
    this.tree = routing.tree;
    const same = new Map<string, number>();
    for (const route of routing.tree.routes) {
      // Its matchers from the root down name a route, so that it stays the same when others are put before it.
      const earlier = same.get(route.key) ?? 0;
      same.set(route.key, earlier + 1);
      const id = digest([route.key, earlier]).slice(0, 16);
      this.#ids.set(route, id);
      this.#byId.set(id, route);
    }
  }

  /** The name under which the store knows a route. */
  idOf(route: Route): string {
    return this.#ids.get(route) as string;
  }

  /** The route of a name; undefined when the configuration no longer has it. */
  route(id: string): Route | undefined {
    return this.#byId.get(id);
  }

  /** The group of an alert below a route, as the store knows it. */
  groupId(route: Route, labels: Labels): string {
    return digest([this.idOf(route), sortedPairs(labels)]);
  }

  /** The request that puts alerts into their groups. `now` only for a clock other than that of Redis. */
  request(alerts: readonly IncomingAlert[], now?: number): GroupsRequest {
    return new RequestBuilder(this).build(alerts, now);
  }
}

class RequestBuilder {
  readonly #grouping: Grouping;
  readonly #routes = new Map<Route, RequestGroup>();
  readonly #groups = new Map<string, RequestGroup>();
  readonly #routeRows: GroupsRequest['routes'][number][] = [];
  readonly #groupRows: GroupsRequest['groups'][number][] = [];

  constructor(grouping: Grouping) {
    this.#grouping = grouping;
  }

  build(alerts: readonly IncomingAlert[], now: number | undefined): GroupsRequest {
    const rows = alerts.flatMap((alert) => this.#rowsOf(alert));
    return {
      ...(now !== undefined && { now }),
      routes: this.#routeRows,
      groups: this.#groupRows,
      alerts: rows,
    };
  }

  #rowsOf(alert: IncomingAlert): unknown[][] {
    const { labels } = alert;
    const { routing, tree } = this.#grouping;
    const routes = tree.match(labels);
    const resolveAfter = Math.max(
      ...routes.map(
        ({ resolveAfterMs, dedupe }) =>
          resolveAfterMs ?? Math.max(dedupe?.windowMs ?? 0, routing.resolveTimeoutMs),
      ),
    );
    // Routes that say themselves what is the same thing have a record of their own of it.
    const records = new Map<string, Route[]>();
    for (const route of routes) {
      const identity = route.dedupe?.identity;
      const fingerprint = identity
        ? digest([this.#grouping.idOf(route), identity.map((name) => labels[name] ?? '')])
        : fingerprintOfLabels(labels);
      records.set(fingerprint, [...(records.get(fingerprint) ?? []), route]);
    }
    const text = JSON.stringify(labels);
    const source = isSource(routing.inhibitRules, labels) ? 1 : 0;
    const [first] = routes;
    return [...records].map(([fingerprint, own]) => [
      fingerprint,
      text,
      alert.startsAt ?? false,
      alert.endsAt ?? resolveAfter,
      alert.endsAt === undefined ? 1 : 0,
      alert.occurrences,
      alert.seen?.[0] ?? false,
      alert.seen?.[1] ?? false,
      alert.sample ?? '-',
      source,
      alert.agent ?? '-',
      first && own.includes(first) ? this.#grouping.idOf(first) : '-',
      own.map((route) => this.#groupOf(route, labels)),
      own
        .filter((route) => route.flushImmediately?.matches(labels))
        .map((route) => this.#groupOf(route, labels)),
    ]);
  }

  #groupOf(route: Route, labels: Labels): number {
    const own = groupLabels(route, labels);
    return this.#group(route, this.#grouping.groupId(route, own), { l: own });
  }

  #group(route: Route, id: string, definition: Pick<GroupDefinition, 'l' | 'o'>): number {
    const known = this.#groups.get(id);
    if (known) return known.position;
    const at = this.#route(route);
    const position = this.#groupRows.length + 1;
    this.#groups.set(id, { position });
    const whole: GroupDefinition = {
      r: this.#grouping.idOf(route),
      i: route.groupIntervalMs,
      ...definition,
    };
    this.#groupRows.push([id, at, JSON.stringify(whole), route.groupWaitMs, route.groupIntervalMs]);
    return position;
  }

  #route(route: Route): number {
    const known = this.#routes.get(route);
    if (known) return known.position;
    const position = this.#routeRows.length + 1;
    this.#routes.set(route, { position });
    const id = this.#grouping.idOf(route);
    const overflowAt = this.#groupRows.length + 1;
    this.#routeRows.push([id, MAX_GROUPS, overflowAt, ...NEW_GROUPS]);
    this.#group(route, digest([id, 'overflow']), { l: {}, o: 1 });
    return position;
  }
}
