/** The ledger: what became of every alert that was accepted. Exactly one outcome each, at every moment. */
import type { Redis } from 'ioredis';
import { outcomeScopesKey, outcomesKey, outcomesPrefix } from './keys.ts';

/** What can become of an alert. */
export const OUTCOMES = [
  'notified',
  'deduplicated',
  'digested',
  'silenced',
  'inhibited',
  'muted',
  'unrouted',
  'expired',
  'pending',
  'dead_lettered',
] as const;
export type OutcomeName = (typeof OUTCOMES)[number];

/** `accepted` is the sum of the outcomes. */
export interface Account {
  readonly accepted: number;
  readonly outcomes: Readonly<Record<OutcomeName, number>>;
}

export interface Ledger extends Account {
  readonly agents: (Account & { readonly agent: string })[];
  /** By the name under which the store knows a route. */
  readonly routes: (Account & { readonly route: string })[];
}

const MOST = 10_000;

/** Reads one account: a single read, so that its sum is right. */
async function readAccount(redis: Redis, key: string): Promise<Account> {
  const counts = await redis.hgetall(key);
  const outcomes = Object.fromEntries(OUTCOMES.map((name) => [name, Number(counts[name] ?? 0)]));
  return {
    accepted: Number(counts['accepted'] ?? 0),
    outcomes: outcomes as Record<OutcomeName, number>,
  };
}

/** The whole ledger: over all, by agent and by route. */
export async function readLedger(redis: Redis): Promise<Ledger> {
  const scopes = (await redis.smembers(outcomeScopesKey)).sort().slice(0, MOST);
  const accounts = await Promise.all(
    scopes.map(async (scope) => {
      const [kind = '', id = ''] = scope.split(/:(.*)/s, 2);
      return { kind, id, account: await readAccount(redis, outcomesPrefix + scope) };
    }),
  );
  const of = (kind: string) => accounts.filter((one) => one.kind === kind);
  return {
    ...(await readAccount(redis, outcomesKey)),
    agents: of('agent').map(({ id, account }) => ({ agent: id, ...account })),
    routes: of('route').map(({ id, account }) => ({ route: id, ...account })),
  };
}
