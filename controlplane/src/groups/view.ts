/** Groups and alerts as people ask about them: what was said, what is held back and by what, and what comes next. */
import type { StoredAlert } from '@tocsin/openapi';
import { groupKey, keyOfGroup } from '../routing/tree.ts';
import type { Labels } from '../routing/types.ts';
import type { ActiveAlert, GroupState, GroupStore } from '../store/groups.ts';
import type { Flusher, Preview } from './flusher.ts';
import type { Grouping } from './grouping.ts';

export interface ViewParts {
  readonly store: GroupStore;
  readonly flusher: Flusher;
  readonly grouping: () => Grouping;
}

const iso = (ms: number) => new Date(ms).toISOString();
const isoOrNull = (ms: number | undefined) => (ms === undefined || ms <= 0 ? null : iso(ms));

/** One group. */
async function viewGroup(
  { store, flusher, grouping }: ViewParts,
  group: GroupState,
  due: number,
  now: number,
) {
  const route = grouping().route(group.definition.r);
  const coming = await flusher.comingOf(group, due, now);
  const { at, preview } = coming ?? { at: Math.max(due, now), preview: undefined };
  const [last] = await store.history(group.id);
  return {
    id: group.id,
    key: route ? keyOfGroup(route, group.definition.l) : '',
    route: route?.id ?? null,
    channel: route?.channel ?? null,
    labels: group.definition.l,
    overflow: group.definition.o === 1,
    created_at: iso(group.createdAt),
    last_flush: isoOrNull(group.flushedAt),
    notifications: group.said,
    last_notification: last
      ? { id: last.notification, at: iso(last.at), reason: last.reason, fate: last.fate }
      : null,
    counts: {
      firing: preview ? firingIn(preview, at) : 0,
      ended: preview?.flush.ended.length ?? 0,
      held: preview?.flush.held.length ?? 0,
    },
    next_flush: iso(at),
    reason: preview ? reasonOf(preview) : 'its route is not configured here',
  };
}

/** How many of a group fire and are not held back. */
const firingIn = ({ log, flush }: Preview, at: number): number =>
  log.members.filter(({ endsAt }) => endsAt > at).length - flush.held.length;

/** What the next look will do, in words. */
function reasonOf({ flush, digestAt }: Preview): string {
  const digest = digestAt === undefined ? '' : `, in the digest of ${iso(digestAt)}`;
  if (flush.send) return `${flush.reason ?? 'repeat'}${digest}`;
  if (flush.held.length > 0) {
    const kinds = [...new Set(flush.held.map(({ hold }) => hold.kind))];
    return `held back: ${kinds.join(', ')}`;
  }
  if (flush.firing.length === 0) return 'ends without being told';
  return 'nothing new';
}

/** The groups that are looked at next. */
export async function viewGroups(parts: ViewParts, now: number, limit: number) {
  const due = await parts.store.dueList(limit);
  const times = new Map(due.map(({ id, due: at }) => [id, at]));
  const states = await parts.store.states(due.map(({ id }) => id));
  return Promise.all(
    states.map((group) => viewGroup(parts, group, times.get(group.id) ?? now, now)),
  );
}

/** What happened to an alert, in order, and what will happen. Times are RFC 3339. */
export interface TimelineStep {
  readonly at: string;
  readonly what: string;
  readonly route?: string;
  readonly group?: string;
  readonly channel?: string;
  readonly by?: string;
  readonly detail?: string;
}

/** The part of a timeline that groups tell. */
export async function groupTimeline(
  parts: ViewParts,
  alert: StoredAlert,
  now: number,
): Promise<{ outcome: string | null; past: TimelineStep[]; next: TimelineStep[] }> {
  const grouping = parts.grouping();
  const labels: Labels = alert.external
    ? Object.assign(Object.create(null), alert.external.labels)
    : grouping.labelsOf(alert, alert.agent);
  const past: TimelineStep[] = [];
  const next: TimelineStep[] = [];
  let outcome: string | null = null;
  for (const place of grouping.places(labels)) {
    const { route, fingerprint, group } = place;
    const active = (await parts.store.active([fingerprint])).get(fingerprint);
    const where = { route: route.id, group, channel: route.channel };
    const detail = groupKey(route, labels);
    past.push({ at: alert.first_seen, what: 'routed', ...where, detail });
    const told = await toldSteps(parts.store, group, active?.startsAt ?? 0, fingerprint);
    past.push(...told.past.map((step) => ({ ...where, ...step })));
    next.push(...told.next.map((step) => ({ ...where, ...step })));
    const coming = await comingSteps(parts, place, now);
    past.push(...coming.past.map((step) => ({ ...where, ...step })));
    next.push(...coming.next.map((step) => ({ ...where, ...step })));
    if (active && active.state !== 'u') outcome = outcomeOf(active, told.past);
  }
  return { outcome, past, next };
}

/** What the group said since the alert began, and what became of that. */
async function toldSteps(
  store: GroupStore,
  group: string,
  since: number,
  of: string,
): Promise<{ past: TimelineStep[]; next: TimelineStep[] }> {
  const history = (await store.history(group)).filter(
    ({ at, fingerprint }) => at >= since && (fingerprint ?? of) === of,
  );
  // A digest that no fate is known of is still to be made, or on its way.
  const next = history.flatMap(({ notification, fate, due }) =>
    due !== undefined && fate === 'pending'
      ? [{ at: iso(due), what: 'digest', by: notification }]
      : [],
  );
  const past = history.flatMap(({ notification, at, reason, fate, fateAt, detail }) => {
    const what = fate === 'notified' && reason === 'digest' ? 'digested' : fate;
    return [
      { at: iso(at), what: 'told', by: notification, detail: reason },
      ...(fateAt === undefined
        ? []
        : [{ at: iso(fateAt), what, by: notification, ...(detail && { detail }) }]),
    ];
  });
  return { past, next };
}

/** What holds the alert back now, and what its group will do. */
async function comingSteps(
  { store, flusher }: ViewParts,
  { fingerprint, group: id }: { readonly fingerprint: string; readonly group: string },
  now: number,
): Promise<{ past: TimelineStep[]; next: TimelineStep[] }> {
  const [group] = await store.states([id]);
  if (!group) return { past: [], next: [] };
  const due = (await store.dueOf(id)) ?? now;
  const coming = await flusher.comingOf(group, due, now);
  const hold = coming?.present.flush.held.find(
    ({ member }) => member.fingerprint === fingerprint,
  )?.hold;
  return {
    past: hold ? [{ at: iso(now), what: hold.kind, by: hold.by }] : [],
    next: coming ? [{ at: iso(coming.at), what: reasonOf(coming.preview) }] : [],
  };
}

/** Where its state only says that a notification is on its way, the fate of that tells more. */
function outcomeOf(active: ActiveAlert, told: readonly TimelineStep[]): string {
  if (active.state !== 'q') return STATES[active.state];
  const fate = told.find(({ what }) => ['notified', 'digested', 'dead_lettered'].includes(what));
  return fate?.what ?? 'pending';
}

const STATES = {
  p: 'pending',
  q: 'pending',
  s: 'silenced',
  i: 'inhibited',
  m: 'muted',
  x: 'expired',
  u: 'pending',
} as const;
