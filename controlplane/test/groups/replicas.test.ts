import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { type TestContext, test } from 'node:test';
import { startDelivery } from '../../src/delivery/delivery.ts';
import { startTestControlPlane, type TestControlPlane } from '../support/control-plane.ts';
import { until } from '../support/state.ts';

type Cleanups = Pick<TestContext, 'after'>;

/** What is opened later is closed sooner: replicas before their Redis. */
function inReverse(t: TestContext): Cleanups {
  const cleanups: (() => unknown)[] = [];
  t.after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });
  return { after: (cleanup) => cleanups.push(cleanup as () => unknown) };
}

const listening = async (t: Cleanups, server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
};

/** Three replicas on one Redis, each with its own flusher and workers; and what their webhooks were told. */
async function replicas(test: TestContext) {
  const t = inReverse(test);
  const told: string[] = [];
  const hook = createHttpServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const { group } = JSON.parse(body).data;
      told.push(
        `${request.url} ${group.reason}: ${group.firing.map((one: { labels: { n: string } }) => one.labels.n)}`,
      );
      response.end();
    });
  });
  const port = await listening(t, hook);
  const channel = (name: string) => ({
    name,
    webhook: {
      url: `http://127.0.0.1:${port}/${name}`,
      secret: { value: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' },
      allow_private_addresses: true,
    },
  });
  const settings = {
    receivers: [channel('one'), channel('two')],
    route: { receiver: 'one', group_by: ['n'], group_wait: '1s', group_interval: '1s' },
  };
  const first = await startTestControlPlane(t, settings, startDelivery);
  const socket = String(first.embedded?.socket);
  const wires = createServer((wire) => {
    const redis = connect(socket);
    wire.pipe(redis).pipe(wire);
    for (const end of [wire, redis]) end.on('error', () => wire.destroy());
  });
  const redis = { url: `redis://127.0.0.1:${await listening(t, wires)}` };
  const others = await Promise.all(
    [1, 2].map(() => startTestControlPlane(t, { ...settings, redis }, startDelivery)),
  );
  return { planes: [first, ...others], told };
}

const push = async (plane: TestControlPlane, n: number, more: object = {}) => {
  const alert = { labels: { alertname: 'x', n: String(n), ...more } };
  assert.equal((await plane.call('POST', '/api/v2/alerts', [alert])).status, 200);
};

test('three replicas tell what one would, once, and follow what is changed at any of them', async (t) => {
  const { planes, told } = await replicas(t);
  const [a, b, c] = planes as [TestControlPlane, TestControlPlane, TestControlPlane];
  const numbers = Array.from({ length: 30 }, (_, n) => n);
  // Each alert goes to one of them, and some to all at once.
  await Promise.all(
    numbers.flatMap((n) =>
      (n % 10 === 0 ? planes : [planes[n % 3] as TestControlPlane]).map((plane) => push(plane, n)),
    ),
  );
  await until(async () => told.length >= 30, 'all groups spoke');
  const route = {
    ...{ receiver: 'one', group_by: ['n'], group_wait: '0s', group_interval: '1s' },
    routes: [{ matchers: ['team="new"'], receiver: 'two' }],
  };
  const read = await a.call('GET', '/v1/routes');
  const changed = await a.call(
    'PUT',
    '/v1/routes',
    { route },
    { 'if-match': String(read.headers.get('etag')) },
  );
  assert.equal(changed.status, 200);
  const version = async (plane: TestControlPlane) =>
    (await plane.call('GET', '/v1/routes')).body.version;
  for (const plane of [b, c])
    await until(async () => (await version(plane)) === changed.body.version, 'it follows');
  const stale = { 'if-match': String(read.headers.get('etag')) };
  assert.equal((await b.call('PUT', '/v1/routes', { route }, stale)).status, 412);
  await push(c, 99, { team: 'new' });
  await until(async () => told.includes('/two first notification: 99'), 'the new route is taken');
  assert.deepEqual(
    [...told].sort(),
    [...numbers.map((n) => `/one first notification: ${n}`), '/two first notification: 99'].sort(),
  );
});
