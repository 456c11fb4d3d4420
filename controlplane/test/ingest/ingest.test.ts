import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import { signBatch } from '@tocsin/openapi';
import { channelKeys } from '../../src/store/keys.ts';
import { anAlert, bodyOf, enroll, post } from '../support/agent.ts';
import { startTestControlPlane, type TestControlPlane } from '../support/control-plane.ts';
import { ledgerOf, snapshot, until } from '../support/state.ts';

test('stores a signed batch and lists it', async (t) => {
  const plane = await startTestControlPlane(t);
  const agent = await enroll(plane);
  const alert = anAlert();
  const answer = await agent.send([alert]);
  assert.deepEqual([answer.status, answer.body], [202, { alerts: 1, repeated: false }]);
  const list = await plane.call('GET', '/v1/alerts');
  assert.equal(list.status, 200, JSON.stringify(list.body));
  const { uuid, ...told } = alert;
  const [item] = list.body.items;
  assert.deepEqual(item, {
    id: uuid,
    ...told,
    fingerprint: item.fingerprint,
    agent: agent.id,
    count: 1,
    first_seen: '2026-11-23T10:00:00.123Z',
    last_seen: '2026-11-23T10:00:00.123Z',
  });
  assert.match(item.fingerprint, /^[0-9a-f]{32}$/);
  assert.equal(list.body.next, null);
  const one = await plane.call('GET', `/v1/alerts/${uuid}`);
  assert.deepEqual(one.body, item);
  const { body } = await plane.call('GET', '/v1/agents');
  const [{ hostname, alerts, last_sequence, revoked }] = body.items;
  assert.deepEqual([hostname, alerts, last_sequence, revoked], ['web-1', 1, 1, false]);
});

test('acknowledges the same batch again and changes nothing', async (t) => {
  const plane = await startTestControlPlane(t);
  const agent = await enroll(plane);
  const body = bodyOf([anAlert(), anAlert({ rule: 'Another' })]);
  const signature = await signBatch(body, agent.claims(), agent.key);
  const send = () => post(plane.url, body, { 'tocsin-signature': signature });
  assert.deepEqual((await send()).body, { alerts: 2, repeated: false });
  const known = await snapshot(plane.redis);
  const again = await Promise.all([send(), send(), send()]);
  for (const answer of again) {
    assert.deepEqual([answer.status, answer.body], [202, { alerts: 2, repeated: true }]);
  }
  assert.deepEqual(await snapshot(plane.redis), known);
});

test('takes batches that are empty, compressed, or sent at once', async (t) => {
  const plane = await startTestControlPlane(t);
  const agent = await enroll(plane);
  assert.deepEqual((await agent.send([])).body, { alerts: 0, repeated: false });
  const packed = [
    ['gzip', gzipSync(bodyOf([anAlert({ rule: 'gzip' })]))],
    ['deflate', deflateSync(bodyOf([anAlert({ rule: 'deflate' })]))],
  ] as const;
  for (const [encoding, body] of packed) {
    const answer = await agent.sendBody(body, {}, { 'content-encoding': encoding });
    assert.equal(answer.status, 202, JSON.stringify(answer.body));
  }
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_none, index) => agent.send([anAlert({ rule: `rule ${index}` })])),
  );
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([202]));
  assert.equal((await ledgerOf(plane.redis)).accepted, 22);
});

test('answers 503 while Redis is down, and goes on once it is back with its data', async (t) => {
  const plane = await startTestControlPlane(t, { redis: { fsync: 'always' } });
  const agent = await enroll(plane);
  assert.equal((await agent.send([anAlert()])).status, 202);
  const body = bodyOf([anAlert({ rule: 'sent again' })]);
  const signature = await signBatch(body, agent.claims(), agent.key);
  const send = () => post(plane.url, body, { 'tocsin-signature': signature });

  // Stopped first, so that it cannot come back before the assertions; killed then.
  const pid = plane.embedded?.pid as number;
  process.kill(pid, 'SIGKILL');
  const down = await send();
  assert.deepEqual([down.status, down.body.code], [503, 'store_unavailable']);
  assert.ok(Number(down.headers.get('retry-after')) > 0);

  await until(async () => (await plane.call('GET', '/readyz')).status === 200, 'Redis is back');
  assert.notEqual(plane.embedded?.pid, pid);
  assert.deepEqual((await send()).body, { alerts: 1, repeated: false });
  const { items } = (await plane.call('GET', '/v1/alerts')).body;
  assert.deepEqual(
    items.map(({ rule }: { rule: string }) => rule),
    ['sent again', 'Read sensitive file untrusted'],
  );
});

/** What is not signed, and what people change, is to be tried again as well. */
async function othersAreRefused(plane: TestControlPlane): Promise<void> {
  const { rule, priority, time, output_fields } = anAlert();
  const ends_at = new Date(Date.now() + 3_600_000).toISOString();
  for (const [path, body] of [
    ['/falco', { rule, priority, time, output_fields }],
    ['/api/v2/alerts', [{ labels: { alertname: 'x' } }]],
    ['/v1/silences', { matchers: [['a=b']], ends_at, comment: 'x' }],
    ['/v1/join-tokens', {}],
    ['/v1/tokens', { name: 'x', role: 'reader' }],
    ['/v1/channels', { name: 'x', kind: 'log', settings: {} }],
  ] as const) {
    const { status, headers } = await plane.call('POST', path, body);
    assert.equal(status, 503, path);
    assert.ok(Number(headers.get('retry-after')) > 0, path);
  }
}

test('answers 503 and stores nothing when Redis is full or read-only', async (t) => {
  const plane = await startTestControlPlane(t);
  const agent = await enroll(plane);
  const known = await snapshot(plane.redis);
  await plane.redis.config('SET', 'maxmemory', '1');
  const full = await agent.send([anAlert()]);
  assert.deepEqual([full.status, full.body.code], [503, 'store_unavailable']);
  await othersAreRefused(plane);
  assert.equal((await plane.call('GET', '/readyz')).status, 503);
  assert.equal((await plane.call('GET', '/livez')).status, 200);
  await plane.redis.config('SET', 'maxmemory', '0');
  await plane.redis.replicaof('127.0.0.1', '1');
  const readOnly = await agent.send([anAlert()]);
  assert.deepEqual([readOnly.status, readOnly.body.code], [503, 'store_unavailable']);
  await othersAreRefused(plane);
  assert.equal((await plane.call('GET', '/readyz')).status, 503);
  await plane.redis.replicaof('NO', 'ONE');
  assert.deepEqual(await snapshot(plane.redis), known);
  assert.equal((await plane.call('GET', '/readyz')).status, 200);
  assert.equal((await agent.send([anAlert()])).status, 202);
});

test('a full, read-only or hanging Redis loses nothing of groups and lanes', async (t) => {
  const plane = await startTestControlPlane(t, {
    channels: [{ name: 'told', kind: 'log', settings: {} }],
    route: { receiver: 'told', group_by: ['rule'], group_wait: '0s', group_interval: '1s' },
  });
  const { redis, outbox } = plane;
  const agent = await enroll(plane);
  const lanes = async () => redis.zrange(channelKeys('told').ready, 0, -1);
  assert.equal((await agent.send([anAlert()])).status, 202);
  await until(async () => (await lanes()).length === 1, 'the group spoke');
  const [lane = ''] = await lanes();
  const token = (await outbox.acquire('told', 600_000)) as number;
  const acknowledge = () => outbox.acknowledge('told', lane, token, 1, { fate: 'notified' });
  const outcomes = async () => {
    const { accepted, outcomes: by } = (await plane.call('GET', '/v1/ledger')).body;
    const sum = Object.values(by as Record<string, number>).reduce((a, b) => a + b, 0);
    assert.equal(accepted, sum);
    return [accepted, by.notified ?? 0, by.pending ?? 0];
  };

  const faults: [string, () => Promise<unknown>, () => Promise<unknown>][] = [
    [
      'full',
      () => redis.config('SET', 'maxmemory', '1'),
      () => redis.config('SET', 'maxmemory', '0'),
    ],
    ['read-only', () => redis.replicaof('127.0.0.1', '1'), () => redis.replicaof('NO', 'ONE')],
  ];
  for (const [name, begin, end] of faults) {
    await begin();
    const refused = await agent.send([anAlert({ rule: name })]);
    assert.deepEqual([refused.status, refused.body.code], [503, 'store_unavailable'], name);
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    await assert.rejects(acknowledge(), /OOM|READONLY/);
    assert.equal((await outbox.readHead(lane, 10)).length, 1, 'what was not acknowledged stays');
    assert.equal((await plane.call('GET', '/v1/alerts')).status, 200, 'it can still be read');
    await end();
    assert.deepEqual(await outcomes(), [1, 0, 1]);
  }

  const pid = plane.embedded?.pid as number;
  const body = bodyOf([anAlert({ rule: 'sent again' })]);
  const signature = await signBatch(body, agent.claims(), agent.key);
  const send = () => post(plane.url, body, { 'tocsin-signature': signature });
  process.kill(pid, 'SIGSTOP');
  try {
    const slow = await send();
    assert.deepEqual([slow.status, slow.body.code], [503, 'store_unavailable']);
    assert.ok(Number(slow.headers.get('retry-after')) > 0);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await until(async () => (await plane.call('GET', '/readyz')).status === 200, 'Redis goes on');
  assert.equal((await send()).status, 202);
  await until(async () => (await lanes()).length === 2, 'the second group spoke');
  assert.equal(await acknowledge(), 0);
  assert.deepEqual(await outcomes(), [2, 1, 1], 'nothing was lost, and nothing counted twice');
});
