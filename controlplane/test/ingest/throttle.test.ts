import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Priority } from '@tocsin/openapi';
import fc from 'fast-check';
import { DeadLetters } from '../../src/store/dead-letters.ts';
import { channelKeys, heldDueKey } from '../../src/store/keys.ts';
import { type OutboxEntry, urgentLane } from '../../src/store/outbox.ts';
import { anAlert, enroll } from '../support/agent.ts';
import { startTestControlPlane } from '../support/control-plane.ts';
import { channelLedgerOf, ledgerOf, until } from '../support/state.ts';

const log = (name: string, more: object = {}) => ({
  name,
  kind: 'log',
  minimum_priority: 'debug',
  settings: {},
  ...more,
});
const slow = { per_minute: 1, burst: 2 };
const heldOf = (entries: readonly OutboxEntry[]) =>
  entries.flatMap(({ held = [] }) => held).reduce((sum, [, count]) => sum + count, 0);

test('fills the lanes of the channels whose minimum priority fits, in order', async (t) => {
  const plane = await startTestControlPlane(t, {
    channels: [log('all'), log('worst', { minimum_priority: 'critical' })],
  });
  const agent = await enroll(plane);
  const alerts = [
    anAlert({ rule: 'a', priority: 'Debug' }),
    anAlert({ rule: 'b', priority: 'Error' }),
    anAlert({ rule: 'c', priority: 'Critical' }),
    anAlert({ rule: 'd', priority: 'Emergency' }),
  ];
  await agent.send(alerts);
  const sent = alerts.map(({ uuid }) => uuid);
  const ids = sent.slice(0, 2);
  const all = await plane.outbox.readHead('all', 10);
  assert.deepEqual(
    all.map(({ alert }) => alert),
    ids,
  );
  assert.deepEqual(
    all.map(({ id }) => id),
    ids.map((id) => `${id}-all`),
  );
  assert.deepEqual(await plane.outbox.readHead('worst', 10), []);
  for (const channel of ['all', 'worst']) {
    const urgent = await plane.outbox.readHead(urgentLane(channel), 10);
    assert.deepEqual(
      urgent.map(({ alert }) => alert),
      sent.slice(2),
    );
    const taken = await plane.outbox.take(channel, {
      ...{ token: undefined, leaseMs: 10_000, parallel: 3, busy: [], entries: 20, moves: false },
    });
    assert.deepEqual(
      taken?.lanes.map(({ lane, entries }) => [lane, entries.length]),
      channel === 'all'
        ? [
            [urgentLane(channel), 2],
            [channel, 2],
          ]
        : [[urgentLane(channel), 2]],
    );
  }
  assert.deepEqual((await plane.outbox.lanesWithWork()).sort(), ['all', 'worst']);
  // The wake-ups of the lanes are jobs that carry only the name.
  await until(
    async () => (await plane.redis.keys('{tocsin}:queue:deliveries:*')).length > 0,
    'a job is queued',
  );
});

test('what is critical is let through when the rest has spent the throttle, as often again', async (t) => {
  const plane = await startTestControlPlane(t, { channels: [log('slow', { throttle: slow })] });
  const agent = await enroll(plane);
  const many = (priority: Priority, count: number) =>
    Array.from({ length: count }, (_none, index) => anAlert({ rule: `${index}`, priority }));
  await agent.send(many('Debug', 10));
  await agent.send(many('Critical', 6));
  assert.equal((await plane.outbox.readHead('slow', 10)).length, 2, 'the burst');
  const urgent = await plane.outbox.readHead(urgentLane('slow'), 10);
  assert.equal(urgent.length, 2, 'as many in advance');
  assert.equal(heldOf(urgent), 8, 'and with the first of them what was held back');
  const { routed, pending, held } = await channelLedgerOf(plane.redis, 'slow');
  assert.deepEqual([routed, pending, held], [16, 12, 4]);
  await agent.send(many('Error', 1));
  assert.equal((await plane.outbox.readHead('slow', 10)).length, 2, 'the rest pays for it');
});

test('holds back what the throttle does not let through, and tells it with the next', async (t) => {
  const plane = await startTestControlPlane(t, { channels: [log('slow', { throttle: slow })] });
  const agent = await enroll(plane);
  const rules = ['a', 'b', 'c', 'c', 'd'].map((rule, index) =>
    anAlert({ rule, output_fields: { 'proc.name': `p${index}` } }),
  );
  await agent.send(rules);
  const first = await plane.outbox.readHead('slow', 10);
  assert.equal(first.length, 2, 'the burst');
  assert.deepEqual(await plane.redis.hgetall('{tocsin}:lane:slow:held'), { c: '2', d: '1' });
  const [, due = '0'] = await plane.redis.zrange('{tocsin}:held-due', 0, -1, 'WITHSCORES');
  const wait = Number(due) - Date.now();
  assert.ok(wait > 50_000 && wait <= 60_000, `due in ${wait} ms`);
  assert.deepEqual(await channelLedgerOf(plane.redis, 'slow'), { routed: 5, pending: 2, held: 3 });
  const ledger = await ledgerOf(plane.redis);
  assert.deepEqual([ledger.queued, ledger.held], [2, 3]);

  // Not due yet: nothing is taken. Then as if the minute had passed.
  const channel = { name: 'slow', throttle: slow };
  assert.equal(await plane.outbox.takeHeld(channel), 0);
  await plane.redis.decrby('{tocsin}:lane:slow:bucket', 60_000_000);
  await agent.send([anAlert({ rule: 'e' })]);
  const all = await plane.outbox.readHead('slow', 10);
  assert.equal(all.length, 3);
  assert.deepEqual([...(all[2]?.held ?? [])].sort(), [
    ['c', 2],
    ['d', 1],
  ]);
  assert.ok(all[2]?.alert, 'told together with the alert that came next');
  assert.equal(await plane.redis.exists('{tocsin}:lane:slow:held'), 0);
  assert.deepEqual(await plane.outbox.lanesWithHeld(), []);
  assert.deepEqual(await channelLedgerOf(plane.redis, 'slow'), { routed: 6, pending: 6, held: 0 });
});

test('held counters become a notification of their own when nothing comes', async (t) => {
  const plane = await startTestControlPlane(t, { channels: [log('slow', { throttle: slow })] });
  const agent = await enroll(plane);
  await agent.send(['a', 'b', 'c', 'd'].map((rule) => anAlert({ rule })));
  await plane.redis.decrby('{tocsin}:lane:slow:bucket', 60_000_000);
  assert.equal(await plane.outbox.takeHeld({ name: 'slow', throttle: slow }), 2);
  const entries = await plane.outbox.readHead('slow', 10);
  assert.deepEqual([...(entries[2]?.held ?? [])].sort(), [
    ['c', 1],
    ['d', 1],
  ]);
  assert.match(entries[2]?.id ?? '', /^held-slow-\d+-1$/);
  assert.equal(await plane.outbox.takeHeld({ name: 'slow', throttle: slow }), 0);

  // Only the holder of the lease acknowledges.
  const token = (await plane.outbox.acquire('slow', 10_000)) as number;
  assert.equal(await plane.outbox.acquire('slow', 10_000), undefined);
  assert.equal(
    await plane.outbox.acknowledge('slow', 'slow', token - 1, 1, { fate: 'notified' }),
    undefined,
  );
  assert.equal(await plane.outbox.acknowledge('slow', 'slow', token, 1, { fate: 'notified' }), 2);
  const failed = { fate: 'dead_lettered', reason: 'client_error', detail: '404' } as const;
  assert.equal(await plane.outbox.acknowledge('slow', 'slow', token, 1, failed), 1);
  assert.equal(await plane.outbox.acknowledge('slow', 'slow', token, 1, { fate: 'notified' }), 0);
  assert.deepEqual(await plane.outbox.lanesWithWork(), []);
  assert.equal(await plane.outbox.renew('slow', token, 10_000), true);
  assert.equal(await plane.outbox.release('slow', token), true);
  assert.equal(await plane.outbox.renew('slow', token, 10_000), false);
  const { digests, ...ledger } = await channelLedgerOf(plane.redis, 'slow');
  assert.equal(digests, 1);
  assert.deepEqual(ledger, {
    routed: 4,
    pending: 0,
    held: 0,
    notified: 1,
    dead_lettered: 1,
    digested: 2,
  });
  const [letter] = await new DeadLetters(plane.redis).list('slow', {}, 10);
  assert.deepEqual(
    [letter?.lane, letter?.reason, letter?.detail, letter?.entry.alert !== undefined],
    ['slow', 'client_error', '404', true],
  );
});

test('the ledgers add up under random batches', async (t) => {
  const channels = [
    log('all'),
    log('slow', { throttle: { per_minute: 600, burst: 3 } }),
    log('worst', { minimum_priority: 'error', throttle: { per_minute: 60, burst: 1 } }),
  ];
  const plane = await startTestControlPlane(t, { channels, dedupe: { window: '100ms' } });
  const agent = await enroll(plane);
  let sent = 0;
  const alert = fc.record({
    rule: fc.constantFrom('a', 'b', 'c'),
    priority: fc.constantFrom('Critical', 'Error', 'Notice', 'Debug'),
    name: fc.constantFrom('x', 'y', 'z'),
  });
  const batch = fc.array(alert, { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(batch, fc.boolean(), async (made, drain) => {
      sent += made.length;
      const alerts = made.map(({ rule, priority, name }) =>
        anAlert({ rule, priority: priority as 'Error', output_fields: { 'proc.name': name } }),
      );
      assert.equal((await agent.send(alerts)).status, 202);
      if (drain) {
        await plane.outbox.takeHeld({ name: 'slow', throttle: { per_minute: 600, burst: 3 } });
        const token = (await plane.outbox.acquire('slow', 10_000)) as number;
        await plane.outbox.acknowledge('slow', 'slow', token, 5, { fate: 'notified' });
        await plane.outbox.release('slow', token);
      }
      const {
        accepted,
        deduplicated = 0,
        unrouted = 0,
        queued = 0,
        held = 0,
      } = await ledgerOf(plane.redis);
      assert.equal(accepted ?? 0, sent);
      assert.equal(deduplicated + unrouted + queued + held, sent);
      for (const { name } of channels) {
        const { routed = 0, digests: _digests, ...rest } = await channelLedgerOf(plane.redis, name);
        assert.equal(
          Object.values(rest).reduce((sum, count) => sum + count, 0),
          routed,
          name,
        );
        const lanes = [name, urgentLane(name)];
        const heads = lanes.map((lane) => plane.outbox.readHead(lane, 100_000));
        const entries = (await Promise.all(heads)).flat();
        const told = entries.filter((entry) => entry.alert).length + heldOf(entries);
        assert.equal(rest.pending ?? 0, told, name);
        const counters = Object.values(await plane.redis.hgetall(`{tocsin}:lane:${name}:held`));
        assert.equal(
          rest.held ?? 0,
          counters.reduce((sum, count) => sum + Number(count), 0),
          name,
        );
      }
    }),
    { numRuns: 60 },
  );
});

test('a throttle that was narrower, or a clock that was ahead, holds nothing back for longer than the throttle says', async (t) => {
  const never = { per_minute: 0.0001, burst: 1 };
  const quick = { per_minute: 60_000, burst: 1 };
  const plane = await startTestControlPlane(t, { channels: [log('slow', { throttle: never })] });
  const agent = await enroll(plane);
  await agent.send(['a', 'b'].map((rule) => anAlert({ rule })));
  assert.deepEqual(await plane.outbox.lanesWithHeld(), ['slow']);
  const told = { name: 'slow', throttle: quick };
  await until(async () => (await plane.outbox.takeHeld(told)) === 1, 'the held one is told');

  const open = { name: 'open' };
  const { held } = channelKeys('open');
  const year = Date.now() + 365 * 86_400_000;
  await plane.redis.multi().hset(held, 'rule', 3).zadd(heldDueKey, year, 'open').exec();
  assert.equal(await plane.outbox.takeHeld(open), 3);
  await plane.redis
    .multi()
    .hset(held, 'rule', 3)
    .zadd(heldDueKey, Date.now() + 50_000, 'open')
    .exec();
  assert.equal(await plane.outbox.takeHeld(open), 0);
});
