/**
 * The flush of a group: what of it is told at one moment, and when it is looked at again. Pure. The decision is Alertmanager's
 * (its notification log and dedup stage) with three faults mended: who was told that an alert fires is told that it ended, whatever
 * holds it back; who was never told because it was held back is not told that it ended; and nothing waits for a look that says nothing.
 */
import type { Labels, Route } from './types.ts';

/** Why an alert that fires is not told now. */
export interface Hold {
  readonly kind: 'silenced' | 'inhibited' | 'muted';
  /** Id of the silence, fingerprint of the source, or name of the interval. */
  readonly by: string;
}

/** One alert of a group as the store has it. Times are ms since the epoch. */
export interface Member {
  readonly fingerprint: string;
  readonly labels: Labels;
  readonly startsAt: number;
  /** It is resolved from then on. */
  readonly endsAt: number;
  /** The receiver was told that it fires, and not yet that it ended. */
  readonly told: boolean;
  /** It was held back while it fired, and has not been told since. */
  readonly wasHeld: boolean;
  /** How often it was seen. */
  readonly count?: number;
  /** How many of these were told; undefined when it did not begin to fire in this group, or in another mode. */
  readonly saidCount?: number | undefined;
}

/** What the group said last: Alertmanager's entry of the notification log. */
export interface LogEntry {
  /** The flush that said it, ms. */
  readonly at: number;
  readonly firing: ReadonlySet<string>;
  readonly resolved: ReadonlySet<string>;
}

const FLUSH_REASONS = ['first notification', 'new alerts', 'repeat', 'resolved', 'digest'] as const;
export type FlushReason = (typeof FLUSH_REASONS)[number];

/** Whether something is to be said, and why. `now` is when the flush was due, and not when it is worked out. */
export function needsUpdate(
  firing: ReadonlySet<string>,
  resolved: ReadonlySet<string>,
  entry: LogEntry | undefined,
  policy: {
    readonly sendResolved: boolean;
    readonly repeatIntervalMs: number;
    readonly now: number;
  },
): FlushReason | undefined {
  if (!entry) return firing.size > 0 ? 'first notification' : undefined;
  if (!isSubset(firing, entry.firing)) {
    return entry.firing.size === 0 ? 'first notification' : 'new alerts';
  }
  if (firing.size === 0) return entry.firing.size > 0 ? 'resolved' : undefined;
  if (policy.sendResolved && !isSubset(resolved, entry.resolved)) return 'resolved';
  return entry.at < policy.now - policy.repeatIntervalMs ? 'repeat' : undefined;
}

const isSubset = (some: ReadonlySet<string>, all: ReadonlySet<string>) => {
  for (const one of some) if (!all.has(one)) return false;
  return true;
};

export interface FlushInput {
  readonly route: Pick<Route, 'repeatIntervalMs' | 'groupIntervalMs' | 'groupWaitMs'>;
  readonly members: readonly Member[];
  readonly entry: LogEntry | undefined;
  readonly sendResolved: boolean;
  /** The flush, ms. */
  readonly now: number;
  /** When it was due, if that is so long ago that it is worked out for another time, ms: what has ended since then is told all the same. */
  readonly owedSince?: number | undefined;
  /** The flush before it that its ticks are counted from; 0: it is the first. */
  readonly flushedAt: number;
  readonly holdOf: (labels: Labels) => Hold | undefined;
  /** Of a channel that is told what is new, alert by alert; undefined: what the group says as a whole. */
  readonly news?: NewsLimits | undefined;
}

export interface NewsLimits {
  /** How many alerts are told. */
  readonly most: number;
  /** There is no room: what fires is looked at again after so long (ms), and only what ended is told, as a number. */
  readonly fullMs?: number;
}

export interface Flush {
  readonly reason: FlushReason | undefined;
  /** Whether a notification goes out: a channel that is not told of ends only has its log written. */
  readonly send: boolean;
  /** Told as firing, in the order in which they are told. */
  readonly firing: readonly Member[];
  /** Told as ended; empty for a channel that is not told of ends. */
  readonly resolved: readonly Member[];
  /** What the log holds from now on; undefined leaves it as it is. */
  readonly entry: LogEntry | undefined;
  /** Fires, and is held back. */
  readonly held: readonly { readonly member: Member; readonly hold: Hold }[];
  /** Ended: they leave the group. */
  readonly ended: readonly Member[];
  /** What ticks are counted from now on, ms: this flush, unless it came between ticks and had nothing to say. */
  readonly flushedAt: number;
  /** The tick at which it must be looked at again at the latest, ms; undefined: the group is empty. */
  readonly next: number | undefined;
  /** Something that was never said is held back: the end of the hold wakes the group. */
  readonly unsaid: boolean;
}

/** Who of a group fires, is held back, and ended. */
interface Divided {
  readonly firing: Member[];
  /** Of `ended`, those that are told if ends are: who was never told of a hidden alert is not told that it ended. */
  readonly resolved: Member[];
  readonly ended: Member[];
  readonly held: { member: Member; hold: Hold }[];
  /** No hold leaves anything of the group to be seen. */
  readonly isHidden: boolean;
}

/** More are only told in part, and to sort them would take seconds. */
const MOST_SORTED = 10_000;

function divide({ members, now, holdOf }: FlushInput): Divided {
  const [firing, resolved, ended] = [[] as Member[], [] as Member[], [] as Member[]];
  const held: { member: Member; hold: Hold }[] = [];
  let endsAreHidden = true;
  for (const member of members) {
    const hold = holdOf(member.labels);
    if (member.endsAt > now) {
      if (hold) held.push({ member, hold });
      else firing.push(member);
      continue;
    }
    ended.push(member);
    if (!member.told && (hold || member.wasHeld)) continue;
    resolved.push(member);
    endsAreHidden &&= hold !== undefined;
  }
  for (const told of [firing, resolved]) if (told.length <= MOST_SORTED) told.sort(compareMembers);
  return { firing, resolved, ended, held, isHidden: endsAreHidden && firing.length === 0 };
}

const fingerprints = (members: readonly Member[]): ReadonlySet<string> =>
  new Set(members.map(({ fingerprint }) => fingerprint));

/** Works out one flush. */
export const decideFlush = (input: FlushInput): Flush =>
  input.news === undefined ? decideState(input) : decideNews(input, input.news);

/** How many of the occurrences of an alert its channel does not know; it is told of each once. */
export const unsaidCount = ({ told, count = 1, saidCount }: Member): number =>
  Math.max(0, count - (saidCount ?? (told ? count : 0)));

/**
 * What is new since the last flush, alert by alert: those that began to fire or were seen again, and those that ended. What an alert
 * that was told is seen while it is held back is not told; what ended before it could be told is told then.
 */
function decideNews(input: FlushInput, { most, fullMs }: NewsLimits): Flush {
  const { route, sendResolved, now } = input;
  const { firing, resolved, ended, held } = divide(input);
  const begun = firing.filter((member) =>
    member.saidCount === undefined ? !member.told : unsaidCount(member) > 0,
  );
  const fires = fullMs === undefined ? begun : [];
  const ends = resolved.filter(
    (member) =>
      (member.told && sendResolved) || (member.saidCount !== undefined && unsaidCount(member) > 0),
  );
  const news = [...fires, ...ends].sort((a, b) => a.startsAt - b.startsAt);
  const said = new Set(news.slice(0, most));
  const rest = new Set(news.slice(most));
  const isSaid = (member: Member) => said.has(member);
  // Who is not told of ends is told that it fired.
  const asEnded = new Set(sendResolved ? ends : []);
  const tellsNow = {
    firing: [...said].filter((member) => !asEnded.has(member)),
    resolved: [...said].filter((member) => asEnded.has(member)),
  };
  const written = said.size > 0 && {
    at: now,
    firing: fingerprints(firing.filter((member) => member.told || isSaid(member))),
    resolved: fingerprints(tellsNow.resolved),
  };
  const again = rest.size > 0 ? now : begun.length > fires.length ? now + (fullMs ?? 0) : undefined;
  const isTick = input.flushedAt === 0 || (now - input.flushedAt) % route.groupIntervalMs === 0;
  const flushedAt = written || isTick ? now : input.flushedAt;
  return {
    reason: tellsNow.firing.length > 0 ? 'new alerts' : written ? 'resolved' : undefined,
    send: said.size > 0,
    ...tellsNow,
    entry: written || undefined,
    held,
    ended: ended.filter((member) => !rest.has(member)),
    flushedAt,
    next: again ?? nextLook(input, flushedAt, firing, held, undefined),
    unsaid: held.some(({ member }) => !member.told),
  };
}

function decideState(input: FlushInput): Flush {
  const { route, entry, sendResolved, now, owedSince = now } = input;
  const { firing, resolved, ended, held, isHidden } = divide(input);
  const owed = resolved.filter(({ told, endsAt }) => !told && endsAt > owedSince);
  // While all of a group is hidden, what was said of it stands; only ends are owed.
  const standing = held.flatMap(({ member }) =>
    isHidden && entry?.firing.has(member.fingerprint) ? [member] : [],
  );
  const [firingSet, resolvedSet] = [fingerprints([...firing, ...standing]), fingerprints(resolved)];
  const policy = { sendResolved, repeatIntervalMs: route.repeatIntervalMs, now };
  let reason = isHidden ? undefined : needsUpdate(firingSet, resolvedSet, entry, policy);
  // Told before a hold hid it from the log: its end is owed.
  if (!reason && (sendResolved || isHidden) && resolved.some(({ told }) => told))
    reason = 'resolved';
  if (owed.length > 0) reason ??= entry?.firing.size ? 'new alerts' : 'first notification';
  const written = reason && { at: now, firing: firingSet, resolved: resolvedSet };
  const tellsEnds = sendResolved ? resolved : [];
  // Who is not told of ends is told that it fired.
  const tellsFiring = sendResolved ? firing : [...firing, ...owed];
  const isTick = input.flushedAt === 0 || (now - input.flushedAt) % route.groupIntervalMs === 0;
  const flushedAt = reason || isTick ? now : input.flushedAt;
  return {
    reason,
    send: reason !== undefined && tellsFiring.length + tellsEnds.length > 0,
    firing: tellsFiring,
    resolved: tellsEnds,
    entry: written,
    held,
    ended,
    flushedAt,
    next: nextLook(input, flushedAt, firing, held, written ?? entry),
    unsaid: held.some(({ member }) => !member.told),
  };
}

/** The first tick at which there can be something to say if nothing comes meanwhile; what comes brings the next tick forward. */
function nextLook(
  { route, now, news }: FlushInput,
  flushedAt: number,
  firing: readonly Member[],
  held: Flush['held'],
  entry: LogEntry | undefined,
): number | undefined {
  if (held.length === 0 && firing.length === 0) return undefined;
  const repeatAt = (entry?.at ?? now) + route.repeatIntervalMs + 1;
  let at = held.length > 0 ? now + 1 : news === undefined ? repeatAt : Number.POSITIVE_INFINITY;
  for (const { endsAt } of firing) at = Math.min(at, endsAt);
  return tickFrom(at, flushedAt, route.groupIntervalMs);
}

/** The first tick at or after `at` of a group that was flushed at `flushed`, but never that flush itself. */
export function tickFrom(at: number, flushed: number, intervalMs: number): number {
  return flushed + Math.max(1, Math.ceil((at - flushed) / intervalMs)) * intervalMs;
}

/** The names by which Alertmanager sorts first; who lacks one comes after those who have it. */
const LEADING = ['job', 'instance'] as const;

/** The order in which Alertmanager tells alerts: by job, by instance, by number of labels, then by name and value. */
export function compareMembers(a: Pick<Member, 'labels'>, b: Pick<Member, 'labels'>): number {
  for (const name of LEADING) {
    const [mine, theirs] = [a.labels[name], b.labels[name]];
    if (mine === theirs) continue;
    if (mine === undefined) return 1;
    if (theirs === undefined) return -1;
    return compareText(mine, theirs);
  }
  return compareLabels(a.labels, b.labels);
}

/** By number of labels, then by name and value. */
export function compareLabels(a: Labels, b: Labels): number {
  const [names, others] = [namesOf(a), namesOf(b)];
  const more = names.length - others.length;
  if (more !== 0) return more;
  for (const [index, name] of names.entries()) {
    const other = others[index] as string;
    // Who lacks the smaller name comes first.
    if (name !== other) return compareText(name, other) < 0 ? 1 : -1;
    const [mine = '', theirs = ''] = [a[name], b[name]];
    if (mine !== theirs) return compareText(mine, theirs);
  }
  return 0;
}

const sortedNames = new WeakMap<Labels, readonly string[]>();

/** The names of labels in order; labels do not change. */
function namesOf(labels: Labels): readonly string[] {
  let names = sortedNames.get(labels);
  if (!names) {
    names = Object.keys(labels).sort(compareText);
    sortedNames.set(labels, names);
  }
  return names;
}

/** By bytes of UTF-8, which is the order of code points and not of UTF-16 units. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const [one, other] = [a.charCodeAt(index), b.charCodeAt(index)];
    if (one === other) continue;
    // Only halves of surrogate pairs are out of order.
    if (one < 0xd800 || other < 0xd800) return one - other;
    return Buffer.compare(Buffer.from(a), Buffer.from(b));
  }
  return a.length - b.length;
}
