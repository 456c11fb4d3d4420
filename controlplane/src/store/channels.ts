/** The channels made over the API, as Redis keeps them. */
import type { Redis } from 'ioredis';
import {
  channelKeys,
  channelsKey,
  channelsVersionKey,
  heldDueKey,
  laneKeys,
  lanesKey,
  outcomesKey,
  outcomesPrefix,
} from './keys.ts';
import { laneScriptKeys } from './outbox.ts';
import { loadScript, runScript } from './scripts.ts';

/** All definitions by name, as text, and a version that is not younger than they are. */
export interface StoredChannels {
  readonly version: string;
  readonly definitions: Readonly<Record<string, string>>;
}

const changeScript = loadScript('change-channel', 'groups');

export async function readChannelsVersion(redis: Redis): Promise<string> {
  return (await redis.get(channelsVersionKey)) ?? '0';
}

export async function readChannels(redis: Redis): Promise<StoredChannels> {
  // The version first: a change in between makes the next look read again.
  const version = await readChannelsVersion(redis);
  return { version, definitions: await redis.hgetall(channelsKey) };
}

/**
 * Writes a definition, or deletes the channel with its lanes when there is none. False when the channels are no longer of this
 * version, or lanes came meanwhile; nothing changed then.
 */
export async function changeChannel(
  redis: Redis,
  name: string,
  version: string,
  definition: string | undefined,
): Promise<boolean> {
  const { lease, ready, state, letters, letter, log, stats } = channelKeys(name);
  const keys = [channelsKey, channelsVersionKey, ...laneScriptKeys(name)];
  keys.push(lanesKey, heldDueKey, lease, ready, outcomesKey, state, letters, letter, log, stats);
  const args = [name, version, definition ?? '', outcomesPrefix];
  if (definition === undefined) {
    const lanes = new Set([name, ...(await redis.zrange(ready, 0, -1))]);
    for (const lane of lanes) keys.push(laneKeys(lane).entries, laneKeys(lane).attempt);
    args.push(...lanes);
  }
  return (await runScript(redis, changeScript, keys, args)) === 1;
}
