/** What holds back a whole channel: a provider that asked for a pause, a person, or that it is broken. */
import type { Redis } from 'ioredis';
import { channelKeys, laneKeys, lanesKey } from './keys.ts';
import { loadScript, runScript } from './scripts.ts';

/** A channel that is taken for broken. Times are ms of the clock of Redis. */
export interface Broken {
  readonly since: number;
  /** It is tried again then. */
  readonly until: number;
  readonly opens: number;
  readonly reason: string;
  readonly detail: string;
  /** The channel where that was told. */
  readonly toldAt: string | undefined;
}

export interface ChannelState {
  /** Paused by a person until then; infinite: until it is resumed. */
  readonly pausedUntil: number | undefined;
  /** The provider asked for a pause until then. */
  readonly quietUntil: number | undefined;
  /** When it was last told that it is broken. */
  readonly told: number | undefined;
  readonly broken: Broken | undefined;
}

/** What a change of the breaker is written with. */
export interface BreakerChange {
  readonly failures: number;
  /** 0 closes it. */
  readonly opens: number;
  readonly openMs: number;
  readonly reason: string;
  readonly detail: string;
}

const setBreakerScript = loadScript('set-breaker');
const rerouteScript = loadScript('reroute');

/** Writes the breaker; when it closes, all lanes are due. False when the lease is lost and nothing changed. */
export async function setBreaker(
  redis: Redis,
  channel: string,
  token: number,
  { failures, opens, openMs, reason, detail }: BreakerChange,
): Promise<boolean> {
  const { lease, state, ready } = channelKeys(channel);
  const args = [token, failures, opens, openMs, reason, detail];
  return (await runScript(redis, setBreakerScript, [lease, state, ready], args)) === 1;
}

/** Remembers where and when (ms) it was told that a channel is broken. */
export async function setTold(
  redis: Redis,
  channel: string,
  other: string,
  now: number,
): Promise<void> {
  await redis.hset(channelKeys(channel).state, 'told_at', other, 'told', now);
}

export async function readChannelState(redis: Redis, channel: string): Promise<ChannelState> {
  const fields = await redis.hgetall(channelKeys(channel).state);
  const time = (name: string) => {
    const ms = Number(fields[name] ?? 0);
    return ms > 0 ? ms : undefined;
  };
  const opens = Number(fields['opens'] ?? 0);
  const paused = fields['paused_until'];
  return {
    pausedUntil: paused === 'inf' ? Number.POSITIVE_INFINITY : time('paused_until'),
    quietUntil: time('quiet_until'),
    told: time('told'),
    broken:
      opens > 0
        ? {
            ...{ opens, since: time('opened_at') ?? 0, until: time('open_until') ?? 0 },
            reason: fields['reason'] ?? '',
            detail: fields['detail'] ?? '',
            toldAt: fields['told_at'],
          }
        : undefined,
  };
}

/** Holds all lanes of a channel back; infinite: until it is resumed, undefined: no longer. */
export async function pauseChannel(
  redis: Redis,
  channel: string,
  until: number | undefined,
): Promise<void> {
  const { state } = channelKeys(channel);
  if (until === undefined) await redis.hdel(state, 'paused_until');
  else await redis.hset(state, 'paused_until', Number.isFinite(until) ? until : 'inf');
}

/**
 * Moves the first entries of a lane to a lane of another channel, where they are `texts`. `alerts` is what the ledgers of both
 * channels count them as. False when the lease is lost and nothing changed.
 */
export async function reroute(
  redis: Redis,
  from: { readonly channel: string; readonly lane: string; readonly token: number },
  to: { readonly channel: string; readonly lane: string },
  texts: readonly string[],
  alerts: number,
): Promise<boolean> {
  const [old, fresh] = [channelKeys(from.channel), channelKeys(to.channel)];
  const [oldLane, freshLane] = [laneKeys(from.lane), laneKeys(to.lane)];
  const keys = [
    ...[old.lease, oldLane.entries, oldLane.attempt, old.ready, old.ledger, lanesKey],
    ...[laneKeys(from.channel).entries, freshLane.entries, fresh.ready, fresh.ledger],
  ];
  const args = [from.token, from.channel, from.lane, to.channel, to.lane, alerts, ...texts];
  return (await runScript(redis, rerouteScript, keys, args)) === 1;
}
