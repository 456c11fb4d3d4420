/** Sources of unsigned alerts: an account each beside those of the agents, so that one admission serves both. */
import type { BatchClaims } from '@tocsin/openapi';
import type { Redis } from 'ioredis';
import { agentKeys } from '../store/keys.ts';

/** No agent has such an id: theirs are hexadecimal. Nor is there a key to verify with. */
const accountOf = (source: string) =>
  `source:${source.replace(/[^\w.-]+/g, '-').slice(0, MAX_NAME)}`;
const MAX_NAME = 100;
const KID = 'unsigned';

/** What stands in for the claims of a signature, with the next number of the source. */
export async function nextClaims(redis: Redis, source: string): Promise<BatchClaims> {
  const account = accountOf(source);
  const { agent } = agentKeys(account);
  const [, issued] = (await redis
    .multi()
    .hset(agent, 'kid', KID)
    .hincrby(agent, 'issued', 1)
    .exec()) as [unknown, [Error | null, number]];
  if (issued[0]) throw issued[0];
  return { agent: account, kid: KID, seq: issued[1], iat: Math.floor(Date.now() / 1000), aud: '' };
}
