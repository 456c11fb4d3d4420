/**
 * The alerts that fire at a moment as Alertmanager shows them: who silences, who inhibits, which receivers and groups. With a route
 * they are those that the groups are made of; without one, the recent ones.
 */
import type { StoredAlert } from '@tocsin/openapi';
import type { Grouping } from '../groups/grouping.ts';
import { isActive, mutedBy } from '../groups/holds.ts';
import type { GroupRunner } from '../groups/runner.ts';
import { readSilence, SilenceIndex } from '../groups/silences.ts';
import type { Routing } from '../routing/compile.ts';
import type { Condition } from '../routing/conditions.ts';
import { shownFingerprint } from '../routing/fingerprint.ts';
import { compareLabels, compareMembers } from '../routing/flush.ts';
import { Inhibition } from '../routing/inhibition.ts';
import type { Labels } from '../routing/types.ts';
import type { RecentAlert } from '../silences/recent.ts';
import type { Silences } from '../silences/silences.ts';
import type { AlertStore } from '../store/alerts.ts';
import type { GroupState } from '../store/groups.ts';

/** Where a board reads from. */
export interface BoardSources {
  readonly silences: Silences<StoredAlert>;
  readonly alerts: Pick<AlertStore, 'getMany'>;
  /** Undefined when nothing is grouped. */
  readonly groups: () => GroupRunner | undefined;
  /** What is routed by now. */
  readonly routing: () => Routing;
  /** Names of all channels. */
  readonly receivers: () => readonly string[];
  /** Alerts that were seen since a time, ms. */
  readonly recent: (since: number) => Promise<readonly RecentAlert[]>;
}

/** What a query asks for; all must fit. */
export interface AlertFilter {
  readonly matchers: readonly Condition[];
  readonly receiver: ((name: string) => boolean) | undefined;
  readonly active: boolean;
  readonly silenced: boolean;
  readonly inhibited: boolean;
  readonly muted: boolean;
}

/** An alert that fires; times are ms. */
interface Firing {
  readonly labels: Labels;
  readonly startsAt: number;
  readonly endsAt: number;
  readonly updatedAt: number;
  /** Its youngest occurrence, or the id of that. */
  readonly stored: StoredAlert | string | undefined;
}

interface Status {
  readonly state: string;
  readonly silencedBy: readonly string[];
  readonly inhibitedBy: readonly string[];
  readonly mutedBy: readonly string[];
}

/** Between two breaths of the event loop. */
const PAGE = 1000;

export class AlertBoard {
  readonly #sources: BoardSources;
  readonly #runner: GroupRunner | undefined;
  readonly #now: number;
  /** By the fingerprint that the store knows them by. */
  readonly #firing: ReadonlyMap<string, Firing>;
  readonly #silences: SilenceIndex;
  readonly #inhibition: Inhibition;

  private constructor(
    sources: BoardSources,
    runner: GroupRunner | undefined,
    now: number,
    firing: ReadonlyMap<string, Firing>,
    silences: SilenceIndex,
  ) {
    this.#sources = sources;
    this.#runner = runner;
    this.#now = now;
    this.#firing = firing;
    this.#silences = silences;
    const all = [...firing].map(([fingerprint, { labels }]) => ({ fingerprint, labels }));
    this.#inhibition = new Inhibition(sources.routing().inhibitRules, all);
  }

  static async read(sources: BoardSources): Promise<AlertBoard> {
    const runner = sources.groups();
    const now = runner ? await runner.now() : Date.now();
    const silences = (await sources.silences.list(now)).map(readSilence);
    const firing = runner ? await firingOf(runner, now) : await recentlyOf(sources, now);
    return new AlertBoard(sources, runner, now, firing, new SilenceIndex(silences));
  }

  /** In the order of their fingerprints. */
  async alerts(filter: AlertFilter) {
    const found = new Map<string, Firing>();
    let count = 0;
    for (const alert of this.#firing.values()) {
      const { labels } = alert;
      const fits =
        filter.matchers.every((matcher) => matcher.matches(labels)) &&
        fitsReceiver(filter, this.#receiversOf(labels)) &&
        fitsStatus(filter, this.#statusOf(labels, []));
      // A route with an identity of its own has a record of its own of the same alert.
      if (fits) found.set(shownFingerprint(labels), alert);
      if (++count % PAGE === 0) await new Promise(setImmediate);
    }
    const sorted = [...found].sort(([a], [b]) => (a < b ? -1 : 1));
    const stored = await this.#storedOf(sorted.map(([, alert]) => alert));
    return sorted.map(([fingerprint, alert]) => this.#show(alert, fingerprint, [], stored));
  }

  /** By labels and receiver. */
  async groups(filter: AlertFilter) {
    const shown = [];
    const runner = this.#runner;
    if (!runner) return [];
    const { grouping, view } = runner;
    for await (const groups of view.store.groups()) {
      const inside = await view.store.inside(groups.map(({ id }) => id));
      const stored = await this.#storedOf(
        inside.flat().flatMap((fingerprint) => this.#firing.get(fingerprint) ?? []),
      );
      for (const [index, group] of groups.entries()) {
        const one = this.#group(group, inside[index] ?? [], grouping, filter, stored);
        if (one.alerts.length > 0) shown.push(one);
      }
    }
    return shown.sort(
      (a, b) => compareLabels(a.labels, b.labels) || (a.receiver.name < b.receiver.name ? -1 : 1),
    );
  }

  #group(
    { definition }: GroupState,
    inside: readonly string[],
    grouping: Grouping,
    filter: AlertFilter,
    stored: ReadonlyMap<string, StoredAlert>,
  ) {
    const route = grouping.route(definition.r);
    const receiver = { name: route?.channel ?? '' };
    const labels = definition.l;
    if (!route || filter.receiver?.(route.channel) === false)
      return { labels, receiver, alerts: [] };
    const by = mutedBy(route, grouping.routing.timeIntervals, this.#now);
    const muted = by === undefined ? [] : [by];
    const alerts = inside
      .flatMap((fingerprint) => this.#firing.get(fingerprint) ?? [])
      .filter(
        (alert) =>
          filter.matchers.every((matcher) => matcher.matches(alert.labels)) &&
          fitsStatus(filter, this.#statusOf(alert.labels, muted)),
      )
      .sort(compareMembers)
      .map((alert) => {
        const shown = this.#show(alert, shownFingerprint(alert.labels), muted, stored);
        // Receivers that were not asked about are left out here, as in Alertmanager.
        const receivers = shown.receivers.filter(({ name }) => filter.receiver?.(name) ?? true);
        return { ...shown, receivers };
      });
    return { labels, receiver, alerts };
  }

  #show(
    { labels, startsAt, endsAt, updatedAt, stored: own }: Firing,
    fingerprint: string,
    muted: readonly string[],
    stored: ReadonlyMap<string, StoredAlert>,
  ) {
    const alert = typeof own === 'string' ? stored.get(own) : own;
    const external = alert?.external;
    return {
      annotations:
        external?.annotations ?? (alert ? { description: alert.output, summary: alert.rule } : {}),
      endsAt: new Date(endsAt).toISOString(),
      fingerprint,
      receivers: this.#receiversOf(labels).map((name) => ({ name })),
      startsAt: new Date(startsAt).toISOString(),
      status: this.#statusOf(labels, muted),
      updatedAt: new Date(updatedAt).toISOString(),
      ...(external?.generator_url && { generatorURL: external.generator_url }),
      labels,
    };
  }

  #receiversOf(labels: Labels): readonly string[] {
    const { tree } = this.#sources.routing();
    if (!tree) return this.#sources.receivers();
    return [...new Set(tree.match(labels).map(({ channel }) => channel))];
  }

  #statusOf(labels: Labels, muted: readonly string[]): Status {
    const silences = this.#silences.matching(labels, (one) => isActive(one, this.#now));
    const silencedBy = [...new Set([...silences].map(({ id }) => id))];
    const source = this.#inhibition.inhibitor(labels);
    const inhibitor = source === undefined ? undefined : this.#firing.get(source);
    const inhibitedBy = inhibitor ? [shownFingerprint(inhibitor.labels)] : [];
    const isHeld = silencedBy.length + inhibitedBy.length + muted.length > 0;
    return { state: isHeld ? 'suppressed' : 'active', silencedBy, inhibitedBy, mutedBy: muted };
  }

  /** The stored alerts that these name, by id. */
  async #storedOf(alerts: readonly Firing[]): Promise<Map<string, StoredAlert>> {
    const found = new Map<string, StoredAlert>();
    const ids = alerts.flatMap(({ stored }) => (typeof stored === 'string' ? [stored] : []));
    for (let from = 0; from < ids.length; from += PAGE) {
      const page = ids.slice(from, from + PAGE);
      for (const alert of await this.#sources.alerts.getMany(page))
        if (alert) found.set(alert.id, alert);
    }
    return found;
  }
}

const fitsReceiver = ({ receiver }: AlertFilter, names: readonly string[]) =>
  !receiver || names.some((name) => receiver(name));

const fitsStatus = (
  { active, silenced, inhibited, muted }: AlertFilter,
  { state, silencedBy, inhibitedBy, mutedBy: by }: Status,
) =>
  (active || state !== 'active') &&
  (silenced || silencedBy.length === 0) &&
  (inhibited || inhibitedBy.length === 0) &&
  (muted || by.length === 0);

/** What the groups are made of. */
async function firingOf({ view }: GroupRunner, now: number): Promise<Map<string, Firing>> {
  const found = new Map<string, Firing>();
  for await (const page of view.store.firing(now)) {
    for (const { fingerprint, labels, startsAt, endsAt, updatedAt, samples } of page)
      found.set(fingerprint, { labels, startsAt, endsAt, updatedAt, stored: samples.at(-1) });
  }
  return found;
}

/** Without groups, what was seen lately. */
async function recentlyOf({ routing, recent }: BoardSources, now: number) {
  const { resolveTimeoutMs } = routing();
  const found = new Map<string, Firing>();
  for (const { labels, alert } of await recent(now - resolveTimeoutMs)) {
    const seen = Date.parse(alert.last_seen);
    const { starts_at, ends_at } = alert.external ?? {};
    const endsAt = ends_at ? Date.parse(ends_at) : seen + resolveTimeoutMs;
    if (endsAt <= now) continue;
    const startsAt = Date.parse(starts_at ?? alert.first_seen);
    found.set(alert.fingerprint, { labels, startsAt, endsAt, updatedAt: seen, stored: alert });
  }
  return found;
}
