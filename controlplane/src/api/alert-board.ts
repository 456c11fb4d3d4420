/** The alerts of one moment as Alertmanager shows them: who silences, who inhibits, which receivers and groups. */
import type { StoredAlert } from '@tocsin/openapi';
import type { Routing } from '../routing/compile.ts';
import type { Condition } from '../routing/conditions.ts';
import { shownFingerprint } from '../routing/fingerprint.ts';
import { groupKey, groupLabels } from '../routing/tree.ts';
import type { Labels } from '../routing/types.ts';
import type { RecentAlert } from '../silences/recent.ts';
import { readMatcherSets, type Silences, stateOf } from '../silences/silences.ts';
import type { StoredSilence } from '../store/silences.ts';

/** Where a board reads from. */
export interface BoardSources {
  readonly silences: Silences<StoredAlert>;
  /** What is routed by now. */
  readonly routing: () => Routing;
  /** Names of all channels. */
  readonly receivers: () => readonly string[];
  /** Alerts that were seen since a time, ms. */
  readonly recent: (since: number) => Promise<readonly RecentAlert[]>;
}

export interface ShownAlert {
  readonly labels: Labels;
  readonly receivers: readonly { readonly name: string }[];
  readonly status: {
    readonly state: string;
    readonly silencedBy: readonly string[];
    readonly inhibitedBy: readonly string[];
  };
}

/** What a query asks for; all must fit. */
export interface AlertFilter {
  readonly matchers: readonly Condition[];
  readonly receiver: ((name: string) => boolean) | undefined;
  readonly active: boolean;
  readonly silenced: boolean;
  readonly inhibited: boolean;
}

/** When an alert is over that is not seen again. */
function endOf(alert: StoredAlert, { resolveTimeoutMs }: Routing): number {
  const given = alert.external?.ends_at;
  return given ? Date.parse(given) : Date.parse(alert.last_seen) + resolveTimeoutMs;
}

function fits({ labels, receivers, status }: ShownAlert, filter: AlertFilter): boolean {
  const { matchers, receiver, active, silenced, inhibited } = filter;
  return (
    (active || status.state !== 'active') &&
    (silenced || status.silencedBy.length === 0) &&
    (inhibited || status.inhibitedBy.length === 0) &&
    (!receiver || receivers.some(({ name }) => receiver(name))) &&
    matchers.every((matcher) => matcher.matches(labels))
  );
}

export class AlertBoard {
  readonly #routing: Routing;
  readonly #receivers: readonly string[];
  readonly #all: readonly RecentAlert[];
  readonly #silences: readonly { id: string; sets: readonly (readonly Condition[])[] }[];

  private constructor(
    { routing, receivers }: BoardSources,
    now: number,
    recent: readonly RecentAlert[],
    active: readonly StoredSilence[],
  ) {
    this.#routing = routing();
    this.#receivers = receivers();
    this.#all = recent.filter(({ alert }) => endOf(alert, this.#routing) > now);
    this.#silences = active.map(({ id, matchers }) => ({ id, sets: readMatcherSets(matchers) }));
  }

  static async read(sources: BoardSources, now = Date.now()): Promise<AlertBoard> {
    const silences = await sources.silences.list(now);
    const active = silences.filter((one) => stateOf(one, now) === 'active');
    const recent = await sources.recent(now - sources.routing().resolveTimeoutMs);
    return new AlertBoard(sources, now, recent, active);
  }

  alerts(filter: AlertFilter) {
    return this.#all
      .map(({ labels, alert }) => this.#show(labels, alert))
      .filter((alert) => fits(alert, filter))
      .sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1));
  }

  groups(filter: AlertFilter) {
    const groups = new Map<
      string,
      { labels: Labels; receiver: { name: string }; alerts: ShownAlert[] }
    >();
    for (const { labels, alert } of this.#all) {
      const shown = this.#show(labels, alert);
      if (!fits(shown, filter)) continue;
      for (const route of this.#routing.tree?.match(labels) ?? []) {
        if (filter.receiver && !filter.receiver(route.channel)) continue;
        const key = `${route.id} ${groupKey(route, labels)}`;
        const group = groups.get(key) ?? {
          labels: groupLabels(route, labels),
          receiver: { name: route.channel },
          alerts: [],
        };
        group.alerts.push(shown);
        groups.set(key, group);
      }
    }
    return [...groups.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
  }

  #show(labels: Labels, alert: StoredAlert) {
    const silencedBy = this.#silences
      .filter(({ sets }) => sets.some((set) => set.every((one) => one.matches(labels))))
      .map(({ id }) => id);
    const inhibitedBy = this.#inhibitors(labels);
    const held = silencedBy.length + inhibitedBy.length > 0;
    const { external } = alert;
    const channels = this.#routing.tree?.match(labels).map(({ channel }) => channel);
    return {
      annotations: external?.annotations ?? { description: alert.output, summary: alert.rule },
      endsAt: new Date(endOf(alert, this.#routing)).toISOString(),
      fingerprint: shownFingerprint(labels),
      receivers: [...new Set(channels ?? this.#receivers)].map((name) => ({ name })),
      startsAt: external?.starts_at ?? alert.first_seen,
      status: { inhibitedBy, silencedBy, state: held ? 'suppressed' : 'active' },
      updatedAt: alert.last_seen,
      generatorURL: external?.generator_url ?? '',
      labels,
    };
  }

  #inhibitors(labels: Labels): string[] {
    const all = (matchers: readonly { matches(labels: Labels): boolean }[], of: Labels) =>
      matchers.every((matcher) => matcher.matches(of));
    for (const { source, target, equal, equalMissing } of this.#routing.inhibitRules) {
      if (!all(target, labels)) continue;
      const twoSided = all(source, labels);
      const found = this.#all.find(
        ({ labels: other }) =>
          all(source, other) &&
          !(twoSided && all(target, other)) &&
          equal.every(
            (name) =>
              other[name] === labels[name] &&
              (equalMissing === 'match' || labels[name] !== undefined),
          ),
      );
      if (found) return [shownFingerprint(found.labels)];
    }
    return [];
  }
}
