import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startDelivery } from '../../src/delivery/delivery.ts';
import { GroupStore } from '../../src/store/groups.ts';
import { type Answer, answerWith, HttpServer } from '../delivery/http-server.ts';
import { startTestControlPlane } from '../support/control-plane.ts';
import { until } from '../support/state.ts';

/** A webhook that keeps what it accepted: which alerts each notification of a group names as firing. */
async function hook(t: TestContext) {
  const server = new HttpServer();
  const url = await server.listen();
  t.after(() => server.close());
  const accepted: { id: string; names: string; repeated: boolean }[] = [];
  const accept: Answer = (response) => {
    const { headers, body } = server.received.at(-1) as (typeof server.received)[number];
    const { group, repeated = false } = JSON.parse(body).data;
    const names = group?.firing.map(({ labels }: { labels: { n: string } }) => labels.n).sort();
    if (names)
      accepted.push({ id: String(headers['webhook-id']), names: names.join(' '), repeated });
    response.end();
  };
  return { server, accepted, accept, url };
}

test('of channels of one alert, one that fails, hangs or refuses is told once and late, and no other waits', async (t) => {
  const [works, fails, refuses, hangs] = await Promise.all([hook(t), hook(t), hook(t), hook(t)]);
  const hooks = { works, fails, refuses, hangs };
  works.server.answer = works.accept;
  fails.server.answer = answerWith(503);
  refuses.server.answer = answerWith(400, 'no');
  hangs.server.answer = () => {};
  const plane = await startTestControlPlane(
    t,
    {
      receivers: Object.entries(hooks).map(([name, { url }]) => ({
        name,
        webhook: {
          ...{ url, secret: { value: 'secret' }, allow_private_addresses: true },
          // Long enough for one that answers on a busy machine; who hangs is given up sooner.
          timeout: name === 'hangs' ? '2s' : '20s',
        },
      })),
      route: {
        ...{ receiver: 'works', group_by: [], group_wait: '100ms', group_interval: '1s' },
        routes: Object.keys(hooks).map((receiver) => ({ receiver, continue: true })),
      },
    },
    startDelivery,
  );
  const push = async (n: string) => {
    const alert = { labels: { alertname: 'x', n } };
    assert.equal((await plane.call('POST', '/api/v2/alerts', [alert])).status, 200);
  };
  await push('1');
  await until(
    async () =>
      works.accepted.length === 1 &&
      fails.server.received.length > 1 &&
      hangs.server.received.length > 1 &&
      refuses.server.received.length === 1,
    'all were tried, and those that failed again',
  );
  await push('2');
  const waiting = async (name: string) => (await plane.outbox.backlog(name)).depth;
  await until(
    async () =>
      works.accepted.length === 2 && (await waiting('fails')) + (await waiting('hangs')) === 4,
    'the one that works is told the next, and the others are to be',
  );
  fails.server.answer = fails.accept;
  hangs.server.answer = hangs.accept;
  const pending = async () => (await plane.call('GET', '/v1/ledger')).body.outcomes.pending;
  await until(async () => {
    // A person mended them, and does not wait.
    for (const name of ['fails', 'hangs']) await plane.call('POST', `/v1/channels/${name}/resume`);
    return (
      [fails, hangs].every(({ accepted }) => accepted.at(-1)?.names === '1 2') &&
      refuses.server.received.length === 2 &&
      (await pending()) === 0
    );
  }, 'all is told');
  const told = ({ accepted }: typeof works) => accepted.map((one) => [one.names, one.repeated]);
  assert.deepEqual(told(works), [
    ['1', false],
    ['1 2', false],
  ]);
  assert.deepEqual(told(fails), told(works));
  // Who did not answer may have taken it: it comes with the same id, marked.
  assert.deepEqual(told(hangs), [
    ['1', true],
    ['1 2', false],
  ]);
  assert.equal(hangs.accepted[0]?.id, hangs.server.received[0]?.headers['webhook-id']);
  const letters = (await plane.call('GET', '/v1/channels/refuses/dead-letters')).body;
  assert.equal(letters.items.length, 2);
  assert.equal(refuses.accepted.length, 0);

  // The time until it is repeated begins when it was told.
  for await (const groups of new GroupStore(plane.redis).groups()) {
    for (const { definition, loggedAt, flushedAt } of groups) {
      if (definition.c === 'fails' || definition.c === 'hangs')
        assert.ok(loggedAt > flushedAt, `${definition.c} ${loggedAt} ${flushedAt}`);
      if (definition.c === 'refuses') assert.equal(loggedAt, flushedAt);
    }
  }
});
