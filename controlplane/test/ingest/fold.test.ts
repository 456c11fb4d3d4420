import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { StoredAlert } from '@tocsin/openapi';
import { fingerprintOf } from '../../src/ingest/fingerprint.ts';
import { urgentLane } from '../../src/store/outbox.ts';
import { anAlert, enroll } from '../support/agent.ts';
import { startTestControlPlane, type TestControlPlane } from '../support/control-plane.ts';
import { ledgerOf, until } from '../support/state.ts';

const at = (seconds: number) => new Date(Date.UTC(2026, 10, 23, 10) + seconds * 1000).toISOString();
const listed = async (plane: TestControlPlane) =>
  (await plane.call('GET', '/v1/alerts')).body.items;

test('folds identical alerts within the window, in one batch and across batches', async (t) => {
  const plane = await startTestControlPlane(t);
  const agent = await enroll(plane);
  const fields = { 'fd.name': '/etc/shadow', 'proc.name': 'cat' };
  const volatile = (pid: number) => ({
    ...fields,
    'proc.pid': pid,
    'evt.num': pid,
    'evt.time': pid,
  });
  const one = anAlert({ time: at(10), output_fields: volatile(1) });
  await agent.send([
    one,
    anAlert({ time: at(12), output_fields: volatile(2) }),
    anAlert({ time: at(11), output_fields: { ...volatile(3), 'fd.name': '/etc/gshadow' } }),
  ]);
  await agent.send([anAlert({ time: at(60), output_fields: volatile(4) })]);
  await agent.send([anAlert({ time: at(5), output_fields: volatile(5) })]);
  const [second, first] = await listed(plane);
  assert.deepEqual(
    [first.id, first.count, first.first_seen, first.last_seen],
    [one.uuid, 4, at(5), at(60)],
  );
  assert.equal(second.count, 1);
  const ledger = await ledgerOf(plane.redis);
  assert.deepEqual([ledger.accepted, ledger.deduplicated, ledger.unrouted], [5, 3, 2]);
});

test('alerts of one kind further apart than the window are alerts of their own', async (t) => {
  const plane = await startTestControlPlane(t);
  const agent = await enroll(plane);
  await agent.send([anAlert({ time: at(0) }), anAlert({ time: at(301) })]);
  await agent.send([anAlert({ time: at(302) }), anAlert({ time: at(900) })]);
  assert.deepEqual(
    (await listed(plane)).map(({ count, first_seen }: { count: number; first_seen: string }) => [
      count,
      first_seen,
    ]),
    [
      [1, at(900)],
      [2, at(301)],
      [1, at(0)],
    ],
  );
});

test('a window that is over is over, whatever the time in the alert says', async (t) => {
  const plane = await startTestControlPlane(t, { dedupe: { window: '200ms' } });
  const agent = await enroll(plane);
  await agent.send([anAlert()]);
  await until(async () => {
    await agent.send([anAlert()]);
    return (await listed(plane)).length === 2;
  }, 'a second alert is listed');
});

test('the same alert under another sequence number is not counted again', async (t) => {
  const plane = await startTestControlPlane(t);
  const agent = await enroll(plane);
  const alert = anAlert();
  await agent.send([alert]);
  await agent.send([alert]);
  await agent.send([{ ...alert, rule: 'Same id, other alert' }]);
  const items = await listed(plane);
  assert.deepEqual([items.length, items[0].count, items[0].rule], [1, 1, alert.rule]);
  const ledger = await ledgerOf(plane.redis);
  assert.deepEqual([ledger.accepted, ledger.deduplicated, ledger.unrouted], [3, 2, 1]);
});

test('bodies come back as they came, also when others of their batch were folded', async (t) => {
  const plane = await startTestControlPlane(t);
  const agent = await enroll(plane);
  const [a, b, c, d] = ['a', 'b', 'ç 漢字 😀', 'd'].map((rule) => anAlert({ rule, output: rule }));
  await agent.send([a, b]);
  const again = (alert?: object) => ({ ...alert, uuid: randomUUID() });
  await agent.send([again(a), c, again(b), again(c), d]);
  const items = await listed(plane);
  assert.deepEqual(
    items.map(({ id, output, count }: StoredAlert) => [id, output, count]),
    [d, c, b, a].map((alert) => [alert?.uuid, alert?.output, alert === d ? 1 : 2]),
  );
  const pages: string[] = [];
  for (let cursor = ''; ; ) {
    const { body } = await plane.call('GET', `/v1/alerts?limit=3${cursor}`);
    pages.push(body.items.map(({ output }: { output: string }) => output).join());
    if (body.next === null) break;
    cursor = `&cursor=${body.next}`;
  }
  assert.deepEqual(pages, ['d,ç 漢字 😀,b', 'a']);
});

test('keeps only so many alerts, and counts what it drops', async (t) => {
  const plane = await startTestControlPlane(t, { retention: { max_alerts: 1000 } });
  const agent = await enroll(plane);
  for (let batch = 0; batch < 3; batch++) {
    const alerts = Array.from({ length: 500 }, (_none, index) =>
      anAlert({ rule: `rule ${batch * 500 + index}` }),
    );
    assert.equal((await agent.send(alerts)).status, 202);
  }
  const ledger = await ledgerOf(plane.redis);
  assert.deepEqual([ledger.accepted, ledger.dropped_full], [1500, 500]);
  assert.equal(await plane.redis.llen('{tocsin}:alerts:index'), 1000);
  for (const hash of ['record', 'open']) {
    assert.equal(await plane.redis.hlen(`{tocsin}:alerts:${hash}`), 1000, hash);
  }
  const bodies = async () => (await plane.redis.keys('{tocsin}:alerts:bodies:*')).length;
  assert.equal(await bodies(), 2);
  await agent.send([anAlert({ rule: 'one more' })]);
  assert.equal(await bodies(), 3, 'what is left of a batch keeps its bodies');
  const first = (await plane.call('GET', '/v1/alerts?rule=rule%20501')).body.items[0];
  assert.equal(first.rule, 'rule 501');
  const { items } = (await plane.call('GET', '/v1/alerts?rule=rule%20499')).body;
  assert.equal(items.length, 0);
});

test('drops alerts that were last seen too long ago', async (t) => {
  const plane = await startTestControlPlane(t, {
    dedupe: { window: '1ms' },
    retention: { alerts: '50ms' },
  });
  const agent = await enroll(plane);
  await agent.send([anAlert({ rule: 'old' })]);
  await until(async () => {
    await agent.send([]);
    return ((await ledgerOf(plane.redis)).dropped_aged ?? 0) === 1;
  }, 'the old alert is dropped');
  assert.deepEqual(await listed(plane), []);
});

test('what differs between two occurrences of one thing does not change the fingerprint', () => {
  const base = anAlert({
    output_fields: { 'fd.name': '10.0.0.1:45454->1.2.3.4:443', 'proc.name': 'curl' },
  });
  const same = [
    {
      'proc.pid': 1,
      'thread.tid': 2,
      'evt.num': 3,
      'proc.duration': 4,
      'fd.cport': 5,
      'fd.num': 6,
    },
    { 'fd.name': '10.0.0.1:9->1.2.3.4:8443' },
    { 'user.name': null },
  ];
  const other = [
    { 'fd.name': '10.0.0.1:45454->1.2.3.5:443' },
    { 'proc.name': 'wget' },
    { 'container.id': 'abc' },
    { 'user.uid': 0 },
  ];
  const of = (fields: object) =>
    fingerprintOf({ ...base, output_fields: { ...base.output_fields, ...fields } }, 'agent');
  for (const fields of same) assert.equal(of(fields), of({}), JSON.stringify(fields));
  const distinct = new Set([
    ...other.map(of),
    of({}),
    fingerprintOf({ ...base, hostname: 'web-2' }, 'agent'),
  ]);
  assert.equal(distinct.size, other.length + 2);
  // Parts never run into each other.
  const split = (rule: string, source: string) => fingerprintOf({ ...base, rule, source }, 'agent');
  assert.notEqual(split('ab', 'c'), split('a', 'bc'));
});

test('no agent can make the alert of another, or a more severe one, vanish into its own', async (t) => {
  const channels = [{ name: 'urgent', kind: 'log', minimum_priority: 'critical', settings: {} }];
  const plane = await startTestControlPlane(t, { channels });
  const [honest, other] = [await enroll(plane, 'web-1'), await enroll(plane, 'web-2')];
  await other.send([anAlert({ priority: 'Debug' })]);
  await other.send([anAlert({ priority: 'Critical' })]);
  await honest.send([anAlert({ priority: 'Critical' })]);
  assert.equal((await plane.outbox.readHead(urgentLane('urgent'), 10)).length, 2);
  assert.equal((await ledgerOf(plane.redis)).deduplicated, undefined);
});
