/**
 * Lets groups speak when they are due: claims them, works out what they say, and commits. All times are passed in, so the same code
 * runs under the clock of a simulation. What it remembers is only read again from Redis when it changed.
 */
import { setImmediate } from 'node:timers/promises';
import type { Channel } from '@tocsin/openapi';
import {
  decideFlush,
  type Flush,
  type LogEntry,
  type Member,
  type NewsLimits,
  unsaidCount,
} from '../routing/flush.ts';
import { Inhibition } from '../routing/inhibition.ts';
import { keyOfGroup } from '../routing/tree.ts';
import type { Route, Silence } from '../routing/types.ts';
import type {
  ActiveAlert,
  AlertState,
  Bucket,
  ClaimedGroup,
  Committed,
  DigestShare,
  FlagsChange,
  GroupState,
  GroupStore,
  StoredMember,
} from '../store/groups.ts';
import { digestEnd, digestPrefix, laneOf, type OutboxEntry, throttleOf } from '../store/outbox.ts';
import type { SilenceStore } from '../store/silences.ts';
import { bucketOf, type Grouping, tellsNews } from './grouping.ts';
import { belowMinimum, Holds, isActive, mutedBy } from './holds.ts';
import { isUrgent, MAX_TOLD, ruleOf, told, topOf } from './notification.ts';
import { readSilence, SilenceIndex } from './silences.ts';

export interface FlusherParts {
  readonly store: GroupStore;
  readonly silences: SilenceStore;
  readonly channels: { get(name: string): Channel | undefined };
  /** The configuration as it is now. */
  readonly grouping: () => Grouping;
}

/** What came of one group. */
export interface Flushed {
  readonly group: ClaimedGroup;
  readonly route: Route;
  readonly outcome: Committed;
  /** What went into the lane. */
  readonly entries: readonly OutboxEntry[];
}

/** A group that was made due at a time, ms. */
export interface Woken {
  readonly id: string;
  readonly at: number;
}

/** What a group would say. */
export interface Preview {
  readonly route: Route;
  readonly channel: Channel | undefined;
  readonly log: GroupLog;
  readonly tick: number;
  readonly flush: Flush;
  /** When the digest is made that what it says goes into, ms; undefined: it is told at once. */
  readonly digestAt: number | undefined;
}

/** What a group would do now, what it will do, and when, ms. */
export interface Coming {
  readonly present: Preview;
  readonly at: number;
  readonly preview: Preview;
}

/** What a flush says: notifications, or a share of a digest. */
interface Saying {
  readonly entries?: readonly OutboxEntry[];
  readonly digest?: DigestShare;
}

/** Life of a claim, ms. After a crash its group waits for at most so long. */
const CLAIM_MS = 5000;
const MINUTE_MS = 60_000;
/** Of so many it is asked whether they let a group speak. */
const MOST_HOLD_ENDS = 20;
const MANY_MEMBERS = 5000;

/** Lets others work between two steps over many members. */
const pause = (members: number) => (members > MANY_MEMBERS ? setImmediate() : undefined);
/** Notifications that one flush makes for a channel that is told every alert. */
const MOST_AT_ONCE = 500;
/** How long the group of such a channel waits for room in its lane, and how long what ended then waits to be told as a number. */
const FULL_MS = 1000;
const FULL_DIGEST_MS = 60_000;

export class Flusher {
  readonly #parts: FlusherParts;
  #silences: { version: string; all: readonly Silence[]; index: SilenceIndex } | undefined;
  #sources: { version: string; all: readonly ActiveAlert[] } | undefined;
  #holdsSeen: number | undefined;
  /** The silences of the last look for ends. */
  #looked: readonly Silence[] = [];

  constructor(parts: FlusherParts) {
    this.#parts = parts;
  }

  /** When there is something to do next, ms; undefined: not before something comes. */
  async nextAt(now: number): Promise<number | undefined> {
    const due = await this.#parts.store.nextDue();
    if (due === undefined) return undefined;
    return Math.min(due, (await this.#nextHoldEnd(now, due)) ?? due);
  }

  /** Claims what is due, in the order in which it speaks: time, position of the route, group. */
  async claim(now: number, limit: number): Promise<ClaimedGroup[]> {
    const groups = await this.#parts.store.claim(now, CLAIM_MS, limit);
    const grouping = this.#parts.grouping();
    const keyed = groups.map((group) => {
      const route = grouping.route(group.definition.r);
      const key = route ? keyOfGroup(route, group.definition.l) : '';
      return { group, order: route?.order ?? 0, key };
    });
    keyed.sort(
      (a, b) => a.group.tick - b.group.tick || a.order - b.order || (a.key < b.key ? -1 : 1),
    );
    return keyed.map(({ group }) => group);
  }

  /** What a group would say at a time if nothing came until then. Undefined: its route is of another configuration. */
  async preview(group: GroupState, now: number): Promise<Preview | undefined> {
    return this.#decide({ ...group, leaseEnds: 0, unfinished: false, tick: now }, now);
  }

  /**
   * What a group will do next if nothing comes: at `due`, when it is looked at, or group_wait after the end of what holds back something
   * unsaid, whatever is first. Undefined: its route is of another configuration.
   */
  async comingOf(group: GroupState, due: number, now: number): Promise<Coming | undefined> {
    let at = Math.max(due, now);
    const present = await this.preview(group, now);
    if (!present) return undefined;
    const { unsaid: isUnsaid, held } = present.flush;
    const unsaid = isUnsaid ? held.filter(({ member }) => !member.told) : [];
    for (let [end, looks] = [now, 0]; unsaid.length > 0 && looks < MOST_HOLD_ENDS; looks++) {
      end = (await this.#nextHoldEnd(end, at)) ?? at;
      const then = end < at ? await this.preview(group, end) : undefined;
      if (!then) break;
      const firing = new Set(then.flush.firing.map(({ fingerprint }) => fingerprint));
      if (!unsaid.some(({ member }) => firing.has(member.fingerprint))) continue;
      at = Math.min(at, end + present.route.groupWaitMs);
      break;
    }
    const preview = at === now ? present : await this.preview(group, at);
    return preview && { present, at, preview };
  }

  async #decide(group: ClaimedGroup, now: number): Promise<Preview | undefined> {
    const { store, channels } = this.#parts;
    const grouping = this.#parts.grouping();
    const route = grouping.route(group.definition.r);
    if (!route) return undefined;
    const channel = channels.get(route.channel);
    const [members, holds] = await Promise.all([
      store.members(group.id),
      this.#holdsAt(now, grouping),
    ]);
    const log = new GroupLog(group, members, route.channel);
    await pause(members.length);
    const muted = mutedBy(route, grouping.routing.timeIntervals, now);
    // A group that was not looked at in its time is not asked to say what it would have said then, but what has ended since is told.
    const tick = now - group.tick < route.groupIntervalMs ? group.tick : now;
    const owedSince = group.tick > 0 && group.tick < tick ? group.tick : undefined;
    const news = await this.#newsOf(group, channel);
    const flush = decideFlush({
      news,
      route,
      members: log.members,
      entry: log.entry,
      sendResolved: channel?.send_resolved ?? true,
      now: tick,
      owedSince,
      flushedAt: group.flushedAt,
      holdOf: (labels) => holds.holdOf(labels, muted ?? belowMinimum(channel, labels)),
    });
    return { route, channel, log, tick, flush, digestAt: digestAtOf(channel, news, now) };
  }

  /** What the channel may be told of, if it is told alert by alert. */
  async #newsOf({ id }: GroupState, channel: Channel | undefined): Promise<NewsLimits | undefined> {
    if (channel?.mode === 'digest') return { most: Number.POSITIVE_INFINITY };
    if (channel?.mode !== 'every') return undefined;
    const room = await this.#parts.store.room(channel.name, laneOf(channel.name, id));
    if (room === 0) return { most: Number.POSITIVE_INFINITY, fullMs: FULL_MS };
    return { most: Math.min(room, channel.throttle?.burst ?? MOST_AT_ONCE, MOST_AT_ONCE) };
  }

  /** Lets one group speak. Undefined: its route is of another configuration, and it is left to who has that. */
  async flush(group: ClaimedGroup, now: number): Promise<Flushed | undefined> {
    const { store } = this.#parts;
    if (group.unfinished) await store.finish(group.id);
    const decided = await this.#decide(group, now);
    if (!decided) return undefined;
    const grouping = this.#parts.grouping();
    const { route, channel, log, flush } = decided;
    const { length } = log.members;
    await pause(length);
    const { entries = [], digest }: Saying = flush.send ? sayingOf(decided, group) : {};
    await pause(length);
    const flags = log.flagsAfter(flush, tellsNews(channel?.mode));
    await pause(length);
    const outcome = await store.commit({
      ...{ group, now, entries, digest },
      flushedAt: flush.flushedAt,
      intervalMs: route.groupIntervalMs,
      route: grouping.idOf(route),
      channel: route.channel,
      lane: laneOf(route.channel, group.id),
      every: channel?.mode === 'every',
      next: flush.next,
      unsaid: flush.unsaid,
      logged: flush.entry !== undefined,
      definition: {
        ...group.definition,
        i: route.groupIntervalMs,
        ...(flush.entry && { c: route.channel }),
      },
      channelThrottle: throttleBucket(channel),
      routeThrottle: route.throttle
        ? bucketOf(route.throttle.perMinute, route.throttle.burst)
        : NO_THROTTLE,
      flags,
      ended: log.endedOf(flush),
      outcomes: log.outcomesOf(flush, entries[0]?.apart === true),
    });
    return { group, route, outcome, entries: outcome.status === 'said' ? entries : [] };
  }

  /**
   * Wakes the groups of which something unsaid was held back at the last look and is not at `now`: what held it back ended, or is not
   * in the configuration `next`, which is in force from now on.
   */
  async seeHoldEnds(now: number, next?: Grouping): Promise<Woken[]> {
    const { store } = this.#parts;
    this.#holdsSeen ??= await store.holdsSeen();
    const from = Math.min(this.#holdsSeen ?? now, now);
    if (this.#holdsSeen !== undefined && from === now && !next) return [];
    const isLater = from < now || next !== undefined;
    const isAny = isLater && (await store.countUnsaid()) > 0;
    const woken = isAny ? await this.#wake(from, now, next) : [];
    this.#holdsSeen = now;
    await store.setHoldsSeen(now);
    return woken;
  }

  async #wake(from: number, now: number, next: Grouping | undefined): Promise<Woken[]> {
    const { store, channels } = this.#parts;
    const before = this.#parts.grouping();
    const after = next ?? before;
    const { all } = await this.#readSilences();
    const ended = this.#endedSilences(all, from, now);
    const { inhibitRules } = before.routing;
    const ending = inhibitRules.length > 0 ? await store.sources(from, next ? undefined : now) : [];
    // What came since the last look held nothing back then.
    const sources = ending.filter(({ firstSeen }) => firstSeen <= from);
    const unmuting = unmutedRoutes(before, from, after, now);
    const anyEnded = ended.length > 0 || sources.length > 0 || next !== undefined;
    // Most looks end here, however many groups have something unsaid.
    if (!anyEnded && unmuting.size === 0) return [];
    const silences = next ? [...ended, ...all.filter((one) => isActive(one, from))] : ended;
    const index = new SilenceIndex(silences);
    const held = new Holds(new Inhibition(inhibitRules, sources), (labels) =>
      index.find(labels, () => true),
    );
    const holds = await this.#holdsAt(now, after);
    const woken: Woken[] = [];
    for (const group of await store.states(await store.unsaid())) {
      const { r: id } = group.definition;
      const route = after.route(id);
      if (!route || !(anyEnded || unmuting.has(id))) continue;
      const muted = mutedBy(route, after.routing.timeIntervals, now);
      const channel = channels.get(route.channel);
      const members = await store.members(group.id);
      const released = members.some(
        ({ alert, flags }) =>
          alert &&
          alert.endsAt > now &&
          !/[ft]/.test(flags) &&
          (flags.includes('h') ||
            (alert.firstSeen <= from && held.holdOf(alert.labels, unmuting.get(id)))) &&
          !holds.holdOf(alert.labels, muted ?? belowMinimum(channel, alert.labels)),
      );
      if (!released) continue;
      const at = now + route.groupWaitMs;
      await store.wake([group.id], at);
      woken.push({ id: group.id, at });
    }
    return woken;
  }

  /** Those that ended since the last look; what was ended by hand may say that it was before it. */
  #endedSilences(all: readonly Silence[], from: number, now: number): Silence[] {
    const ended = all.filter(
      ({ startsAt, endsAt }) => startsAt < endsAt && from < endsAt && endsAt <= now,
    );
    const before = this.#looked;
    this.#looked = all;
    if (before === all) return ended;
    const goOn = new Set(all.flatMap((one) => (isActive(one, from) ? [one.id] : [])));
    return [...ended, ...before.filter((one) => isActive(one, from) && !goOn.has(one.id))];
  }

  /** When the next hold ends, if that is before `limit`; what nothing waits for is not asked. */
  async #nextHoldEnd(now: number, limit: number): Promise<number | undefined> {
    const { store } = this.#parts;
    const unsaid = await store.unsaid();
    if (unsaid.length === 0) return undefined;
    const { routing, timed } = this.#parts.grouping();
    const { all } = await this.#readSilences();
    const ends = all.flatMap(({ endsAt }) => (endsAt > now ? [endsAt] : []));
    if (routing.inhibitRules.length > 0) ends.push((await store.nextSourceEnd(now)) ?? limit);
    for (const one of timed) {
      if (mutedBy(one, routing.timeIntervals, now) === undefined) continue;
      let at = (Math.floor(now / MINUTE_MS) + 1) * MINUTE_MS;
      while (at < limit && mutedBy(one, routing.timeIntervals, at) !== undefined) at += MINUTE_MS;
      ends.push(at);
    }
    return Math.min(...ends, limit);
  }

  async #holdsAt(now: number, { routing }: Grouping): Promise<Holds> {
    const { inhibitRules } = routing;
    const [{ index }, sources] = await Promise.all([
      this.#readSilences(),
      inhibitRules.length > 0 ? this.#readSources() : [],
    ]);
    const firing = sources.filter(({ endsAt }) => endsAt > now);
    return new Holds(new Inhibition(inhibitRules, firing), (labels) =>
      index.find(labels, (silence) => isActive(silence, now)),
    );
  }

  async #readSilences() {
    const version = await this.#parts.silences.version();
    if (this.#silences?.version !== version) {
      const all = (await this.#parts.silences.all()).map(readSilence);
      this.#silences = { version, all, index: new SilenceIndex(all) };
    }
    return this.#silences;
  }

  async #readSources(): Promise<readonly ActiveAlert[]> {
    const { store } = this.#parts;
    const version = await store.sourcesVersion();
    // They only get fewer with time; what fires at a moment is picked from them.
    if (this.#sources?.version !== version) {
      this.#sources = { version, all: await store.sources(0) };
    }
    return this.#sources.all;
  }
}

/** Ids of the routes that one configuration mutes at a time and another, or the same, no longer does; and what muted them. */
function unmutedRoutes(
  before: Grouping,
  from: number,
  after: Grouping,
  to: number,
): ReadonlyMap<string, string> {
  const unmuted = new Map<string, string>();
  for (const route of before.timed) {
    const by = mutedBy(route, before.routing.timeIntervals, from);
    if (by === undefined) continue;
    const id = before.idOf(route);
    const same = after.route(id);
    if (same && mutedBy(same, after.routing.timeIntervals, to) === undefined) unmuted.set(id, by);
  }
  return unmuted;
}

const NO_THROTTLE: Bucket = [0, 0];
function throttleBucket(channel: Pick<Channel, 'throttle'> | undefined): Bucket {
  if (!channel) return NO_THROTTLE;
  const { interval, burst } = throttleOf(channel);
  return [interval, burst];
}

export type { GroupLog };

/** What is stored of a group, in the words of the decision and back. */
class GroupLog {
  readonly members: Member[] = [];
  readonly entry: LogEntry | undefined;
  readonly alerts = new Map<string, ActiveAlert>();
  readonly #stored: readonly StoredMember[];
  readonly #byFingerprint = new Map<string, Member>();
  /** Members whose record is gone. */
  readonly #lost: string[] = [];
  readonly #flags = new Map<string, string>();

  constructor(group: ClaimedGroup, stored: readonly StoredMember[], channel: string) {
    this.#stored = stored;
    // What another channel was told counts for nothing here.
    const known = group.loggedAt >= 0 && group.definition.c === channel;
    const firing = new Set<string>();
    const resolved = new Set<string>();
    for (const { fingerprint, flags: all, alert } of stored) {
      const number = numberOf(all);
      const flags = known ? all : all.replace(/[frt]/g, '').replace(/-?\d+/, '0');
      this.#flags.set(fingerprint, flags);
      if (flags.includes('f')) firing.add(fingerprint);
      if (flags.includes('r')) resolved.add(fingerprint);
      if (!flags.includes('m')) continue;
      if (!alert) {
        this.#lost.push(fingerprint);
        continue;
      }
      this.alerts.set(fingerprint, alert);
      const member = {
        fingerprint,
        labels: alert.labels,
        startsAt: alert.startsAt,
        endsAt: alert.endsAt,
        told: flags.includes('t'),
        wasHeld: flags.includes('h'),
        count: alert.count,
        saidCount: number === '' ? undefined : known ? Number(number) : 0,
      };
      this.members.push(member);
      this.#byFingerprint.set(fingerprint, member);
    }
    this.entry = known ? { at: group.loggedAt, firing, resolved } : undefined;
  }

  alertOf({ fingerprint }: Member): ActiveAlert {
    return this.alerts.get(fingerprint) as ActiveAlert;
  }

  endedOf({ ended }: Flush): [string, number, number][] {
    return [
      ...ended.map((member): [string, number, number] => {
        const { fingerprint, endsAt, updatedAt } = this.alertOf(member);
        return [fingerprint, endsAt, updatedAt];
      }),
      ...this.#lost.map((fingerprint): [string, number, number] => [fingerprint, 0, 0]),
    ];
  }

  /** The flags that change, and those of all that ended, without m: who is inside is decided by the script. `isNews`: occurrences are counted. */
  flagsAfter(flush: Flush, isNews: boolean): FlagsChange[] {
    const ended = new Set(flush.ended.map(({ fingerprint }) => fingerprint));
    const lost = new Set(this.#lost);
    const after = this.#marksAfter(flush, ended);
    return this.#stored.flatMap(({ fingerprint, flags: stored }): FlagsChange[] => {
      const { marks, isTold, isSeen } = after(fingerprint);
      const member = this.#byFingerprint.get(fingerprint);
      const told = isNews && member && isSeen ? unsaidCount(member) : 0;
      const begins =
        isNews && isTold && member?.saidCount === undefined && (member?.count ?? false);
      const kept = isNews ? numberOf(stored) : '';
      const stays = `${marks}${kept}` === stored.replace('m', '') && told === 0 && begins === false;
      if (stays && !ended.has(fingerprint) && !lost.has(fingerprint)) return [];
      return [isNews ? [fingerprint, marks, told, begins] : [fingerprint, marks]];
    });
  }

  #marksAfter(flush: Flush, ended: ReadonlySet<string>) {
    const told = new Set(flush.send ? flush.firing.map(({ fingerprint }) => fingerprint) : []);
    const said = new Set(flush.send ? saidBy(flush).map(({ fingerprint }) => fingerprint) : []);
    const held = new Set(flush.held.map(({ member }) => member.fingerprint));
    const log = flush.entry ?? this.entry;
    return (fingerprint: string) => {
      const before = this.#flags.get(fingerprint) ?? '';
      const had = (flag: string) => before.includes(flag) && !ended.has(fingerprint);
      const isTold = (told.has(fingerprint) && !ended.has(fingerprint)) || had('t');
      const isHeld = !isTold && (held.has(fingerprint) || had('h'));
      const marks = [
        log?.firing.has(fingerprint) ? 'f' : '',
        log?.resolved.has(fingerprint) ? 'r' : '',
        isTold ? 't' : '',
        isHeld ? 'h' : '',
      ].join('');
      return { marks, isTold, isSeen: said.has(fingerprint) || (isTold && held.has(fingerprint)) };
    };
  }

  /** What becomes of the alerts in the ledger. */
  outcomesOf(flush: Flush, areApart: boolean): [string, AlertState, AlertState, number?][] {
    const outcomes: [string, AlertState, AlertState, number?][] = [];
    const become = (member: Member, next: AlertState, position = 1) => {
      const { fingerprint, state } = this.alertOf(member);
      if (OPEN_STATES.includes(state) && state !== next)
        outcomes.push([fingerprint, state, next, position]);
    };
    const told = new Set(flush.send ? saidBy(flush) : []);
    let position = 0;
    for (const member of told) become(member, 'q', areApart ? ++position : 1);
    for (const { member, hold } of flush.held) become(member, HOLD_STATES[hold.kind]);
    for (const member of flush.ended) {
      if (!told.has(member) && this.alertOf(member).state === 'p') become(member, 'x');
    }
    return outcomes;
  }
}

/** The number among flags; empty: none. */
const numberOf = (flags: string): string => /-?\d+/.exec(flags)?.[0] ?? '';

const OPEN_STATES: readonly AlertState[] = ['p', 's', 'i', 'm'];
const HOLD_STATES = { silenced: 's', inhibited: 'i', muted: 'm' } as const;

/** When what is said goes into a digest, and into which, ms: that of the channel, or the number of what ended while its lane was full. */
function digestAtOf(channel: Channel | undefined, news: NewsLimits | undefined, now: number) {
  if (channel?.mode === 'digest') return digestEnd(channel, now);
  return news?.fullMs === undefined ? undefined : now + FULL_DIGEST_MS;
}

/** What a flush puts into the lane, or into the digest of its channel. */
function sayingOf(
  { route, channel, log, tick, flush, digestAt }: Preview,
  group: ClaimedGroup,
): Saying {
  if (digestAt !== undefined && channel) {
    const prefix = channel.mode === 'digest' ? digestPrefix(channel.name) : '';
    return { digest: digestOf(flush, log, digestAt, prefix) };
  }
  if (channel?.mode === 'every') return { entries: apart(group, route, flush, log, tick) };
  return { entries: [entryOf(group, route, flush, log, tick)] };
}

/** All that a flush tells, in the order in which it is told. */
const saidBy = ({ firing, resolved }: Flush): readonly Member[] => [...firing, ...resolved];

/** A notification for each alert that a flush tells; its count is that of the occurrences that the channel does not know yet. */
function apart(
  group: ClaimedGroup,
  route: Route,
  flush: Flush,
  log: GroupLog,
  now: number,
): OutboxEntry[] {
  const key = keyOfGroup(route, group.definition.l);
  return saidBy(flush).map((member, position) => {
    const fires = position < flush.firing.length;
    const count = unsaidCount(member);
    const shown = told({ ...log.alertOf(member), count }, now);
    const alert = fires ? { ...shown, ends_at: null } : shown;
    return {
      id: `${group.id}-${now}-${position}`,
      time: now,
      apart: true,
      group: {
        key: `${key}#${member.fingerprint}`,
        route: route.id,
        labels: group.definition.l,
        reason: fires ? (member.told ? 'repeat' : 'new alerts') : 'resolved',
        firing: fires ? [alert] : [],
        resolved: fires ? [] : [alert],
        counts: { firing: fires ? 1 : 0, resolved: fires ? 0 : 1, held: 0, seen: alert.count },
        ...(fires && isUrgent(alert.labels) && { urgent: true }),
      },
    };
  });
}

/** What a flush adds to the digest of its channel. */
function digestOf(flush: Flush, log: GroupLog, due: number, prefix: string): DigestShare {
  const rules = new Map<string, number>();
  for (const member of saidBy(flush)) {
    const count = unsaidCount(member);
    const rule = ruleOf(log.alertOf(member).labels);
    if (count > 0) rules.set(rule, (rules.get(rule) ?? 0) + count);
  }
  return { due, prefix, rules: [...rules], ended: flush.resolved.length };
}

function entryOf(
  group: ClaimedGroup,
  route: Route,
  flush: Flush,
  log: GroupLog,
  now: number,
): OutboxEntry {
  const alertsOf = (members: readonly Member[]) => members.map((member) => log.alertOf(member));
  const firing = alertsOf(flush.firing);
  const resolved = alertsOf(flush.resolved);
  const overflow = group.definition.o === 1;
  const urgent = firing.some(({ labels }) => isUrgent(labels));
  const seen = [...firing, ...resolved].reduce((sum, { count }) => sum + count, 0);
  return {
    id: `${group.id}-${now}`,
    time: now,
    group: {
      key: keyOfGroup(route, group.definition.l),
      route: route.id,
      labels: group.definition.l,
      reason: overflow ? 'digest' : (flush.reason ?? 'repeat'),
      // One that ended while its group was kept back is told as it was first, and its end after that.
      firing: firing.slice(0, MAX_TOLD).map((alert) => ({ ...told(alert, now), ends_at: null })),
      resolved: resolved.slice(0, MAX_TOLD).map((alert) => told(alert, now)),
      counts: {
        firing: firing.length,
        resolved: resolved.length,
        held: flush.held.length,
        seen,
      },
      ...(urgent && { urgent }),
      ...(overflow && { top: topOf([...firing, ...resolved]) }),
    },
  };
}
