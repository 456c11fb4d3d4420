/**
 * The outbox: a lane of entries for each group that a channel is told of, and one for what is in no group, in the order in which
 * they must be told. Admission and groups append; delivery reads the head, tells it, and acknowledges. Whoever drains a channel holds
 * its lease; the fencing token keeps a late one from changing anything.
 */
import { hash } from 'node:crypto';
import { type Channel, digestIntervalMs, type StoredAlert } from '@tocsin/openapi';
import type { Redis } from 'ioredis';
import type { GroupNotification } from '../routing/notification.ts';
import { storedAlert } from './alerts.ts';
import { type LoggedAttempt, resultKey } from './delivery-log.ts';
import {
  alertKeys,
  channelKeys,
  fatePrefix,
  groupKeys,
  heldDueKey,
  laneKeys,
  lanePrefix,
  lanesKey,
  outcomesKey,
  outcomesPrefix,
} from './keys.ts';
import { loadScript, runScript } from './scripts.ts';

/** One notification to be. Alerts are stored elsewhere and read by id when it is sent. */
export interface OutboxEntry {
  /** Id of the notification, the same in every attempt. */
  readonly id: string;
  /** When it was decided, ms since the epoch. */
  readonly time: number;
  /** Id of the alert to tell in full; without one, the entry only tells what was held back. */
  readonly alert?: string;
  /** Rule of that alert, to count it by when it is no longer stored. */
  readonly rule?: string;
  /** Alerts that the throttle held back before this entry: rule and count. */
  readonly held?: readonly (readonly [rule: string, count: number])[];
  /** What the control plane says itself, instead of a stored alert. */
  readonly notice?: StoredAlert;
  /** The channel it was for, which was broken. */
  readonly from?: string;
  /** It may have been told before. */
  readonly repeated?: boolean;
  /** What a group says, instead of one alert. */
  readonly group?: GroupNotification;
  /** It tells one alert of a group, and is not told together with others of it as if they were one. */
  readonly apart?: boolean;
  /** `held` is the digest of a channel that is told no more; alerts that ended are counted by themselves. */
  readonly digest?: boolean;
  readonly ended?: number;
  /** Alerts whose outcome it decides, by agent and route (or `-`); `digested` when they are told as a number. */
  readonly units?: readonly (readonly [
    agent: string,
    route: string,
    count: number,
    told?: 'digested',
  ])[];
}

/** What became of entries: told, of them `counted` only as a number since they are no longer stored, or given up. */
export type Fate =
  | { readonly fate: 'notified'; readonly counted?: number }
  | {
      readonly fate: 'dead_lettered';
      readonly reason: string;
      readonly detail: string;
      /** It may have been told. */
      readonly repeated?: boolean;
    };

/** What an entry counts as in the ledger of its channel. */
export const alertsOf = ({ alert, group, held = [] }: OutboxEntry): number =>
  (alert !== undefined || group !== undefined ? 1 : 0) +
  held.reduce((sum, [, count]) => sum + count, 0);

/** What is set back, and for how long. */
export interface SetBack {
  /** What is known of the attempt, as text. */
  readonly attempt: string;
  readonly pauseMs: number;
  /** All lanes of the channel wait for so long. */
  readonly quietMs: number;
  /** Why, for timelines. */
  readonly why: string;
  /** Of the entries. */
  readonly ids: readonly string[];
  readonly logged: LoggedAttempt;
}

/** Entries a channel holds; what comes on top is held back and counted instead, or stays in its group. */
export const LANE_CAPACITY = 10_000;
/** Updates that one group has waiting. */
export const GROUP_LANE_CAPACITY = 100;
/** The same of one that tells each alert by itself. */
export const EVERY_LANE_CAPACITY = 2000;

const DEAD_LETTERS_KEPT = 10_000;
const acknowledgeScript = loadScript('acknowledge', 'groups', 'log');
const takeHeldScript = loadScript('take-held');
const leaseScript = loadScript('lease', 'lease');
const takeScript = loadScript('take', 'lease');
const rememberScript = loadScript('remember');
const setBackScript = loadScript('set-back', 'log');
const retryNowScript = loadScript('retry-now');

/** Lanes that are asked for the age of what waits. */
const OLDEST_OF = 100;
/** Longer than anything is tried. */
const ATTEMPT_KEPT_SECONDS = 7 * 86_400;
const MEMORY_KEPT_SECONDS = 30 * 86_400;

const memoryKey = (channel: string, group: string): string =>
  channelKeys(channel).memory + hash('sha256', group, 'base64url').slice(0, 22);

/** The throttle of a channel as the scripts want it: microseconds between two, and of saved-up burst. */
export function throttleOf(channel: Pick<Channel, 'throttle'>): {
  interval: number;
  burst: number;
} {
  if (!channel.throttle) return { interval: 0, burst: 0 };
  const interval = Math.round(60_000_000 / channel.throttle.per_minute);
  return { interval, burst: interval * (channel.throttle.burst - 1) };
}

/** Period of the digests of a channel, ms; 0 when it is told none. */
export const digestPeriod = (channel: Pick<Channel, 'mode' | 'digest_interval'>): number =>
  channel.mode === 'digest' ? (digestIntervalMs(channel) ?? 0) : 0;

/** When the digest is made that tells of what comes now, ms. */
export function digestEnd(channel: Channel, now: number): number {
  const period = digestPeriod(channel);
  return (Math.floor(now / period) + 1) * period;
}

/** The id of a digest, but for the time (ms) at which it is made. */
export const digestPrefix = (channel: string): string => `digest-${channel}-`;

/** The lane of a group; what is in no group has the lane with the name of the channel. Names of channels have no `#`. */
export const laneOf = (channel: string, group: string): string => `${channel}#${group}`;

/** The lane of a channel for what is critical and in no group. */
export const urgentLane = (channel: string): string => laneOf(channel, 'urgent');

/** The keys of a channel in the order in which scripts that fill its lane take them. */
export function laneScriptKeys(channel: string): string[] {
  const { held, bucket, ledger, heldUnits } = channelKeys(channel);
  return [laneKeys(channel).entries, held, bucket, ledger, heldUnits];
}

/** The head of a lane that is being sent from now on. */
export interface TakenLane {
  readonly lane: string;
  /** It goes before others. */
  readonly urgent: boolean;
  /** It was not tried before. */
  readonly isFirst: boolean;
  /** JSON of its attempt; no more than its `count` entries are told. */
  readonly attempt: string;
  readonly entries: readonly OutboxEntry[];
  /** The alerts that the entries show, by id; undefined where none is stored (any more). */
  readonly alerts: ReadonlyMap<string, StoredAlert | undefined>;
}

/** What is asked of a channel. */
export interface Take {
  /** Of the lease; without one it is taken, for `leaseMs`. */
  readonly token: number | undefined;
  readonly leaseMs: number;
  /** Lanes under way at a time. */
  readonly parallel: number;
  /** Those that are. */
  readonly busy: readonly string[];
  /** Entries of a lane. */
  readonly entries: number;
  /** While the channel is broken, lanes that are due are not taken but named, to be moved. */
  readonly moves: boolean;
}

/** What of a channel is to be told now. Times are ms of the clock of Redis. */
export interface Taken {
  readonly token: number;
  /** There is nothing to do now, and the lease was given back. */
  readonly released: boolean;
  /** More was due than could be taken. */
  readonly more: boolean;
  /** Nothing of the channel shall be sent now. */
  readonly held: boolean;
  readonly now: number;
  /** When one has to look again if nothing comes; undefined: not before. */
  readonly next: number | undefined;
  /** Failures of the channel in a row, how often its breaker was opened since, and for how many ms it still is. */
  readonly failures: number;
  readonly opens: number;
  readonly openMs: number;
  /** Those that wait longest in front, and before them what is urgent. */
  readonly lanes: readonly TakenLane[];
  readonly toMove: readonly string[];
}

type LaneReply =
  | readonly [lane: string]
  | readonly [
      lane: string,
      attempt: string,
      entries: readonly string[],
      alerts: readonly string[],
      urgent: 0 | 1,
      isFirst: 0 | 1,
    ];

function takenLane([lane, attempt, entries, alerts, urgent, isFirst]: Extract<
  LaneReply,
  { readonly length: 6 }
>): TakenLane {
  const stored = new Map<string, StoredAlert | undefined>();
  for (let at = 0; at < alerts.length; at += 3) {
    const [id = '', record = '', body = ''] = alerts.slice(at, at + 3);
    stored.set(id, storedAlert(record, body));
  }
  const parsed = entries.map((text) => JSON.parse(text) as OutboxEntry);
  return {
    lane,
    attempt,
    entries: parsed,
    alerts: stored,
    urgent: urgent === 1,
    isFirst: isFirst === 1,
  };
}

type HeldChannel = Pick<Channel, 'name' | 'throttle' | 'mode' | 'digest_interval'>;

export class Outbox {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** Channels that have lanes with entries. */
  lanesWithWork(): Promise<string[]> {
    return this.#redis.smembers(lanesKey);
  }

  /** Channels with held counters, those that may be told first at the front; whether they may is decided by `takeHeld`. */
  lanesWithHeld(): Promise<string[]> {
    return this.#redis.zrange(heldDueKey, 0, -1);
  }

  /** When the held counters of a channel are due, ms. */
  async heldDue(channel: string): Promise<number | undefined> {
    const score = await this.#redis.zscore(heldDueKey, channel);
    return score === null ? undefined : Number(score);
  }

  /** The first entries of a lane, oldest first; they stay until they are acknowledged. */
  async readHead(lane: string, limit: number): Promise<OutboxEntry[]> {
    const texts = await this.#redis.lrange(laneKeys(lane).entries, 0, limit - 1);
    return texts.map((text) => JSON.parse(text) as OutboxEntry);
  }

  /** What a channel was not told yet: lanes, entries, and since when (ms) the oldest waits, by the lanes that are tried next. */
  async backlog(channel: string): Promise<{ lanes: number; depth: number; oldest: number }> {
    const { ready } = channelKeys(channel);
    const lanes = new Set([channel, ...(await this.#redis.zrange(ready, 0, -1))]);
    let [filled, depth, oldest] = [0, 0, Date.now()];
    for (const lane of lanes) {
      const length = await this.#redis.llen(laneKeys(lane).entries);
      if (length === 0) continue;
      filled++;
      depth += length;
      if (filled > OLDEST_OF) continue;
      const [first] = await this.readHead(lane, 1);
      oldest = Math.min(oldest, first?.time ?? oldest);
    }
    return { lanes: filled, depth, oldest };
  }

  /** Appends one entry to the lane of a channel without a group. */
  async append(channel: string, entry: OutboxEntry): Promise<void> {
    await this.#redis
      .multi()
      .rpush(laneKeys(channel).entries, JSON.stringify(entry))
      .sadd(lanesKey, channel)
      .exec();
  }

  /** Takes what may be told of a channel now; undefined when another holds its lease. */
  async take(
    channel: string,
    { token, leaseMs, parallel, busy, entries, moves }: Take,
  ): Promise<Taken | undefined> {
    const { lease, fence, ready, state } = channelKeys(channel);
    const keys = [
      lease,
      fence,
      laneKeys(channel).entries,
      ready,
      state,
      lanesKey,
      alertKeys.record,
    ];
    const args = [channel, token ?? '', leaseMs, parallel, entries, ATTEMPT_KEPT_SECONDS];
    args.push(moves ? 1 : 0, lanePrefix, alertKeys.bodiesPrefix, ...busy);
    const [given, released, now, next, failures, opens, openMs, left, ...lanes] = (await runScript(
      this.#redis,
      takeScript,
      keys,
      args,
    )) as [number, number, number, number, number, number, number, number, ...LaneReply[]];
    if (given === 0) return undefined;
    return {
      ...{ token: given, released: released === 1, more: left === 1, held: left === 2 },
      ...{ now, failures, opens, openMs },
      next: next < 0 ? undefined : next,
      lanes: lanes.flatMap((reply) => (reply.length === 1 ? [] : [takenLane(reply)])),
      toMove: lanes.flatMap((reply) => (reply.length === 1 ? [reply[0]] : [])),
    };
  }

  /** Says of the head of a lane that it was taken but is not being sent. False when the lease is lost. */
  async putBack(
    channel: string,
    { lane, attempt, isFirst }: TakenLane,
    token: number,
  ): Promise<boolean> {
    const known = JSON.parse(attempt) as object;
    // Of one that was never tried, nobody began to lose patience.
    const text = JSON.stringify({ ...known, sending: false, ...(isFirst && { since: undefined }) });
    const keys = [channelKeys(channel).lease, laneKeys(lane).attempt];
    const args = [token, text, ATTEMPT_KEPT_SECONDS];
    return (await runScript(this.#redis, rememberScript, keys, args)) === 1;
  }

  /** What is known of the notification that was tried last at the head of a lane. */
  readAttempt(lane: string): Promise<string | null> {
    return this.#redis.get(laneKeys(lane).attempt);
  }

  /** What a channel keeps of a group. */
  async recall(channel: string, group: string): Promise<string | undefined> {
    return (await this.#redis.get(memoryKey(channel, group))) ?? undefined;
  }

  /** Keeps something of a group; false when the lease is lost. */
  async remember(channel: string, token: number, group: string, text: string): Promise<boolean> {
    const keys = [channelKeys(channel).lease, memoryKey(channel, group)];
    const args = [token, text, MEMORY_KEPT_SECONDS];
    return (await runScript(this.#redis, rememberScript, keys, args)) === 1;
  }

  /** Keeps the head of a lane for another attempt. False when the lease is lost and nothing changed. */
  async setBack(
    channel: string,
    lane: string,
    token: number,
    { attempt, pauseMs, quietMs, why, ids, logged }: SetBack,
  ): Promise<boolean> {
    const { lease, ready, state, log, stats } = channelKeys(channel);
    const keys = [lease, laneKeys(lane).attempt, ready, state, log, stats];
    const result = resultKey(logged.result, logged.reason);
    const args = [token, attempt, ATTEMPT_KEPT_SECONDS, lane, pauseMs, quietMs];
    args.push(JSON.stringify(logged), result, why, fatePrefix, ...ids);
    return (await runScript(this.#redis, setBackScript, keys, args)) === 1;
  }

  /** Lets all lanes of a channel be tried at once. */
  async retryNow(channel: string): Promise<void> {
    const { ready, state } = channelKeys(channel);
    await runScript(this.#redis, retryNowScript, [ready, state], []);
  }

  /** Takes `count` entries off the head; `now` only for a clock other than that of Redis. Returns how many are left, or undefined when the lease is lost and nothing changed. */
  async acknowledge(
    channel: string,
    lane: string,
    token: number,
    count: number,
    fate: Fate,
    logged?: LoggedAttempt,
    now?: number,
  ): Promise<number | undefined> {
    const { entries, attempt } = laneKeys(lane);
    const { lease, ledger, ready, letters, letter, log, stats } = channelKeys(channel);
    const [reason, detail] =
      fate.fate === 'dead_lettered' ? [fate.reason, fate.detail.slice(0, 2000)] : ['', ''];
    const counted = fate.fate === 'notified' ? (fate.counted ?? 0) : 0;
    const left = (await runScript(
      this.#redis,
      acknowledgeScript,
      [
        ...[entries, lease, ledger, lanesKey, letters, outcomesKey],
        ...[attempt, ready, laneKeys(channel).entries, letter, log, stats, groupKeys.state],
      ],
      [
        token,
        count,
        fate.fate,
        lane,
        reason,
        detail,
        DEAD_LETTERS_KEPT,
        counted,
        outcomesPrefix,
        fatePrefix,
        channel,
        fate.fate === 'dead_lettered' && fate.repeated ? 1 : 0,
        logged ? JSON.stringify(logged) : '',
        logged ? resultKey(logged.result, logged.reason) : '',
        lane.slice(lane.indexOf('#') + 1 || lane.length),
        now ?? '',
      ],
    )) as number;
    return left < 0 ? undefined : left;
  }

  /**
   * Puts what the throttle held back into the lane once it is due, or the digest once its period is over. Returns how many alerts the
   * new entry tells of. `now` (ms) only for a clock other than that of Redis.
   */
  async takeHeld(channel: HeldChannel, now?: number): Promise<number> {
    const { interval, burst } = throttleOf(channel);
    const keys = [...laneScriptKeys(channel.name), lanesKey, heldDueKey];
    return (await runScript(this.#redis, takeHeldScript, keys, [
      ...[channel.name, interval, burst],
      digestPeriod(channel) > 0 ? digestPrefix(channel.name) : '',
      now ?? '',
    ])) as number;
  }

  /** Takes the lease of a channel for `ms`; undefined when another holds it. */
  async acquire(channel: string, ms: number): Promise<number | undefined> {
    const token = await this.#lease(channel, 'acquire', ms, 0);
    return token === 0 ? undefined : token;
  }

  /** Prolongs the lease; false when it is lost. */
  async renew(channel: string, token: number, ms: number): Promise<boolean> {
    return (await this.#lease(channel, 'renew', ms, token)) === 1;
  }

  /** Gives the lease back; false when it was lost before. */
  async release(channel: string, token: number): Promise<boolean> {
    return (await this.#lease(channel, 'release', 0, token)) === 1;
  }

  async #lease(channel: string, action: string, ms: number, token: number): Promise<number> {
    const { lease, fence } = channelKeys(channel);
    return (await runScript(
      this.#redis,
      leaseScript,
      [lease, fence],
      [action, ms, token],
    )) as number;
  }
}
