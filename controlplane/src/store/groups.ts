/** Groups of alerts in Redis: who is in them, when they are due, and what they said last. */
import type { Redis } from 'ioredis';
import { readFate } from './alerts.ts';
import {
  activeKeys,
  channelKeys,
  fatePrefix,
  groupKeys,
  heldDueKey,
  laneKeys,
  lanesKey,
  outcomesKey,
  outcomesPrefix,
} from './keys.ts';
import {
  EVERY_LANE_CAPACITY,
  GROUP_LANE_CAPACITY,
  LANE_CAPACITY,
  type OutboxEntry,
} from './outbox.ts';
import { loadScript, runScript } from './scripts.ts';

const admitScript = loadScript('admit-groups', 'groups');
const claimScript = loadScript('claim-groups', 'groups');
const commitScript = loadScript('commit-flush', 'groups', 'flush');
const outcomesScript = loadScript('flush-outcomes', 'groups', 'flush');
const membersScript = loadScript('flush-members', 'groups', 'flush');
const wakeScript = loadScript('wake-groups');
const leaveScript = loadScript('leave-group', 'groups', 'flush');
const forgetScript = loadScript('forget-alerts', 'groups');
const retimeScript = loadScript('retime-group', 'groups');

/** What became of the one alert that a record accounts for; `accounted elsewhere` for a second record of the same. */
const ALERT_STATES = {
  p: 'pending',
  q: 'queued',
  s: 'silenced',
  i: 'inhibited',
  m: 'muted',
  x: 'expired',
  u: 'accounted elsewhere',
} as const;
export type AlertState = keyof typeof ALERT_STATES;

/** An alert that fires or ended lately. Times are ms since the epoch. */
export interface ActiveAlert {
  readonly fingerprint: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly startsAt: number;
  readonly endsAt: number;
  readonly updatedAt: number;
  /** How often it was seen since it began. */
  readonly count: number;
  readonly firstSeen: number;
  readonly lastSeen: number;
  readonly state: AlertState;
  readonly agent: string | undefined;
  readonly route: string | undefined;
  /** Ids of stored alerts: the first, and the youngest. */
  readonly samples: readonly string[];
}

/** What makes a group: written once, when it is created. */
export interface GroupDefinition {
  /** Id of the route as the store knows it. */
  readonly r: string;
  /** Labels of the group. */
  readonly l: Readonly<Record<string, string>>;
  /** Interval that its ticks are counted by, ms. */
  readonly i: number;
  /** The channel that its log is of, once it said something. */
  readonly c?: string;
  /** It takes what the route may not have groups of its own for. */
  readonly o?: 1;
}

export interface GroupState {
  readonly id: string;
  readonly createdAt: number;
  /** 0 before the first flush. */
  readonly flushedAt: number;
  /** When the flush that is under way was due; 0 when none is. */
  readonly tick: number;
  readonly fence: number;
  /** Notifications so far. */
  readonly said: number;
  /** The flush that said something last; -1: none did. */
  readonly loggedAt: number;
  readonly revision: number;
  readonly definition: GroupDefinition;
}

export interface ClaimedGroup extends GroupState {
  readonly leaseEnds: number;
  /** Its last flush was not carried through to its end. */
  readonly unfinished: boolean;
}

/** A member with its flags, see `scripts/lib/groups.lua`. */
export interface StoredMember {
  readonly fingerprint: string;
  readonly flags: string;
  /** Undefined for what was in the group and is still in its log. */
  readonly alert: ActiveAlert | undefined;
}

/** The request that `plan_groups` takes. */
export interface GroupsRequest {
  readonly now?: number;
  readonly throttle?: Bucket;
  readonly routes: readonly (readonly [
    id: string,
    capacity: number,
    overflow: number,
    intervalUs: number,
    burstUs: number,
  ])[];
  readonly groups: readonly (readonly [
    id: string,
    route: number,
    definition: string,
    waitMs: number,
    intervalMs: number,
    /** 1 when its channel is told what is new, alert by alert. */
    news: 0 | 1,
  ])[];
  readonly alerts: readonly (readonly unknown[])[];
}

/** A throttle as the scripts take it: microseconds between two (0: none), and of saved-up burst. */
export type Bucket = readonly [interval: number, burst: number];

/** What a flush adds to the next digest of its channel. */
export interface DigestShare {
  /** When that is made at the latest, ms. */
  readonly due: number;
  /** Of its id; without one it has no history. */
  readonly prefix: string;
  readonly rules: readonly (readonly [rule: string, count: number])[];
  readonly ended: number;
}

/** What becomes of a member; where occurrences are counted, how many are told now, and the number it gets when it has none. */
export type FlagsChange = readonly [
  fingerprint: string,
  flags: string,
  told?: number,
  number?: number | false,
];

export interface FlushCommit {
  readonly group: ClaimedGroup;
  readonly now: number;
  /** What ticks are counted from. */
  readonly flushedAt: number;
  readonly intervalMs: number;
  readonly route: string;
  readonly channel: string;
  /** The lane of that channel that it has. */
  readonly lane: string;
  readonly next: number | undefined;
  readonly unsaid: boolean;
  readonly logged: boolean;
  readonly definition: GroupDefinition;
  readonly channelThrottle: Bucket;
  readonly routeThrottle: Bucket;
  readonly flags: readonly FlagsChange[];
  readonly ended: readonly (readonly [fingerprint: string, endsAt: number, updatedAt: number])[];
  readonly outcomes: readonly (readonly [
    fingerprint: string,
    seen: AlertState,
    state: AlertState,
    /** Of the notification that it goes with, from 1. */
    position?: number,
  ])[];
  /** Each alert is told by itself. */
  readonly every: boolean;
  /** What is told. */
  readonly entries: readonly OutboxEntry[];
  readonly digest?: DigestShare | undefined;
}

export type Committed =
  | { readonly status: 'said' | 'done'; readonly next: number | undefined }
  | { readonly status: 'postponed'; readonly next: number }
  /** Another claimed the group; nothing changed. */
  | { readonly status: 'lost' };

/** A notification of a group, and what became of it. */
export interface SaidBefore {
  readonly notification: string;
  readonly at: number;
  readonly reason: string;
  readonly channel: string;
  /** The one alert that it tells of; undefined: all of the group. */
  readonly fingerprint: string | undefined;
  /** When the digest that it is in is made, ms. */
  readonly due: number | undefined;
  /** pending, failed (and tried again), notified or dead_lettered. */
  readonly fate: string;
  readonly fateAt: number | undefined;
  /** Why it failed. */
  readonly detail: string;
}

/** The keys that `plan_groups` takes, in its order. */
export const groupScriptKeys = (request: GroupsRequest): string[] => [
  ...[activeKeys.record, activeKeys.ends, activeKeys.sources, activeKeys.sourcesVersion],
  ...[groupKeys.due, groupKeys.state, groupKeys.unsaid, groupKeys.byRoute, groupKeys.newBuckets],
  ...[outcomesKey, groupKeys.urgent],
  ...request.groups.map(([id]) => groupKeys.members(id)),
];

const PAGE = 1000;
/** Members that one call of Redis changes: it does nothing else for some ms then. */
const MEMBERS_AT_ONCE = 2000;
/** What a flush laid down and did not commit is gone after so long, seconds. */
const LAID_SECONDS = 3600;
/** Notifications that a group remembers, and one that tells each alert by itself. */
const HISTORY = 20;
const EVERY_HISTORY = 1000;
/** Until a flush is tried again whose lane is full, ms. */
const FULL_WAIT_MS = 60_000;
const EVERY_WAIT_MS = 1000;

type HistoryLine = [
  id: string,
  at: number,
  reason: string,
  channel: string,
  fingerprint?: string,
  due?: number,
];

/** Of the one alert that an entry tells. */
const fingerprintOf = ({ apart, group }: OutboxEntry): string =>
  apart ? (group?.key.slice(group.key.lastIndexOf('#') + 1) ?? '') : '';

export class GroupStore {
  readonly #redis: Redis;
  readonly #atOnce: number;

  constructor(redis: Redis, membersAtOnce = MEMBERS_AT_ONCE) {
    this.#redis = redis;
    this.#atOnce = membersAtOnce;
  }

  /** Puts alerts into their groups. */
  async admit(request: GroupsRequest): Promise<void> {
    const args = [JSON.stringify(request), outcomesPrefix];
    await runScript(this.#redis, admitScript, groupScriptKeys(request), args);
  }

  /** Takes groups that are due at `now`; they are due again for others after the lease. */
  async claim(now: number, leaseMs: number, limit: number): Promise<ClaimedGroup[]> {
    const keys = [groupKeys.due, groupKeys.state, groupKeys.fence, groupKeys.urgent];
    const flat = (await runScript(this.#redis, claimScript, keys, [
      now,
      leaseMs,
      limit,
      groupKeys.members(''),
    ])) as string[];
    const claimed: ClaimedGroup[] = [];
    for (let index = 0; index < flat.length; index += 4) {
      const [id = '', text = '', leaseEnds, parts] = flat.slice(index, index + 4);
      const unfinished = Number(parts) > 0;
      claimed.push({ ...readState(id, text), leaseEnds: Number(leaseEnds), unfinished });
    }
    return claimed;
  }

  /** When the next group is due, ms. */
  async nextDue(): Promise<number | undefined> {
    const [, score] = await this.#redis.zrange(groupKeys.due, 0, 0, 'WITHSCORES');
    return score === undefined ? undefined : Number(score);
  }

  /** All that is or was in a group. */
  async members(group: string): Promise<StoredMember[]> {
    const members: StoredMember[] = [];
    const seen = new Set<string>();
    // In parts, so that a large group keeps nothing else waiting; of what comes meanwhile its revision tells.
    for (let cursor = '0'; ; ) {
      const key = groupKeys.members(group);
      const [next, flat] = await this.#redis.hscan(key, cursor, 'COUNT', PAGE);
      const flags = new Map<string, string>();
      for (let index = 0; index < flat.length; index += 2) {
        const fingerprint = flat[index] as string;
        if (!seen.has(fingerprint)) flags.set(fingerprint, flat[index + 1] ?? '');
        seen.add(fingerprint);
      }
      const inside = [...flags].flatMap(([name, text]) => (text.includes('m') ? [name] : []));
      const alerts = await this.active(inside);
      for (const [fingerprint, text] of flags)
        members.push({ fingerprint, flags: text, alert: alerts.get(fingerprint) });
      if (next === '0') return members;
      cursor = next;
    }
  }

  /** The fingerprints of what is in each of these groups. */
  async inside(groups: readonly string[]): Promise<string[][]> {
    const flags = await Promise.all(
      groups.map((group) => this.#redis.hgetall(groupKeys.members(group))),
    );
    return flags.map((all) => Object.keys(all).filter((name) => all[name]?.includes('m')));
  }

  /** The alerts of these fingerprints that are known. */
  async active(fingerprints: readonly string[]): Promise<Map<string, ActiveAlert>> {
    const found = new Map<string, ActiveAlert>();
    for (let from = 0; from < fingerprints.length; from += PAGE) {
      const page = fingerprints.slice(from, from + PAGE);
      const texts = await this.#redis.hmget(activeKeys.record, ...page);
      for (const [index, text] of texts.entries()) {
        const fingerprint = page[index] as string;
        if (text) found.set(fingerprint, readActive(fingerprint, text));
      }
    }
    return found;
  }

  /** How many notifications a group that tells each alert by itself may add to its lane. */
  async room(channel: string, lane: string): Promise<number> {
    const [length, pending] = await Promise.all([
      this.#redis.llen(laneKeys(lane).entries),
      this.#redis.hget(channelKeys(channel).ledger, 'pending'),
    ]);
    const left = Math.min(EVERY_LANE_CAPACITY - length, LANE_CAPACITY - Number(pending ?? 0));
    return Math.max(0, left);
  }

  /** Ends a flush. One of many members is committed by one call all the same, but prepared and carried through by several. */
  async commit(commit: FlushCommit): Promise<Committed> {
    const { group, outcomes, entries } = commit;
    const members = membersOf(commit);
    if (members.length <= this.#atOnce && outcomes.length <= this.#atOnce)
      return this.#commit(commit, members, outcomes, false);
    // Each of several notifications takes its own alert along, and there are never many.
    const isApart = entries.length > 1 || entries[0]?.apart === true;
    const kept = isApart ? outcomes.filter(([, , state]) => state === 'q') : [];
    const early = isApart ? outcomes.filter(([, , state]) => state !== 'q') : outcomes;
    for (const part of partsOf(early, this.#atOnce)) {
      const keys = [groupKeys.state, activeKeys.record, outcomesKey, groupKeys.units(group.id)];
      const args = [group.id, group.fence, JSON.stringify(part), outcomesPrefix];
      if ((await runScript(this.#redis, outcomesScript, keys, args)) !== 1)
        return { status: 'lost' };
    }
    const laid = groupKeys.rows(group.id, group.fence);
    // At least one, so that there is something to go on with.
    for (const part of members.length > 0 ? partsOf(members, this.#atOnce) : [[]])
      await this.#redis.rpush(laid, JSON.stringify(part));
    await this.#redis.expire(laid, LAID_SECONDS);
    const committed = await this.#commit(commit, [], kept, true);
    if (committed.status === 'said' || committed.status === 'done') await this.finish(group.id);
    else await this.#redis.unlink(laid);
    return committed;
  }

  /** Goes on with a flush that was committed, to its end. */
  async finish(group: string): Promise<void> {
    const keys = [activeKeys.record, groupKeys.members(group), groupKeys.rows(group)];
    while (Number(await runScript(this.#redis, membersScript, keys, [])) > 0);
  }

  async #commit(
    commit: FlushCommit,
    members: readonly (readonly unknown[])[],
    outcomes: FlushCommit['outcomes'],
    laid: boolean,
  ): Promise<Committed> {
    const { group, entries: said, channel, lane, next, definition, every } = commit;
    const { entries } = laneKeys(lane);
    const { ledger, bucket, ready, held, heldUnits } = channelKeys(channel);
    const keys = [
      ...[groupKeys.due, groupKeys.state, groupKeys.members(group.id), groupKeys.unsaid],
      ...[groupKeys.byRoute, activeKeys.record, outcomesKey],
      ...[entries, lanesKey, ledger, bucket, groupKeys.buckets, groupKeys.history(group.id), ready],
      ...[held, heldUnits, heldDueKey, groupKeys.units(group.id), groupKeys.rows(group.id)],
      groupKeys.rows(group.id, group.fence),
    ];
    const flush = {
      id: group.id,
      fence: group.fence,
      lease_ends: group.leaseEnds,
      now: commit.now,
      tick: commit.flushedAt,
      interval: commit.intervalMs,
      revision: group.revision,
      route: commit.route,
      channel,
      lane,
      urgent: said.some((entry) => entry.group?.urgent) ? 1 : 0,
      next: next ?? 0,
      unsaid: commit.unsaid ? 1 : 0,
      logged: commit.logged ? 1 : 0,
      capacity: LANE_CAPACITY,
      lane_capacity: every ? EVERY_LANE_CAPACITY : GROUP_LANE_CAPACITY,
      full_wait: every ? EVERY_WAIT_MS : FULL_WAIT_MS,
      history: every ? EVERY_HISTORY : HISTORY,
      ...(commit.digest && { digest: commit.digest }),
      definition: JSON.stringify(definition),
      channel_throttle: commit.channelThrottle,
      route_throttle: commit.routeThrottle,
      ...{ members, outcomes, laid: laid ? 1 : 0 },
    };
    const texts = said.flatMap((entry) => [
      JSON.stringify(entry).slice(0, -1),
      JSON.stringify([entry.id, entry.time, entry.group?.reason, channel, fingerprintOf(entry)]),
    ]);
    const [status, at] = (await runScript(this.#redis, commitScript, keys, [
      JSON.stringify(flush),
      outcomesPrefix,
      ...texts,
    ])) as [string, number];
    if (status === 'lost') return { status };
    if (status === 'postponed') return { status, next: at };
    return { status: status as 'said' | 'done', next: at < 0 ? undefined : at };
  }

  /** The last notifications of a group, youngest first. */
  async history(id: string): Promise<SaidBefore[]> {
    const texts = await this.#redis.lrange(groupKeys.history(id), 0, -1);
    const said = texts.map((text) => JSON.parse(text) as HistoryLine);
    const fates = await Promise.all(said.map(([key]) => this.#redis.get(`${fatePrefix}${key}`)));
    return said.map(([notification, at, reason, channel, fingerprint = '', due], index) => {
      const fate = readFate(fates[index]);
      const { what = 'pending', at: fateAt, detail = '' } = fate ?? {};
      const about = { fingerprint: fingerprint || undefined, due };
      return { notification, at, reason, channel, ...about, fate: what, fateAt, detail };
    });
  }

  /** Ids of groups and when they are due, soonest first. */
  async dueList(limit: number): Promise<{ id: string; due: number }[]> {
    const flat = await this.#redis.zrange(groupKeys.due, 0, limit - 1, 'WITHSCORES');
    return Array.from({ length: flat.length / 2 }, (_, index) => ({
      id: flat[2 * index] as string,
      due: Number(flat[2 * index + 1]),
    }));
  }

  async dueOf(id: string): Promise<number | undefined> {
    const score = await this.#redis.zscore(groupKeys.due, id);
    return score === null ? undefined : Number(score);
  }

  async size(): Promise<number> {
    return this.#redis.hlen(groupKeys.state);
  }

  /** Groups in which something that was never told may be held back. */
  async countUnsaid(): Promise<number> {
    return this.#redis.scard(groupKeys.unsaid);
  }

  async unsaid(): Promise<string[]> {
    return this.#redis.smembers(groupKeys.unsaid);
  }

  async states(ids: readonly string[]): Promise<GroupState[]> {
    if (ids.length === 0) return [];
    const texts = await this.#redis.hmget(groupKeys.state, ...ids);
    return ids.flatMap((id, index) => {
      const text = texts[index];
      return text ? [readState(id, text)] : [];
    });
  }

  /** Makes groups due at `at` unless they are sooner. */
  async wake(ids: readonly string[], at: number): Promise<void> {
    for (let from = 0; from < ids.length; from += PAGE) {
      const args = ids.slice(from, from + PAGE).flatMap((id) => [at, id]);
      await runScript(this.#redis, wakeScript, [groupKeys.due], args);
    }
  }

  /** Makes a group due at `due`, and its ticks count from there by another interval. */
  async retime(group: GroupState, due: number, intervalMs: number): Promise<void> {
    const { id, flushedAt, definition } = group;
    const changed: GroupDefinition = { ...definition, i: intervalMs };
    const args = [id, flushedAt, due - intervalMs, due, JSON.stringify(changed)];
    await runScript(this.#redis, retimeScript, [groupKeys.due, groupKeys.state], args);
  }

  /** Version of the sources of inhibition: while it is the same, so are they. */
  async sourcesVersion(): Promise<string> {
    return (await this.#redis.get(activeKeys.sourcesVersion)) ?? '0';
  }

  /** Sources that end after `from`, and not after `to`. */
  async sources(from: number, to = Number.POSITIVE_INFINITY): Promise<ActiveAlert[]> {
    const end = to === Number.POSITIVE_INFINITY ? '+inf' : to;
    const ids = await this.#redis.zrangebyscore(activeKeys.sources, `(${from}`, end);
    return [...(await this.active(ids)).values()];
  }

  /** When the next source ends after `from`, ms. */
  async nextSourceEnd(from: number): Promise<number | undefined> {
    const found = await this.#redis.zrangebyscore(
      activeKeys.sources,
      `(${from}`,
      '+inf',
      'WITHSCORES',
      'LIMIT',
      0,
      1,
    );
    return found[1] === undefined ? undefined : Number(found[1]);
  }

  /** Forgets alerts that ended before a time, some thousands at most. */
  async forgetEnded(before: number): Promise<void> {
    const ids = await this.#redis.zrangebyscore(activeKeys.ends, '-inf', before, 'LIMIT', 0, 5000);
    if (ids.length > 0) {
      await runScript(
        this.#redis,
        forgetScript,
        [activeKeys.record, activeKeys.ends, activeKeys.sources, outcomesKey],
        [before, outcomesPrefix, ...ids],
      );
    }
  }

  /** Alerts that fire at `now`, in pages. */
  async *firing(now: number): AsyncGenerator<ActiveAlert[]> {
    const ids = await this.#redis.zrangebyscore(activeKeys.ends, `(${now}`, '+inf');
    for (let from = 0; from < ids.length; from += PAGE) {
      yield [...(await this.active(ids.slice(from, from + PAGE))).values()];
    }
  }

  /** All groups, in pages. */
  async *groups(): AsyncGenerator<GroupState[]> {
    const ids = await this.#redis.hkeys(groupKeys.state);
    for (let from = 0; from < ids.length; from += PAGE) {
      yield await this.states(ids.slice(from, from + PAGE));
    }
  }

  /** Says which of these alerts can hold others back. */
  async setSources(sources: readonly ActiveAlert[], others: readonly ActiveAlert[]): Promise<void> {
    const change = this.#redis.multi().incr(activeKeys.sourcesVersion);
    const scores = sources.flatMap(({ endsAt, fingerprint }) => [endsAt, fingerprint]);
    if (scores.length > 0) change.zadd(activeKeys.sources, ...scores);
    const names = others.map(({ fingerprint }) => fingerprint);
    if (names.length > 0) change.zrem(activeKeys.sources, ...names);
    await change.exec();
  }

  /** Takes alerts out of a group that is no longer theirs; an empty one is gone then. */
  async leave({ id, definition }: GroupState, fingerprints: readonly string[]): Promise<void> {
    const keys = [groupKeys.members(id), groupKeys.due, groupKeys.state, groupKeys.unsaid];
    for (let from = 0; from < fingerprints.length; from += PAGE) {
      const page = fingerprints.slice(from, from + PAGE);
      const more = from + PAGE < fingerprints.length ? 1 : 0;
      await runScript(
        this.#redis,
        leaveScript,
        [...keys, groupKeys.byRoute, groupKeys.units(id), groupKeys.rows(id), outcomesKey],
        [...[id, definition.r, outcomesPrefix, more], ...page],
      );
    }
  }

  async holdsSeen(): Promise<number | undefined> {
    const text = await this.#redis.get(groupKeys.holdsSeen);
    return text === null ? undefined : Number(text);
  }

  async setHoldsSeen(at: number): Promise<void> {
    await this.#redis.set(groupKeys.holdsSeen, at);
  }
}

/** The members that change, as the scripts take them: with what was read of those that ended. */
function membersOf({ flags, ended }: FlushCommit): (readonly unknown[])[] {
  const ends = new Map(ended.map(([fingerprint, ...read]) => [fingerprint, read]));
  return flags.map(([fingerprint, text, told, begins]) => {
    const read = ends.get(fingerprint);
    const counts = [told ?? false, begins ?? false];
    return [fingerprint, text, ...counts, ...(read ?? [])];
  });
}

function* partsOf<T>(rows: readonly T[], size: number): Generator<readonly T[]> {
  for (let from = 0; from < rows.length; from += size) yield rows.slice(from, from + size);
}

function readState(id: string, text: string): GroupState {
  const [created, flushed, tick, fence, said, logged, revision] = text.split(' ', 7).map(Number);
  return {
    id,
    createdAt: created ?? 0,
    flushedAt: flushed ?? 0,
    tick: tick ?? 0,
    fence: fence ?? 0,
    said: said ?? 0,
    loggedAt: logged ?? -1,
    revision: revision ?? 0,
    definition: JSON.parse(text.slice(text.indexOf('{'))) as GroupDefinition,
  };
}

function readActive(fingerprint: string, text: string): ActiveAlert {
  const parts = text.split(' ', 11);
  const [startsAt = 0, endsAt = 0, updatedAt = 0, , count = 1, firstSeen = 0, lastSeen = 0] = parts
    .slice(0, 7)
    .map(Number);
  const [state = 'u', agent, route, samples = '-'] = parts.slice(7);
  return {
    ...{ fingerprint, startsAt, endsAt, updatedAt, count, firstSeen, lastSeen },
    labels: Object.assign(Object.create(null), JSON.parse(text.slice(text.indexOf('{')))),
    state: state as AlertState,
    agent: agent === '-' ? undefined : agent,
    route: route === '-' ? undefined : route,
    samples: samples === '-' ? [] : samples.split(','),
  };
}
