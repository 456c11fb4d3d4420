import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Channel, Config, loadSettings } from '@tocsin/openapi';
import type { Redis } from 'ioredis';
import { Flusher } from '../../src/groups/flusher.ts';
import { type Grouping, groupingOf } from '../../src/groups/grouping.ts';
import { GroupStore } from '../../src/store/groups.ts';
import { groupKeys, outcomesKey } from '../../src/store/keys.ts';
import type { OutboxEntry } from '../../src/store/outbox.ts';
import { SilenceStore } from '../../src/store/silences.ts';
import { openRedis } from '../support/redis.ts';

const route = {
  ...{ receiver: 'log', group_by: ['rule'] },
  ...{ group_wait: '1s', group_interval: '10s', repeat_interval: '1h' },
};
const text = JSON.stringify({ route, channels: [{ name: 'log', kind: 'log', settings: {} }] });
const grouping = groupingOf(
  loadSettings(Config, { file: { name: 'test.yaml', text } }),
) as Grouping;
const START = Date.UTC(2026, 0, 5);
const MEMBERS = 20;
const FEW = 3;

/** Members from one number to another come, or end when `endsAt` says so; times in seconds. */
function push(redis: Redis, at: number, from: number, to: number, endsAt?: number): Promise<void> {
  const alerts = Array.from({ length: to - from }, (_none, index) => ({
    labels: { rule: 'r', n: String(from + index) },
    ...{ startsAt: START, endsAt: START + (endsAt ?? 10_000) * 1000, occurrences: 1 },
    ...{ seen: undefined, sample: undefined, agent: 'a1' },
  }));
  return new GroupStore(redis).admit(grouping.request(alerts, START + at * 1000));
}

/** Lets all groups speak that are due, with the commands of `redis`. */
async function look(redis: Redis, at: number, membersAtOnce?: number): Promise<void> {
  const store = new GroupStore(redis, membersAtOnce);
  const flusher = new Flusher({
    ...{ store, silences: new SilenceStore(redis), grouping: () => grouping },
    channels: { get: (name) => ({ name }) as Channel },
  });
  const now = START + at * 1000;
  for (const group of await flusher.claim(now, 10)) await flusher.flush(group, now);
}

/** All that Redis knows of groups, with what was said. */
async function known(redis: Redis) {
  const ids = await redis.hkeys(groupKeys.state);
  const lanes = (await redis.keys('*:entries')).sort();
  const entries = await Promise.all(lanes.map((lane) => redis.lrange(lane, 0, -1)));
  return {
    groups: await redis.hgetall(groupKeys.state),
    members: await Promise.all(ids.map((id) => redis.hgetall(groupKeys.members(id)))),
    // What was laid down and not committed expires.
    rest: [...(await redis.keys('*:rows')), ...(await redis.keys('*:units'))],
    outcomes: await redis.hgetall(outcomesKey),
    entries: entries.flat().map((entry) => JSON.parse(entry) as OutboxEntry),
  };
}

/** New members, members that ended, and in the end all of them; what is known after each look. */
async function story(redis: Redis, membersAtOnce?: number) {
  const after: Awaited<ReturnType<typeof known>>[] = [];
  const step = async (at: number) => {
    await look(redis, at, membersAtOnce);
    after.push(await known(redis));
  };
  await push(redis, 0, 0, MEMBERS);
  await step(1);
  await push(redis, 5, MEMBERS, MEMBERS + 10);
  await push(redis, 6, 0, 8, 6);
  await step(11);
  await push(redis, 15, 0, MEMBERS + 10, 15);
  await step(21);
  await look(redis, 40, membersAtOnce);
  return [...after, await known(redis)];
}

test('a group is told by many calls as by one', async (t) => {
  const redis = await openRedis(t);
  const whole = await story(redis);
  await redis.flushall();
  const parts = await story(redis, FEW);
  // The group of which all ended is looked at once more before it is gone.
  const [told, some] = whole;
  assert.deepEqual(parts.slice(0, 2), [told, some]);
  const last = parts.at(-1);
  assert.deepEqual([last?.groups, last?.members, last?.rest], [{}, [], []]);
  assert.deepEqual(last, whole.at(-1));
  assert.equal(told?.entries[0]?.group?.counts.firing, MEMBERS);
});

test('a process that dies between two calls leaves nothing untold, told twice or miscounted', async (t) => {
  const redis = await openRedis(t);
  let failed = true;
  for (let at = 1; failed; at++) {
    await redis.flushall();
    await push(redis, 0, 0, MEMBERS);
    let calls = 0;
    const dying = new Proxy(redis, {
      get(target, name) {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          if (['evalsha', 'rpush', 'expire', 'unlink'].includes(String(name)) && ++calls >= at)
            throw new Error('died');
          return value.apply(target, args);
        };
      },
    });
    failed = await look(dying, 1, FEW).then(
      () => false,
      () => true,
    );
    await push(redis, 20, MEMBERS - 1, MEMBERS, 20);
    for (const later of [100, 200]) await look(redis, later, FEW);
    const { entries, outcomes, rest } = await known(redis);
    const said = entries.map(({ group }) => [group?.reason, group?.counts.firing]);
    // What ended meanwhile is told of with the first notification, or by itself.
    const first = ['first notification', MEMBERS];
    const expected = [[first, ['resolved', MEMBERS - 1]], [['first notification', MEMBERS - 1]]];
    assert.ok(
      expected.some((one) => JSON.stringify(one) === JSON.stringify(said)),
      `${at}: ${JSON.stringify(said)}`,
    );
    const units = entries.flatMap((entry) => entry.units ?? []);
    const gone = units.reduce((sum, [, , number]) => sum + number, 0);
    assert.equal(gone, MEMBERS, `${at}: each goes with one notification`);
    assert.equal(Number(outcomes['pending']), MEMBERS);
    assert.equal(Number(outcomes['accepted']), MEMBERS + Number(outcomes['deduplicated']));
    assert.deepEqual(rest, [], 'nothing is left to do');
  }
});
