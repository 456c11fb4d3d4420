/** The channels made over the API, as Redis keeps them. */
import type { Redis } from 'ioredis';
import {
  channelsKey,
  channelsVersionKey,
  heldDueKey,
  laneKeys,
  lanesKey,
  outcomesKey,
  outcomesPrefix,
} from './keys.ts';
import { laneScriptKeys, urgentLane } from './outbox.ts';
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
 * Writes a definition, or deletes the channel with its lane when there is none. False when the channels are no longer of this
 * version; nothing changed then.
 */
export async function changeChannel(
  redis: Redis,
  name: string,
  version: string,
  definition: string | undefined,
): Promise<boolean> {
  const { lease, attempt } = laneKeys(name);
  const keys = [channelsKey, channelsVersionKey, ...laneScriptKeys(name)];
  const urgent = laneKeys(urgentLane(name));
  keys.push(lanesKey, heldDueKey, lease, attempt, outcomesKey);
  keys.push(urgent.entries, urgent.lease, urgent.attempt);
  const args = [name, version, definition ?? '', outcomesPrefix];
  return (await runScript(redis, changeScript, keys, args)) === 1;
}
