/** A routing configuration as groups need it: which group an alert goes into, under which names the store knows routes. Pure. */
import { hash } from 'node:crypto';
import type { Channel, Config } from '@tocsin/openapi';
import { compileRouting, type Routing } from '../routing/compile.ts';
import { compareText } from '../routing/flush.ts';
import { isSource } from '../routing/inhibition.ts';
import { labelsOf, labelsSource } from '../routing/labels.ts';
import { groupLabels } from '../routing/tree.ts';
import type { Labels, Route, RoutingTree } from '../routing/types.ts';
import type { Bucket, GroupDefinition, GroupsRequest } from '../store/groups.ts';
import { isUrgent } from './notification.ts';

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

/** How much may be told apart; the rest is told together, in the overflow group of its route. */
export interface GroupLimits {
  /** Groups a route may have. */
  readonly maxGroups: number;
  /** New groups of a route over time and at once: what comes faster is a storm. */
  readonly newGroups: Bucket;
  /** New alerts of one rule and host over time and at once. */
  readonly throttle: Bucket | undefined;
}

/** Whether a channel is told what is new, alert by alert, and not what a group says as a whole. */
export const tellsNews = (mode: Channel['mode']): boolean => mode === 'every' || mode === 'digest';

const MINUTE_US = 60_000_000;
/** Label sets of which is remembered what follows from them. */
const REMEMBERED = 20_000;
/** Longer ones are worked out each time. */
const LONGEST_REMEMBERED = 4096;

function remembered<T>(known: Map<string, T>, key: string, make: () => T): T {
  const found = known.get(key);
  if (found !== undefined) return found;
  const made = make();
  if (key.length > LONGEST_REMEMBERED) return made;
  if (known.size >= REMEMBERED) known.clear();
  known.set(key, made);
  return made;
}

/** A rate as the scripts take it. */
export const bucketOf = (perMinute: number, burst: number): Bucket => [
  Math.round(MINUTE_US / perMinute),
  Math.round(MINUTE_US / perMinute) * (burst - 1),
];

const DEFAULT_LIMITS: GroupLimits = {
  maxGroups: 10_000,
  newGroups: bucketOf(120, 500),
  throttle: undefined,
};

/** Identity of labels: 128 bits, because whoever chooses labels must not be able to hide one alert behind another. */
export const fingerprintOfLabels = (labels: Labels): string => digest(sortedPairs(labels));

/** 132 bits as text. */
const digest = (value: unknown): string =>
  hash('sha256', JSON.stringify(value), 'base64url').slice(0, 22);
const sortedPairs = (labels: Labels) =>
  Object.keys(labels)
    .sort(compareText)
    .map((name) => [name, labels[name]]);

/** The fingerprint of an alert as a route sees it: of all its labels, or of those that the route names. */
function fingerprintFor(grouping: Grouping, route: Route, labels: Labels): string {
  const identity = route.dedupe?.identity;
  return identity
    ? digest([grouping.idOf(route), identity.map((name) => labels[name] ?? '')])
    : fingerprintOfLabels(labels);
}

/** Where an alert goes below one route: under which fingerprint into which group. */
export interface Place {
  readonly route: Route;
  readonly fingerprint: string;
  readonly group: string;
  readonly groupLabels: Labels;
  /** It does not wait for its group. */
  readonly immediate: boolean;
}

/** What follows from labels alone. */
interface Placed {
  readonly places: readonly Place[];
  /** Routes that say themselves what is the same thing have a record of their own of it. */
  readonly records: readonly {
    readonly fingerprint: string;
    readonly places: readonly Place[];
    /** Id of the route that it is accounted to; `-`: it is accounted elsewhere. */
    readonly account: string;
  }[];
  /** Whether it can hold back others. */
  readonly isSource: boolean;
  readonly isUrgent: boolean;
  /** What its throttle is counted by. */
  readonly bucket: string;
  /** After so many ms of not being seen it is resolved. */
  readonly resolveAfterMs: number;
}

interface RequestGroup {
  readonly position: number;
}

export class Grouping {
  readonly routing: Routing;
  readonly tree: RoutingTree;
  readonly limits: GroupLimits;
  /** The routes that time intervals mute. */
  readonly timed: readonly Route[];
  readonly #ids = new Map<Route, string>();
  readonly #byId = new Map<string, Route>();
  readonly #modeOf: (channel: string) => Channel['mode'];
  /** By the text of the labels. */
  readonly #placed = new Map<string, Placed>();
  /** By what they are made of. */
  readonly #labels = new Map<string, Labels>();

  /** Output fields of an alert that are labels too. */
  readonly #fields: readonly string[];

  /** The configuration must have a `route`. */
  constructor(
    routing: Routing,
    outputFields: readonly string[] = [],
    limits: GroupLimits = DEFAULT_LIMITS,
    modeOf: (channel: string) => Channel['mode'] = () => undefined,
  ) {
    this.#modeOf = modeOf;
    this.#fields = outputFields;
    this.limits = limits;
    if (!routing.tree) throw new Error('there is no routing tree');
    this.routing = routing;
    this.tree = routing.tree;
    this.timed = routing.tree.routes.filter(
      ({ muteTimeIntervals, activeTimeIntervals }) =>
        muteTimeIntervals.length + activeTimeIntervals.length > 0,
    );
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

  /** The same for configurations that put alerts into the same groups with the same times, and hold back the same. */
  get signature(): string {
    const { inhibitRules, resolveTimeoutMs, timeIntervals } = this.routing;
    const rules = inhibitRules.map(({ source, target, equal, equalMissing }) => [
      ...[source.map(String), target.map(String)],
      ...[equal, equalMissing],
    ]);
    const routes = this.tree.routes.map((route) => [route, String(route.flushImmediately)]);
    const intervals = [...timeIntervals].map(([name, interval]) => [name, String(interval)]);
    return digest([routes, rules, intervals, resolveTimeoutMs, this.#fields]);
  }

  /** The name under which the store knows a route. */
  idOf(route: Route): string {
    return this.#ids.get(route) as string;
  }

  /** The route of a name; undefined when the configuration no longer has it. */
  route(id: string): Route | undefined {
    return this.#byId.get(id);
  }

  /** What the channel of a route is told, as it is now. */
  modeOf({ channel }: Route): Channel['mode'] {
    return this.#modeOf(channel);
  }

  /** The group of an alert below a route, as the store knows it. */
  groupId(route: Route, labels: Labels): string {
    return digest([this.idOf(route), sortedPairs(labels)]);
  }

  /** The labels of an alert that an agent sent; of two that have the same they are mostly one object. */
  labelsOf(alert: Parameters<typeof labelsOf>[0], agent: string): Labels {
    return remembered(this.#labels, labelsSource(alert, agent, this.#fields), () =>
      labelsOf(alert, agent, this.#fields),
    );
  }

  /** Labels with the chosen ones of the output fields; the labels go first. */
  withFields(labels: Labels, fields: Labels): Labels {
    const all: Record<string, string> = Object.create(null);
    for (const name of this.#fields) if (fields[name] !== undefined) all[name] = fields[name];
    return Object.freeze(Object.assign(all, labels));
  }

  /** Where an alert with these labels goes. */
  places(labels: Labels): readonly Place[] {
    return this.placed(labels, JSON.stringify(labels)).places;
  }

  /** What follows from these labels; `text` is their JSON. */
  placed(labels: Labels, text: string): Placed {
    return remembered(this.#placed, text, () => this.#place(labels));
  }

  #place(labels: Labels): Placed {
    const places = this.tree.match(labels).map((route) => {
      const own = groupLabels(route, labels);
      return {
        route,
        fingerprint: fingerprintFor(this, route, labels),
        group: this.groupId(route, own),
        groupLabels: own,
        immediate: route.flushImmediately?.matches(labels) ?? false,
      };
    });
    const records = new Map<string, Place[]>();
    for (const place of places) {
      const same = records.get(place.fingerprint);
      if (same) same.push(place);
      else records.set(place.fingerprint, [place]);
    }
    const { inhibitRules, resolveTimeoutMs } = this.routing;
    const [first] = places;
    return {
      places,
      records: [...records].map(([fingerprint, own]) => ({
        ...{ fingerprint, places: own },
        account: first && own.includes(first) ? this.idOf(first.route) : '-',
      })),
      isSource: isSource(inhibitRules, labels),
      isUrgent: isUrgent(labels),
      bucket: this.limits.throttle ? `rule ${digest([labels['rule'], labels['hostname']])}` : '',
      resolveAfterMs: Math.max(
        ...places.map(
          ({ route: { resolveAfterMs, dedupe } }) =>
            resolveAfterMs ?? Math.max(dedupe?.windowMs ?? 0, resolveTimeoutMs),
        ),
      ),
    };
  }

  /** The request that puts alerts into their groups. `now` only for a clock other than that of Redis. */
  request(
    alerts: readonly IncomingAlert[],
    now?: number,
    positionOf: (index: number) => number | undefined = () => undefined,
  ): GroupsRequest {
    return new RequestBuilder(this).build(alerts, now, positionOf);
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

  build(
    alerts: readonly IncomingAlert[],
    now: number | undefined,
    positionOf: (index: number) => number | undefined,
  ): GroupsRequest {
    const rows = alerts.flatMap((alert, index) => {
      const position = positionOf(index);
      const own = this.#rowsOf(alert);
      return position === undefined ? own : own.map((row) => [...row, position]);
    });
    const { throttle } = this.#grouping.limits;
    return {
      ...(now !== undefined && { now }),
      ...(throttle && { throttle }),
      routes: this.#routeRows,
      groups: this.#groupRows,
      alerts: rows,
    };
  }

  #rowsOf({ labels, startsAt, endsAt, ...alert }: IncomingAlert): unknown[][] {
    const text = JSON.stringify(labels);
    const placed = this.#grouping.placed(labels, text);
    return placed.records.map(({ fingerprint, places, account }) => [
      fingerprint,
      text,
      startsAt ?? false,
      endsAt ?? placed.resolveAfterMs,
      endsAt === undefined ? 1 : 0,
      alert.occurrences,
      alert.seen?.[0] ?? false,
      alert.seen?.[1] ?? false,
      alert.sample ?? '-',
      placed.isSource ? 1 : 0,
      alert.agent ?? '-',
      account,
      places.map((place) => this.#groupOf(place)),
      places
        .filter((place) => place.immediate || this.#grouping.modeOf(place.route) === 'every')
        .map((place) => this.#groupOf(place)),
      placed.isUrgent ? 1 : 0,
      placed.bucket,
    ]);
  }

  #groupOf({ route, group, groupLabels: own }: Place): number {
    return this.#group(route, group, { l: own });
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
    const { groupWaitMs, groupIntervalMs } = route;
    const news = tellsNews(this.#grouping.modeOf(route)) ? 1 : 0;
    this.#groupRows.push([id, at, JSON.stringify(whole), groupWaitMs, groupIntervalMs, news]);
    return position;
  }

  #route(route: Route): number {
    const known = this.#routes.get(route);
    if (known) return known.position;
    const position = this.#routeRows.length + 1;
    this.#routes.set(route, { position });
    const id = this.#grouping.idOf(route);
    const overflowAt = this.#groupRows.length + 1;
    const { maxGroups, newGroups } = this.#grouping.limits;
    this.#routeRows.push([id, maxGroups, overflowAt, ...newGroups]);
    this.#group(route, digest([id, 'overflow']), { l: {}, o: 1 });
    return position;
  }
}

/** The grouping of a configuration; undefined when it has no `route`. */
export function groupingOf(
  config: Config,
  routing: Routing = compileRouting(config),
  modeOf?: (channel: string) => Channel['mode'],
): Grouping | undefined {
  if (!routing.tree) return undefined;
  const { max_groups, new_groups, new_alerts } = config.storm;
  const limits = {
    maxGroups: max_groups,
    newGroups: bucketOf(new_groups.per_minute, new_groups.burst),
    throttle: new_alerts && bucketOf(new_alerts.per_minute, new_alerts.burst),
  };
  return new Grouping(routing, config.labels.output_fields, limits, modeOf);
}
