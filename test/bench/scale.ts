/**
 * Grouped ingest with one route and no open group, beside 10,000 routes, and 100,000 open groups with 10,000 silences; what an open group
 * takes in Redis; and how long others wait while a group of 100,000 alerts speaks, under as many silences.
 */
import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import { waitFor } from '../support/wait.ts';
import { type Load, prepare } from './load/batches.ts';
import { type Sample, sendAll } from './load/measure.ts';
import { startTocsin, type Target } from './load/programs.ts';
import { median, report } from './report.ts';

const { BENCH_SAMPLES = '3', BENCH_GROUPS = '100000' } = process.env;
const LOAD: Load = { agents: 8, batches: 150, size: 100 };
const GROUPS = Number(BENCH_GROUPS);
const SILENCES = 10_000;
const FILL: Load = { agents: 8, batches: Math.ceil(GROUPS / 800), size: 100 };

const routed = (routes: number) => ({
  labels: { output_fields: ['fd.name'] },
  storm: { new_groups: { per_minute: 1_000_000, burst: 1_000_000 }, max_groups: 1_000_000 },
  channels: [{ name: 'none', kind: 'log', settings: {} }],
  route: {
    ...{ receiver: 'none', group_by: ['rule', 'hostname'], group_wait: '1h' },
    routes: [
      { matchers: ['rule="Own group"'], group_by: ['fd.name', 'hostname'] },
      ...Array.from({ length: routes - 2 }, (_none, index) => ({
        matchers: [`team="team-${index}"`, 'priority >= warning'],
      })),
    ],
  },
});

const KINDS: Readonly<Record<string, { routes: number; groups: boolean }>> = {
  'two routes': { routes: 2, groups: false },
  '10,000 routes': { routes: 10_000, groups: false },
  '10,000 routes, many open groups': { routes: 10_000, groups: true },
};

/** Bytes that the store needs for a group with one alert: the group, its place in time, its members, and the record of the alert. */
async function bytesOfGroup({ redis: path = '' }: Target): Promise<number> {
  const redis = new Redis(path);
  try {
    const groups = await redis.hlen('{tocsin}:groups');
    const usage = async (key: string) => Number(await redis.memory('USAGE', key, 'SAMPLES', 0));
    const shared = ['groups', 'groups:due', 'active', 'active:ends'];
    const sizes = await Promise.all(shared.map((key) => usage(`{tocsin}:${key}`)));
    const [, some] = await redis.hscan('{tocsin}:groups', 0, 'COUNT', 100);
    const ids = some.filter((_value, index) => index % 2 === 0);
    const own = await Promise.all(ids.map((id) => usage(`{tocsin}:group:${id}`)));
    return sizes.reduce((a, b) => a + b, 0) / groups + own.reduce((a, b) => a + b, 0) / own.length;
  } finally {
    redis.disconnect();
  }
}

/** Silences that fit none of the alerts. */
async function silence(redis: Redis, count: number): Promise<void> {
  const now = Date.now();
  const pairs = Array.from({ length: count }, (_none, index) => {
    const matchers = [[`fd.name="/etc/other-${index}"`]];
    const times = { starts_at: now, ends_at: now + 3_600_000, updated_at: now };
    const one = { id: `s${index}`, matchers, ...times, created_by: 'bench', comment: '' };
    return [one.id, JSON.stringify(one)];
  });
  await redis.hset('{tocsin}:silences', ...pairs.flat());
  await redis.incr('{tocsin}:silences:version');
}

/** Asks again and again; the longest that an answer took, ms. */
function longestAnswer(ask: () => Promise<unknown>): () => Promise<number> {
  let [longest, isOver] = [0, false];
  const asking = (async () => {
    while (!isOver) {
      const from = performance.now();
      await ask();
      longest = Math.max(longest, performance.now() - from);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  return async () => {
    isOver = true;
    await asking;
    return longest;
  };
}

/** One group gets many members, and then something that does not wait. */
async function flushLarge(): Promise<[string, string, string][]> {
  const target = await startTocsin({
    labels: { output_fields: ['fd.name'] },
    channels: [{ name: 'none', kind: 'log', settings: {} }],
    route: {
      ...{ receiver: 'none', group_by: ['rule'], group_wait: '1h' },
      flush_immediately: 'priority >= critical',
    },
  });
  const redis = new Redis(target.redis ?? '');
  try {
    await silence(redis, SILENCES);
    await sendAll(target, await prepare(target, FILL, { rule: 'Large' }));
    const [worst = []] = await prepare(
      target,
      { agents: 1, batches: 1, size: 1 },
      { rule: 'Large', priority: 'Critical' },
    );
    const ofRedis = longestAnswer(() => redis.ping());
    const ofApi = longestAnswer(() => fetch(`${target.url}/livez`).then((one) => one.text()));
    const from = performance.now();
    await sendAll(target, [worst]);
    const said = async () =>
      (await redis.hvals('{tocsin}:groups')).some((state) => / 0 1 \d+ \d+ \{/.test(state)) &&
      (await redis.keys('*:rows')).length === 0;
    await waitFor('the group to speak', said, 300_000);
    const took = performance.now() - from;
    const members = FILL.agents * FILL.batches * FILL.size + 1;
    assert.equal(Number(await redis.hget('{tocsin}:outcomes', 'accepted')), members);
    const ms = (time: number) => `${time.toFixed(0)} ms`;
    return [
      [`flush of ${members} alerts`, ms(took), ''],
      ['longest answer of Redis', ms(await ofRedis()), ''],
      ['longest answer of the API', ms(await ofApi()), ''],
    ];
  } finally {
    redis.disconnect();
    await target.stop();
  }
}

const samples = new Map<string, Sample[]>();
let bytes = 0;
for (let round = 0; round < Number(BENCH_SAMPLES); round++) {
  for (const [name, { routes, groups }] of Object.entries(KINDS)) {
    const target = await startTocsin(routed(routes));
    try {
      if (groups) {
        await sendAll(target, await prepare(target, FILL, { rule: 'Own group' }));
        bytes = await bytesOfGroup(target);
        const redis = new Redis(target.redis ?? '');
        await silence(redis, SILENCES);
        redis.disconnect();
      }
      const sample = await sendAll(target, await prepare(target, LOAD));
      samples.set(name, [...(samples.get(name) ?? []), sample]);
    } finally {
      await target.stop();
    }
  }
}
const rateOf = (list: readonly Sample[] = []) =>
  median(list.map(({ requestsPerSecond }) => requestsPerSecond * LOAD.size));
const base = rateOf(samples.get('two routes'));
report('grouped ingest, batches of 100', [
  ...[...samples].map(([name, list]): [string, string, string] => {
    const rate = rateOf(list);
    return [name, `${rate.toFixed(0)} alerts/s`, (rate / base).toFixed(2)];
  }),
  ['memory of an open group', `${bytes.toFixed(0)} bytes`, ''],
  ...(await flushLarge()),
]);
