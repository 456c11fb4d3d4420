import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RoutingRegistry } from '../../src/routes/registry.ts';
import { RoutingStore } from '../../src/store/routing.ts';
import { startTestControlPlane, type TestControlPlane } from '../support/control-plane.ts';
import { openRedis } from '../support/redis.ts';

const CHANNELS = [{ name: 'everyone' }, { name: 'db', log: {} }];
const ROUTE = { receiver: 'everyone', group_by: ['alertname'] };
const DEEPER = { ...ROUTE, routes: [{ matchers: ['team="db"'], receiver: 'db' }] };

const put = (plane: TestControlPlane, path: string, body: object, etag: string | null) =>
  plane.call('PUT', path, body, etag === null ? {} : { 'if-match': etag });

test('routing has versions: changed only by who knows the last one, and taken back', async (t) => {
  const plane = await startTestControlPlane(t, { receivers: CHANNELS, route: ROUTE });
  const first = await plane.call('GET', '/v1/routes');
  const etag = String(first.headers.get('etag'));
  assert.deepEqual(first.body.route, ROUTE);
  assert.equal(first.body.made_by, 'file');

  assert.equal((await put(plane, '/v1/routes', { route: DEEPER }, null)).status, 428);
  assert.equal((await put(plane, '/v1/routes', { route: DEEPER }, '"99"')).status, 412);
  assert.equal((await put(plane, '/v1/routes', { route: DEEPER }, 'x')).status, 412);
  const changed = await put(plane, '/v1/routes', { route: DEEPER, comment: 'db' }, etag);
  assert.equal(changed.status, 200);
  assert.equal(changed.body.version, first.body.version + 1);
  assert.match(changed.body.made_by, /^admin/);
  assert.equal((await put(plane, '/v1/routes', { route: ROUTE }, etag)).status, 412);

  const next = String(changed.headers.get('etag'));
  const time_intervals = [{ name: 'night', time_intervals: [{ weekdays: ['sunday'] }] }];
  const timed = await put(plane, '/v1/time-intervals', { time_intervals }, next);
  assert.deepEqual(timed.body.route, DEEPER);
  const rule = { source_matchers: ['a=b'], target_matchers: ['c=d'], equal: ['e'] };
  const inhibited = await put(
    plane,
    '/v1/inhibitions',
    { inhibit_rules: [rule] },
    String(timed.headers.get('etag')),
  );
  assert.equal(inhibited.body.inhibit_rules[0].equal_missing, 'no_match');

  const last = String(inhibited.headers.get('etag'));
  const back = { version: first.body.version };
  const rolled = await plane.call('POST', '/v1/routing/rollback', back, { 'if-match': last });
  assert.deepEqual(rolled.body.route, ROUTE);
  assert.deepEqual(rolled.body.time_intervals, []);
  const { items } = (await plane.call('GET', '/v1/routing/versions')).body;
  assert.deepEqual(
    items.map(({ version }: { version: number }) => version),
    [5, 4, 3, 2, 1],
  );
  const kept = await plane.call('GET', `/v1/routing/versions/${changed.body.version}`);
  assert.deepEqual(kept.body.route, DEEPER);
  assert.equal(kept.body.comment, 'db');
  assert.equal((await plane.call('GET', '/v1/routing/versions/77')).status, 404);
});

test('routing that cannot be used is refused with its places, and changes nothing', async (t) => {
  const plane = await startTestControlPlane(t, { receivers: CHANNELS, route: ROUTE });
  const { headers } = await plane.call('GET', '/v1/routing');
  const etag = String(headers.get('etag'));
  const wrong: [object, string][] = [
    [{ receiver: 'nobody' }, '/route/receiver'],
    [{ ...ROUTE, routes: [{ matchers: ['a=~"("'] }] }, '/route/routes/0/matchers/0'],
    [{ ...ROUTE, group_interval: '0s' }, '/route/group_interval'],
    [
      { ...ROUTE, routes: [{ mute_time_intervals: ['x'] }] },
      '/route/routes/0/mute_time_intervals/0',
    ],
    [{ ...ROUTE, routes: [{ extra: 1 }] }, '/route/routes/0/extra'],
  ];
  for (const [route, pointer] of wrong) {
    const refused = await put(plane, '/v1/routing', { route }, etag);
    assert.equal(refused.status, 400);
    assert.equal(refused.body.errors[0].pointer, pointer);
    const checked = await plane.call('POST', '/v1/routing/validate', { route });
    assert.equal(checked.body.valid, false);
    assert.equal(checked.body.errors[0].pointer, pointer);
  }
  assert.deepEqual((await plane.call('POST', '/v1/routing/validate', { route: DEEPER })).body, {
    valid: true,
    errors: [],
  });
  assert.equal((await plane.call('GET', '/v1/routing')).headers.get('etag'), etag);
});

test('a dry run tells which recent alerts would go another way', async (t) => {
  const plane = await startTestControlPlane(t, { receivers: CHANNELS, route: ROUTE });
  await plane.call('POST', '/api/v2/alerts', [
    { labels: { alertname: 'a', team: 'db' } },
    { labels: { alertname: 'b', team: 'web' } },
  ]);
  const { body } = await plane.call('POST', '/v1/routing/dry-run', { route: DEEPER });
  assert.deepEqual([body.looked, body.changed], [2, 1]);
  assert.deepEqual(body.sample[0].before, ['everyone {}:{alertname="a"}']);
  assert.deepEqual(body.sample[0].after, ['db {}/{team="db"}:{alertname="a"}']);
});

test('routing that comes before its channels is taken once these are known', async (t) => {
  const store = new RoutingStore(await openRedis(t));
  const document = (receiver: string) => ({
    ...{ global: { resolve_timeout: '5m' }, inhibit_rules: [], time_intervals: [] },
    route: { receiver },
  });
  const replica = async (channels: string[]) => {
    const problems: string[] = [];
    const registry = new RoutingRegistry({
      ...{ store, authority: 'last', file: document('a'), channels: () => channels },
      onProblem: (error) => problems.push(String(error)),
    });
    await registry.start();
    t.after(() => registry.stop());
    return { registry, problems };
  };
  const known = ['a'];
  const [one, other] = [await replica(['a', 'new']), await replica(known)];
  const { version } = await one.registry.change(document('new'), 1, 'somebody', '');
  while (other.problems.length === 0) await sleep(50);
  assert.equal(other.registry.current.version, 1);
  known.push('new');
  while (other.registry.current.version !== version) await sleep(50);
  assert.equal(other.registry.routing.tree?.routes[0]?.channel, 'new');
  assert.equal(other.problems.length, 1);
});

test('the file can decide alone', async (t) => {
  const settings = { receivers: CHANNELS, route: ROUTE, routing: { authority: 'file' } };
  const plane = await startTestControlPlane(t, settings);
  const { headers, body } = await plane.call('GET', '/v1/routes');
  assert.equal(body.authority, 'file');
  const refused = await put(plane, '/v1/routes', { route: DEEPER }, String(headers.get('etag')));
  assert.equal(refused.status, 409);
  assert.equal(refused.body.code, 'routing_read_only');
});
