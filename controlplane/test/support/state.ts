import type { Redis } from 'ioredis';
import { channelKeys, ledgerKey } from '../../src/store/keys.ts';

/** Everything Redis holds of ours, to prove that nothing changed. */
export async function snapshot(redis: Redis): Promise<Map<string, string>> {
  const keys = (await redis.keys('{tocsin}:*')).filter((key) => !key.includes(':queue')).sort();
  const dumps = await Promise.all(keys.map((key) => redis.dumpBuffer(key)));
  return new Map(keys.map((key, index) => [key, dumps[index]?.toString('base64') ?? '']));
}

const numbers = (hash: Record<string, string>) =>
  Object.fromEntries(Object.entries(hash).map(([state, count]) => [state, Number(count)]));

type Ledger<State extends string> = Partial<Record<State, number>>;

/** The ledger of admission. */
export const ledgerOf = async (
  redis: Redis,
): Promise<
  Ledger<
    'accepted' | 'deduplicated' | 'unrouted' | 'queued' | 'held' | 'dropped_full' | 'dropped_aged'
  >
> => numbers(await redis.hgetall(ledgerKey));

/** The ledger of a channel. */
export const channelLedgerOf = async (
  redis: Redis,
  channel: string,
): Promise<
  Ledger<'routed' | 'pending' | 'held' | 'notified' | 'digested' | 'digests' | 'discarded'>
> => numbers(await redis.hgetall(channelKeys(channel).ledger));

/** Waits until the check holds. */
export async function until(check: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`waited 30 s in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
