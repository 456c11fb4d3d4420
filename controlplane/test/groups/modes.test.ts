import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Channel, Config, loadSettings } from '@tocsin/openapi';
import { startDelivery } from '../../src/delivery/delivery.ts';
import { Flusher } from '../../src/groups/flusher.ts';
import { type Grouping, groupingOf } from '../../src/groups/grouping.ts';
import type { ClaimedGroup } from '../../src/store/groups.ts';
import { channelKeys, outcomesKey } from '../../src/store/keys.ts';
import { laneOf, Outbox } from '../../src/store/outbox.ts';
import { SilenceStore } from '../../src/store/silences.ts';
import { HttpServer } from '../delivery/http-server.ts';
import { anAlert, enroll } from '../support/agent.ts';
import { startTestControlPlane } from '../support/control-plane.ts';
import { openRedis } from '../support/redis.ts';
import { channelLedgerOf, until } from '../support/state.ts';
import { Interleaved } from './interleaved.ts';

const START = Date.parse('2026-01-05T00:00:00Z');
const CONFIG = `
route: {receiver: d, group_by: [g], group_wait: 1s, group_interval: 10s, resolve_after: 25s}
receivers: [{name: d, log: {}}]`;

/** Numbers that are the same in each run. */
function random(seed: number) {
  let state = seed;
  return (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

async function world(t: TestContext, mode: Channel['mode'], sendResolved: boolean) {
  const redis = await openRedis(t);
  const store = new Interleaved(redis);
  const file = { name: 'test.yaml', text: CONFIG };
  const grouping = groupingOf(loadSettings(Config, { file }), undefined, () => mode) as Grouping;
  const channel = { name: 'd', mode, send_resolved: sendResolved } as Channel;
  const flusher = new Flusher({
    ...{ store, silences: new SilenceStore(redis), grouping: () => grouping },
    channels: { get: () => channel },
  });
  const outbox = new Outbox(redis);
  const push = (n: string, now: number) => {
    const [labels, sample, agent] = [{ n, g: n.slice(0, 1), rule: n }, undefined, 'a'];
    const alert = { labels, startsAt: now, endsAt: undefined, occurrences: 1, sample, agent };
    return store.admit(grouping.request([{ ...alert, seen: undefined }], now));
  };
  return { redis, store, flusher, outbox, channel, push };
}

for (const mode of ['every', 'digest'] as const) {
  for (const sendResolved of [true, false]) {
    const name = `${mode}, ${sendResolved ? 'with' : 'without'} ends`;
    test(`${name}: each occurrence is told once, whatever comes when and whoever dies`, async (t) => {
      const { redis, store, flusher, outbox, channel, push } = await world(t, mode, sendResolved);
      const upTo = random(sendResolved ? 7 : 11);
      const pushed = new Map<string, number>();
      const told = new Map<string, number>();
      const add = (map: Map<string, number>, key: string, count: number) =>
        map.set(key, (map.get(key) ?? 0) + count);
      let now = START;
      let ends = 0;
      const come = async () => {
        const n = `${'xy'[upTo(2)]}${upTo(3)}`;
        await push(n, now);
        add(pushed, n, 1);
      };
      const read = async (group: ClaimedGroup) => {
        const lane = laneOf('d', group.id);
        const entries = await outbox.readHead(lane, 1000);
        for (const { group: said } of entries) {
          assert.ok(said && said.firing.length + said.resolved.length === 1, 'one alert each');
          for (const { labels, count } of [...said.firing, ...said.resolved])
            add(told, String(labels['n']), count);
          ends += said.resolved.length;
        }
        await settle(lane, entries.length);
      };
      const settle = async (lane: string, count: number) => {
        if (count === 0) return;
        const token = (await outbox.acquire('d', 60_000)) as number;
        await outbox.acknowledge('d', lane, token, count, { fate: 'notified' });
        await outbox.release('d', token);
      };
      const look = async () => {
        for (const group of await flusher.claim(now, 10)) {
          // Who claimed it dies.
          if (upTo(8) === 0) continue;
          if (upTo(2) === 0) store.meanwhile = come;
          await flusher.flush(group, now);
          await read(group);
        }
        if ((await outbox.takeHeld(channel, now)) === 0) return;
        const [digest] = await outbox.readHead('d', 1);
        assert.match(digest?.id ?? '', /^digest-d-\d+$/);
        for (const [rule, count] of digest?.held ?? []) add(told, rule, count);
        ends += digest?.ended ?? 0;
        await settle('d', 1);
      };
      for (let step = 0; step < 600; step++) {
        now += upTo(step % 40 === 0 ? 60_000 : 1500);
        if (upTo(3) > 0) await come();
        await look();
      }
      for (let step = 0; step < 60; step++) {
        now += 5000;
        await look();
      }
      now += 3_600_000;
      await look();
      assert.deepEqual([...told].sort(), [...pushed].sort());
      assert.equal(ends > 0, sendResolved);
      assert.equal(await store.size(), 0, 'groups end');
      const { accepted, pending, deduplicated, notified, digested } =
        await redis.hgetall(outcomesKey);
      assert.equal(pending, '0');
      const fate = mode === 'digest' ? digested : notified;
      assert.equal(Number(accepted), Number(deduplicated) + Number(fate));
      assert.deepEqual(await redis.hgetall(channelKeys('d').held), {});
    });
  }
}

interface Told {
  readonly alerts: readonly { rule: string; count: number }[];
  readonly held: { count: number; by_rule: { rule: string; count: number }[]; digest?: boolean };
  readonly group?: { key: string; reason: string };
}

async function receiver(t: TestContext): Promise<{ url: string; told: () => Told[] }> {
  const server = new HttpServer();
  const url = `${await server.listen()}/`;
  t.after(() => server.close());
  return { url, told: () => server.received.map(({ body }) => JSON.parse(body).data as Told) };
}

const HOOK = { allow_private_addresses: true, secret: { value: 'secret' } };
const fresh = () => new Date().toISOString();

test('a channel that is told every alert gets a message each, with the repeats since', async (t) => {
  const { url, told } = await receiver(t);
  const plane = await startTestControlPlane(
    t,
    {
      route: { receiver: 'hook', group_by: [], group_wait: '1h', group_interval: '500ms' },
      receivers: [{ name: 'hook', mode: 'every', webhook: { url, ...HOOK } }],
    },
    startDelivery,
  );
  const agent = await enroll(plane);
  const [a, b] = [anAlert({ rule: 'A', time: fresh() }), anAlert({ rule: 'B', time: fresh() })];
  await agent.send([a, b]);
  await until(async () => told().length === 2, 'both are told at once');
  const again = () => anAlert({ rule: 'A', time: fresh() });
  await agent.send([again(), again(), again()]);
  await until(async () => told().length === 3, 'the repeats are told');
  assert.deepEqual(
    told().map(({ alerts, group }) => [
      ...[alerts.length, alerts[0]?.rule, alerts[0]?.count, group?.reason],
    ]),
    [
      [1, 'A', 1, 'new alerts'],
      [1, 'B', 1, 'new alerts'],
      [1, 'A', 3, 'repeat'],
    ],
  );
  assert.notEqual(told()[0]?.group?.key, told()[1]?.group?.key, 'each is a thing of its own');
  await until(
    async () => (await plane.call('GET', '/v1/ledger')).body.outcomes.pending === 0,
    'all was told',
  );
  const { outcomes, accepted } = (await plane.call('GET', '/v1/ledger')).body;
  assert.deepEqual([accepted, outcomes.notified, outcomes.deduplicated], [5, 2, 3]);
  const timeline = (await plane.call('GET', `/v1/alerts/${b.uuid}/timeline`)).body;
  const steps = timeline.past.map(({ what }: { what: string }) => what);
  assert.deepEqual(steps.sort(), ['notified', 'received', 'routed', 'told'], 'of this alert only');
});

test('a channel that is told digests gets all in numbers, with or without routes', async (t) => {
  const { url, told } = await receiver(t);
  const hook = { name: 'hook', mode: 'digest', digest_interval: '10s', webhook: { url, ...HOOK } };
  const route = { receiver: 'hook', group_by: ['rule'], group_wait: '1ms' };
  for (const more of [{ route }, {}]) {
    const plane = await startTestControlPlane(t, { ...more, receivers: [hook] }, startDelivery);
    const agent = await enroll(plane);
    const of = (rule: string, hostname: string) => anAlert({ rule, hostname, time: fresh() });
    const first = of('A', 'one');
    const before = told().length;
    await agent.send([first, of('A', 'two'), of('B', 'one')]);
    await until(
      async () => (await channelLedgerOf(plane.redis, 'hook')).routed === 3,
      'all are in the digest',
    );
    const timelineOf = async () =>
      (await plane.call('GET', `/v1/alerts/${first.uuid}/timeline`)).body;
    if ('route' in more) {
      const { past, next } = await timelineOf();
      const step = [...past, ...next].find(({ what }) => what === 'digest' || what === 'digested');
      assert.match(step.by, /^digest-hook-\d+0000$/, 'it says in which');
    }
    await until(
      async () => (await plane.call('GET', '/v1/ledger')).body.outcomes.pending === 0,
      'all was told',
    );
    const digests = told().slice(before);
    // Two, when a period ended between them.
    assert.ok(digests.length <= 2);
    const sum = new Map<string, number>();
    for (const { alerts, held } of digests) {
      assert.deepEqual([alerts.length, held.digest], [0, true]);
      for (const { rule, count } of held.by_rule) sum.set(rule, (sum.get(rule) ?? 0) + count);
    }
    assert.deepEqual([...sum].sort(), [
      ['A', 2],
      ['B', 1],
    ]);
    const { outcomes } = (await plane.call('GET', '/v1/ledger')).body;
    assert.deepEqual([outcomes.digested, outcomes.notified], [3, 0]);
    if ('route' in more) assert.equal((await timelineOf()).outcome, 'digested');
    await plane.stop();
  }
});

test('a full lane takes no more, and what ends meanwhile is told as a number', async (t) => {
  const { store, flusher, outbox, redis, push } = await world(t, 'every', true);
  const fill = await redis.hset(channelKeys('d').ledger, 'pending', 1_000_000);
  assert.equal(fill, 1);
  await push('x1', START);
  const look = async (now: number) => {
    for (const group of await flusher.claim(now, 10)) await flusher.flush(group, now);
  };
  await look(START);
  await look(START + 1000);
  assert.deepEqual(await redis.hgetall(channelKeys('d').held), {}, 'it fires, and waits');
  await look(START + 30_000);
  assert.deepEqual(await redis.hgetall(channelKeys('d').held), { '': '1', x1: '1' });
  assert.equal(await store.size(), 0);
  await redis.hset(channelKeys('d').ledger, 'pending', 0);
  assert.equal(await outbox.takeHeld({ name: 'd', mode: 'every' }, START + 60_000), 0);
  assert.equal(await outbox.takeHeld({ name: 'd', mode: 'every' }, START + 95_000), 1);
  const [entry] = await outbox.readHead('d', 1);
  assert.deepEqual([entry?.held, entry?.ended], [[['x1', 1]], 1]);
});
