import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Config, loadSettings } from '@tocsin/openapi';
import { startDelivery } from '../../src/delivery/delivery.ts';
import { outcomesKey } from '../../src/store/keys.ts';
import { anAlert, enroll } from '../support/agent.ts';
import { startTestControlPlane } from '../support/control-plane.ts';
import { until } from '../support/state.ts';

interface Received {
  readonly group: {
    readonly key: string;
    readonly labels: Record<string, string>;
    readonly reason: string;
    readonly firing: { labels: Record<string, string>; count: number }[];
    readonly counts: Record<string, number>;
  };
  readonly alerts: { rule: string; count: number; status: string }[];
}

/** A webhook that keeps what it gets. */
async function receiver(t: TestContext): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      received.push(JSON.parse(body).data);
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, received };
}

test('alerts of agents are told in groups, and each has one outcome', async (t) => {
  const { url, received } = await receiver(t);
  const plane = await startTestControlPlane(
    t,
    {
      route: {
        receiver: 'hook',
        group_by: ['rule'],
        group_wait: '300ms',
        group_interval: '1s',
        repeat_interval: '1h',
      },
      channels: [
        {
          name: 'hook',
          kind: 'webhook',
          settings: { url, secret: { value: 'secret' }, allow_private_addresses: true },
        },
      ],
    },
    startDelivery,
  );
  const agent = await enroll(plane);
  const old = new Date(Date.now() - 1000).toISOString();
  const fresh = () => new Date().toISOString();
  await agent.send([
    anAlert({ rule: 'A', hostname: 'web-1', time: fresh() }),
    anAlert({ rule: 'A', hostname: 'web-2', time: fresh() }),
    anAlert({ rule: 'A', hostname: 'web-1', time: fresh() }),
    anAlert({ rule: 'B', time: old }),
  ]);
  await until(async () => received.length === 2, 'both groups spoke');
  const a = received.find(({ group }) => group.labels['rule'] === 'A');
  assert.equal(a?.group.reason, 'first notification');
  assert.equal(a?.group.key, '{}:{rule="A"}');
  assert.deepEqual(
    a?.group.firing.map(({ labels, count }) => [labels['hostname'], count]),
    [
      ['web-1', 2],
      ['web-2', 1],
    ],
  );
  assert.deepEqual(
    a?.alerts.map(({ rule, count, status }) => [rule, count, status]),
    [
      ['A', 2, 'firing'],
      ['A', 1, 'firing'],
    ],
  );
  await agent.send([anAlert({ rule: 'A', hostname: 'web-3', time: fresh() })]);
  await until(async () => received.length === 3, 'the group spoke again');
  assert.equal(received[2]?.group.reason, 'new alerts');
  assert.equal(received[2]?.group.counts['firing'], 3);
  await until(
    async () => (await plane.redis.hget(outcomesKey, 'pending')) === '0',
    'nothing is pending',
  );
  const outcomes = await plane.redis.hgetall(outcomesKey);
  assert.deepEqual(outcomes, { accepted: '5', pending: '0', deduplicated: '1', notified: '4' });

  const ledger = (await plane.call('GET', '/v1/ledger')).body;
  for (const account of [ledger, ...ledger.agents, ...ledger.routes]) {
    const sum = Object.values(account.outcomes as Record<string, number>).reduce((a, b) => a + b);
    assert.equal(account.accepted, sum);
    assert.equal(account.accepted, 5);
  }
  assert.equal(ledger.routes[0].route, '{}');
  const groups = (await plane.call('GET', '/v1/groups')).body;
  assert.equal(groups.total, 2);
  assert.equal(groups.items[0].channel, 'hook');
  const { items } = (await plane.call('GET', '/v1/alerts?rule=B')).body;
  const timeline = (await plane.call('GET', `/v1/alerts/${items[0].id}/timeline`)).body;
  assert.equal(timeline.outcome, 'notified');
  assert.deepEqual(timeline.past.map(({ what }: { what: string }) => what).sort(), [
    'notified',
    'received',
    'routed',
    'told',
  ]);
  assert.equal(timeline.next.length, 1);
});

test('a timeline tells when a hold ends and what is said then, and not the look after that', async (t) => {
  const plane = await startTestControlPlane(t, {
    receivers: [{ name: 'd', none: {} }],
    route: { receiver: 'd', group_by: ['n'], group_wait: '10s', group_interval: '5h' },
    global: { resolve_timeout: '9h' },
  });
  const silence = (matchers: string[], duration: string) =>
    plane.call('POST', '/v1/silences', { matchers, duration, comment: 'x' });
  const long = (await silence(['n="1"', 'x=y'], '2h')).body;
  await silence(['n="1"'], '1h');
  const old = new Date(Date.now() - 60_000).toISOString();
  const alerts = [{ labels: { alertname: 'x', n: '1', x: 'y' }, startsAt: old }];
  assert.equal((await plane.call('POST', '/api/v2/alerts', alerts)).status, 200);
  await until(
    async () => (await plane.call('GET', '/v1/ledger')).body.outcomes.silenced === 1,
    'held',
  );
  const { items } = (await plane.call('GET', '/v1/alerts')).body;
  const { past, next } = (await plane.call('GET', `/v1/alerts/${items[0].id}/timeline`)).body;
  assert.ok(past.some(({ what }: { what: string }) => what === 'silenced'));
  const at = new Date(Date.parse(long.ends_at) + 10_000).toISOString();
  assert.deepEqual(next, [{ ...next[0], at, what: 'first notification' }]);
  const [group] = (await plane.call('GET', '/v1/groups')).body.items;
  assert.deepEqual([group.next_flush, group.reason], [at, 'first notification']);
});

test('a rule or an interval that is taken away lets go what it held back', async (t) => {
  const { url, received } = await receiver(t);
  const hook = { url, secret: { value: 'secret' }, allow_private_addresses: true };
  const settings = {
    receivers: [{ name: 'hook', webhook: hook }],
    route: {
      ...{ receiver: 'hook', group_by: ['n'], group_wait: '100ms', group_interval: '1h' },
      routes: [{ matchers: ['n=muted'], mute_time_intervals: ['always'] }],
    },
    time_intervals: [{ name: 'always', time_intervals: [{}] }],
    inhibit_rules: [{ source_matchers: ['n=source'], target_matchers: ['n=target'] }],
  };
  const plane = await startTestControlPlane(t, settings, startDelivery);
  const alerts = ['source', 'target', 'muted'].map((n) => ({ labels: { alertname: 'x', n } }));
  assert.equal((await plane.call('POST', '/api/v2/alerts', alerts)).status, 200);
  const told = async (...names: string[]) =>
    until(async () => {
      const { outcomes } = (await plane.call('GET', '/v1/ledger')).body;
      const said = received.map(({ group }) => group.labels['n']);
      return said.join() === names.join() && outcomes.pending === 0;
    }, `${names} are told`);
  await told('source');
  const { headers } = await plane.call('GET', '/v1/inhibitions');
  const etag = { 'if-match': String(headers.get('etag')) };
  const put = await plane.call('PUT', '/v1/inhibitions', { inhibit_rules: [] }, etag);
  assert.equal(put.status, 200);
  await told('source', 'target');
  const { inhibit_rules: _, ...rest } = settings;
  const text = JSON.stringify({ ...rest, time_intervals: [{ name: 'always' }] });
  await plane.reload(loadSettings(Config, { file: { name: 'test.yaml', text } }));
  await told('source', 'target', 'muted');
});

test('without routes each alert has one outcome too', async (t) => {
  const { url, received } = await receiver(t);
  const settings = { url, secret: { value: 'secret' }, allow_private_addresses: true };
  const plane = await startTestControlPlane(
    t,
    {
      channels: [
        { name: 'a', kind: 'webhook', settings, throttle: { per_minute: 600, burst: 1 } },
        { name: 'b', kind: 'webhook', settings, minimum_priority: 'warning' },
      ],
    },
    startDelivery,
  );
  const agent = await enroll(plane);
  const numbered = (number: number) =>
    anAlert({ priority: 'Notice', output_fields: { 'fd.name': `/etc/${number}` } });
  await agent.send([...Array.from({ length: 30 }, (_, number) => numbered(number)), numbered(3)]);
  await until(
    async () => (await plane.call('GET', '/v1/ledger')).body.outcomes.pending === 0,
    'all was told',
  );
  const { accepted, outcomes, agents } = (await plane.call('GET', '/v1/ledger')).body;
  assert.equal(accepted, 31);
  assert.equal(outcomes.deduplicated, 1);
  assert.equal(outcomes.notified + outcomes.digested, 30);
  assert.ok(outcomes.digested > 0);
  assert.deepEqual(agents[0].outcomes, outcomes);
  assert.ok(received.length < 30);
  const { items } = (await plane.call('GET', '/v1/alerts')).body;
  const timeline = (await plane.call('GET', `/v1/alerts/${items.at(-1).id}/timeline`)).body;
  assert.equal(timeline.outcome, 'notified');
});
