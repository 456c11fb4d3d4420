/**
 * The outbox: a lane of entries for each channel, in the order in which they must be told. Admission appends to it; delivery reads
 * the head, tells it, and acknowledges. Whoever drains a lane holds its lease; the fencing token keeps a late one from acknowledging.
 */
import type { Channel } from '@tocsin/openapi';
import type { Redis } from 'ioredis';
import type { GroupNotification } from '../routing/notification.ts';
import {
  deadLettersKey,
  fatePrefix,
  heldDueKey,
  laneKeys,
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
  /** What a group says, instead of one alert. */
  readonly group?: GroupNotification;
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
  | { readonly fate: 'dead_lettered'; readonly reason: string; readonly detail: string };

/** An entry that was given up. */
export interface DeadLetter {
  readonly channel: string;
  readonly time: number;
  readonly reason: string;
  readonly detail: string;
  readonly entry: OutboxEntry;
}

/** Entries a lane holds; what comes on top is held back and counted instead. */
export const LANE_CAPACITY = 10_000;

const DEAD_LETTERS_KEPT = 10_000;
const acknowledgeScript = loadScript('acknowledge', 'groups');
const takeHeldScript = loadScript('take-held');
const leaseScript = loadScript('lease');

/** The throttle of a channel as the scripts want it: microseconds between two, and of saved-up burst. */
export function throttleOf(channel: Pick<Channel, 'throttle'>): {
  interval: number;
  burst: number;
} {
  if (!channel.throttle) return { interval: 0, burst: 0 };
  const interval = Math.round(60_000_000 / channel.throttle.per_minute);
  return { interval, burst: interval * (channel.throttle.burst - 1) };
}

/** The lane of a channel for what is critical, beside the one that has its name. */
export const urgentLane = (channel: string): string => `!${channel}`;

/** The channel that a lane belongs to. */
export const channelOfLane = (lane: string): string => lane.replace(/^!/, '');

/** The keys of a lane in the order in which scripts that change the lane take them. */
export function laneScriptKeys(channel: string): string[] {
  const { entries, held, bucket, ledger, heldUnits } = laneKeys(channel);
  return [entries, held, bucket, ledger, heldUnits];
}

export class Outbox {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** Channels whose lane has entries. */
  lanesWithWork(): Promise<string[]> {
    return this.#redis.smembers(lanesKey);
  }

  /** Channels with held counters, those that may be told first at the front; whether they may is decided by `takeHeld`. */
  lanesWithHeld(): Promise<string[]> {
    return this.#redis.zrange(heldDueKey, 0, -1);
  }

  /** The first entries of a lane, oldest first; they stay until they are acknowledged. */
  async readHead(channel: string, limit: number): Promise<OutboxEntry[]> {
    const texts = await this.#redis.lrange(laneKeys(channel).entries, 0, limit - 1);
    return texts.map((text) => JSON.parse(text) as OutboxEntry);
  }

  /** Takes `count` entries off the head. Returns how many are left, or undefined when the lease is lost and nothing changed. */
  async acknowledge(
    channel: string,
    token: number,
    count: number,
    fate: Fate,
  ): Promise<number | undefined> {
    const { entries, lease } = laneKeys(channel);
    const { ledger } = laneKeys(channelOfLane(channel));
    const [reason, detail] =
      fate.fate === 'dead_lettered' ? [fate.reason, fate.detail.slice(0, 2000)] : ['', ''];
    const counted = fate.fate === 'notified' ? (fate.counted ?? 0) : 0;
    const left = (await runScript(
      this.#redis,
      acknowledgeScript,
      [entries, lease, ledger, lanesKey, deadLettersKey, outcomesKey],
      [
        token,
        count,
        fate.fate,
        channel,
        reason,
        detail,
        DEAD_LETTERS_KEPT,
        counted,
        outcomesPrefix,
        fatePrefix,
      ],
    )) as number;
    return left < 0 ? undefined : left;
  }

  /** Puts what the throttle held back into the lane once it is due. Returns how many alerts the new entry tells of. */
  async takeHeld(channel: Pick<Channel, 'name' | 'throttle'>): Promise<number> {
    const { interval, burst } = throttleOf(channel);
    const keys = [...laneScriptKeys(channel.name), lanesKey, heldDueKey];
    return (await runScript(this.#redis, takeHeldScript, keys, [
      channel.name,
      interval,
      burst,
    ])) as number;
  }

  /** Takes the lease of a lane for `ms`; undefined when another holds it. */
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

  /** Entries that were given up, newest first. */
  async deadLetters(limit: number): Promise<DeadLetter[]> {
    const texts = await this.#redis.lrange(deadLettersKey, 0, limit - 1);
    return texts.map((text) => JSON.parse(text) as DeadLetter);
  }

  async #lease(channel: string, action: string, ms: number, token: number): Promise<number> {
    const { lease, fence } = laneKeys(channel);
    return (await runScript(
      this.#redis,
      leaseScript,
      [lease, fence],
      [action, ms, token],
    )) as number;
  }
}
