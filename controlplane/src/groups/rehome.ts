/**
 * What a changed configuration does to groups. A route is known by its matchers, so most groups stay as they are, with their timers:
 * one is only due sooner where an interval became shorter. What fires is routed again; groups whose route is gone are dropped, and
 * groups lose what now goes elsewhere.
 */
import { tickFrom } from '../routing/flush.ts';
import { isSource } from '../routing/inhibition.ts';
import type { ActiveAlert, GroupState, GroupStore } from '../store/groups.ts';
import type { Grouping } from './grouping.ts';

/** Makes the groups those of `grouping`. Doing it again changes nothing. */
export async function rehome(store: GroupStore, grouping: Grouping, now: number): Promise<void> {
  const places: Places = new Map();
  for await (const alerts of store.firing(now)) await place(store, grouping, alerts, places, now);
  for await (const groups of store.groups()) {
    for (const group of groups) await settle(store, grouping, group, places, now);
  }
}

/** The groups of what fires, by fingerprint. */
type Places = Map<string, ReadonlySet<string>>;

async function place(
  store: GroupStore,
  grouping: Grouping,
  alerts: readonly ActiveAlert[],
  places: Places,
  now: number,
): Promise<void> {
  const request = grouping.request(alerts.map(incoming), now);
  for (const row of request.alerts) {
    const [fingerprint, positions] = [row[0] as string, row[12] as number[]];
    const ids = positions.map((position) => request.groups[position - 1]?.[0] ?? '');
    places.set(fingerprint, new Set(ids));
  }
  await store.admit(request);
  const { inhibitRules } = grouping.routing;
  const [sources, others] = [[] as ActiveAlert[], [] as ActiveAlert[]];
  for (const alert of alerts) (isSource(inhibitRules, alert.labels) ? sources : others).push(alert);
  await store.setSources(sources, others);
}

/** An alert that is routed again: nothing of it is new. */
const incoming = ({ labels, startsAt, endsAt, firstSeen, lastSeen }: ActiveAlert) => ({
  labels,
  startsAt,
  endsAt,
  occurrences: 0,
  seen: [firstSeen, lastSeen] as const,
  sample: undefined,
  agent: undefined,
});

async function settle(
  store: GroupStore,
  grouping: Grouping,
  group: GroupState,
  places: Places,
  now: number,
): Promise<void> {
  const route = grouping.route(group.definition.r);
  const members = await store.members(group.id);
  // What came since all that fires was read went by the configuration before, or that of another replica.
  const late = members.flatMap(({ fingerprint, flags, alert }) =>
    flags.includes('m') && alert && alert.endsAt > now && !places.has(fingerprint) ? [alert] : [],
  );
  if (late.length > 0) await place(store, grouping, late, places, now);
  const strangers = members.filter(({ fingerprint, flags, alert }) => {
    if (!flags.includes('m')) return false;
    if (!route) return true;
    const own = places.get(fingerprint);
    return group.definition.o !== 1 && alert && alert.endsAt > now && !own?.has(group.id);
  });
  if (strangers.length > 0) {
    await store.leave(
      group,
      strangers.map(({ fingerprint }) => fingerprint),
    );
  }
  if (!route) return;
  const { createdAt, flushedAt, loggedAt, definition } = group;
  const { groupWaitMs, groupIntervalMs, repeatIntervalMs } = route;
  if (flushedAt === 0) return store.wake([group.id], Math.max(now, createdAt + groupWaitMs));
  if (definition.i === groupIntervalMs) {
    // Another channel was told nothing yet.
    const isKnown = definition.c === undefined || definition.c === route.channel;
    const at = isKnown ? Math.max(now, loggedAt + repeatIntervalMs + 1) : now;
    return store.wake([group.id], tickFrom(at, flushedAt, groupIntervalMs));
  }
  // The tick it would have had is kept, unless the one with the new interval is sooner; ticks are counted from there on.
  const last = tickFrom(now, flushedAt, definition.i) - definition.i;
  const due = Math.max(now, last + Math.min(definition.i, groupIntervalMs));
  await store.retime(group, due, groupIntervalMs);
}
