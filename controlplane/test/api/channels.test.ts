import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Config, loadSettings, signBatch } from '@tocsin/openapi';
import { ChannelRegistry } from '../../src/channels/registry.ts';
import { Sealer } from '../../src/channels/sealing.ts';
import { findChannelKind } from '../../src/delivery/channels/index.ts';
import { ProblemError } from '../../src/errors.ts';
import { Ingest } from '../../src/ingest/ingest.ts';
import { Keyring } from '../../src/ingest/keyring.ts';
import { LaneWaker } from '../../src/ingest/wake.ts';
import { AgentStore } from '../../src/store/agents.ts';
import { RequestPool } from '../../src/store/redis.ts';
import { anAlert, bodyOf, enroll } from '../support/agent.ts';
import { noDelivery, startTestControlPlane } from '../support/control-plane.ts';
import { channelLedgerOf } from '../support/state.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const hook = (change: object = {}) => ({
  name: 'hook',
  kind: 'webhook',
  settings: { url: 'https://example.com/', secret: { value: SECRET } },
  ...change,
});

test('creates, shows, changes and deletes a channel; its secret is never shown nor stored in the clear', async (t) => {
  const plane = await startTestControlPlane(t);
  const made = await plane.call('POST', '/v1/channels', hook());
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.deepEqual(made.body.settings.secret, { value: '<hidden>' });
  assert.deepEqual([made.body.minimum_priority, made.body.origin], ['debug', 'api']);
  const again = await plane.call('POST', '/v1/channels', hook());
  assert.deepEqual([again.status, again.body.code], [409, 'channel_exists']);

  const changed = await plane.call('PATCH', '/v1/channels/hook', {
    minimum_priority: 'error',
    throttle: { per_minute: 10, burst: 1 },
    settings: { timeout: '5s', secret: made.body.settings.secret },
  });
  assert.equal(changed.status, 200, JSON.stringify(changed.body));
  const { minimum_priority, throttle, settings } = changed.body;
  assert.deepEqual(
    [minimum_priority, throttle, settings.timeout],
    ['error', { per_minute: 10, burst: 1 }, '5s'],
  );
  assert.equal(settings.url, 'https://example.com/');
  const change = (body: object) => plane.call('PATCH', '/v1/channels/hook', body);
  const modes = [
    made,
    await change({ mode: 'digest', digest_interval: '1d' }),
    await change({ minimum_priority: 'error' }),
    await change({ mode: 'every' }),
  ];
  assert.deepEqual(
    modes.map(({ body }) => [body.mode, body.digest_interval]),
    [
      ['grouped', undefined],
      ['digest', '1d'],
      ['digest', '1d'],
      ['every', undefined],
    ],
  );
  const back = await plane.call('PATCH', '/v1/channels/hook', {
    throttle: null,
    settings: { timeout: null },
  });
  assert.deepEqual([back.body.throttle, back.body.settings.timeout], [undefined, '15s']);

  const shown = await plane.call('GET', '/v1/channels/hook');
  assert.deepEqual(shown.body, back.body);
  assert.deepEqual((await plane.call('GET', '/v1/channels')).body.items, [shown.body]);
  const stored = JSON.stringify(await plane.redis.hgetall('{tocsin}:channels'));
  assert.match(stored, /sealed/);
  assert.ok(!stored.includes(SECRET) && !stored.includes('<hidden>'));

  assert.equal((await plane.call('DELETE', '/v1/channels/hook')).status, 204);
  for (const method of ['GET', 'DELETE'] as const) {
    const { status, body } = await plane.call(method, '/v1/channels/hook');
    assert.deepEqual([status, body.code], [404, 'not_found']);
  }
});

test('changes at the same time are all made, and none is lost', async (t) => {
  const plane = await startTestControlPlane(t);
  await plane.call('POST', '/v1/channels', hook());
  const upTo = Array.from({ length: 30 }, (_, index) => index + 1);
  const answers = await Promise.all(
    upTo.map((second) =>
      plane.call('PATCH', '/v1/channels/hook', {
        settings: { timeout: `${second}s`, headers: { [`x-${second}`]: 'set' } },
      }),
    ),
  );
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
});

test('delivery gets the secret as it was given, also after a restart of the reading', async (t) => {
  let channels: { get(name: string): { settings: object } | undefined } | undefined;
  const plane = await startTestControlPlane(t, {}, (options) => {
    channels = options.channels;
    return {
      testSend: async () => ({ result: 'ok', detail: '' }),
      preview: async () => [],
      trySender: async () => {},
      retryNow: async () => {},
      wake: () => false,
      stop: async () => {},
    };
  });
  await plane.call('POST', '/v1/channels', hook());
  await plane.call('PATCH', '/v1/channels/hook', { settings: { secret: { value: '<hidden>' } } });
  const settings = channels?.get('hook')?.settings as { secret: unknown };
  assert.deepEqual(settings.secret, { value: SECRET });
});

test('a body that is called JSON may be empty where none is needed', async (t) => {
  const plane = await startTestControlPlane(t, { channels: [{ name: 'out', log: {} }] });
  const call = (path: string, body: string) =>
    plane.call('POST', path, body, { 'content-type': 'application/json' });
  assert.equal((await call('/v1/channels/out/test', '')).status, 200);
  assert.equal((await call('/v1/channels/out/resume', '')).status, 200);
  const missing = await call('/v1/channels', '');
  assert.deepEqual([missing.status, missing.body.code], [400, 'validation_failed']);
  const broken = await call('/v1/channels', '{');
  assert.deepEqual([broken.status, broken.body.code], [400, 'bad_request']);
  const polluting = await call('/v1/channels', '{"__proto__":{"kind":"log"},"name":"x"}');
  assert.deepEqual([polluting.status, polluting.body.code], [400, 'bad_request']);
});

test('refuses channels that do not fit, and says where', async (t) => {
  const plane = await startTestControlPlane(t);
  const wrong: [object, string][] = [
    [hook({ name: '<no name>' }), '/name'],
    [hook({ kind: 'pigeon' }), '/kind'],
    [hook({ minimum_priority: 'loud' }), '/minimum_priority'],
    [hook({ extra: 1 }), '/extra'],
    [hook({ settings: { secret: { value: SECRET } } }), '/settings'],
    [hook({ settings: { url: 'ftp://x/', secret: { value: SECRET } } }), '/settings/url'],
    [
      hook({ settings: { url: 'https://x/', secret: { value: SECRET }, color: 'red' } }),
      '/settings/color',
    ],
    [hook({ throttle: { per_minute: 0, burst: 1 } }), '/throttle/per_minute'],
    [hook({ mode: 'hourly' }), '/mode'],
    [hook({ digest_interval: '1h' }), '/digest_interval'],
    [hook({ mode: 'digest', digest_interval: '5s' }), '/digest_interval'],
    [hook({ mode: 'digest', digest_interval: 'soon' }), '/digest_interval'],
  ];
  for (const [body, pointer] of wrong) {
    const answer = await plane.call('POST', '/v1/channels', body);
    assert.deepEqual(
      [answer.status, answer.body.code, answer.body.errors?.[0]?.pointer],
      [400, 'validation_failed', pointer],
      JSON.stringify(answer.body),
    );
  }
  const text = { 'content-type': 'application/json' };
  const broken = await plane.call('POST', '/v1/channels', '{"name":', text);
  assert.deepEqual([broken.status, broken.body.code], [400, 'bad_request']);
  const xml = await plane.call('POST', '/v1/channels', '<x/>', { 'content-type': 'text/xml' });
  assert.deepEqual([xml.status, xml.body.code], [415, 'media_type_unsupported']);
  const large = await plane.call(
    'POST',
    '/v1/channels',
    hook({ settings: { url: 'x'.repeat(300_000) } }),
  );
  assert.deepEqual([large.status, large.body.code], [413, 'body_too_large']);
  assert.deepEqual((await plane.call('GET', '/v1/channels')).body.items, []);
});

test('a fallback is a channel that exists, and stays as long as it is one', async (t) => {
  const plane = await startTestControlPlane(t, { channels: [{ name: 'out', log: {} }] });
  const nowhere = await plane.call('POST', '/v1/channels', hook({ fallback: 'nowhere' }));
  assert.equal(nowhere.status, 400);
  assert.deepEqual(nowhere.body.errors, [
    { pointer: '/fallback', message: "there is no channel 'nowhere'" },
  ]);
  const log = (name: string, fallback: string) => ({ name, fallback, kind: 'log', settings: {} });
  assert.equal((await plane.call('POST', '/v1/channels', hook({ fallback: 'out' }))).status, 201);
  assert.equal((await plane.call('POST', '/v1/channels', log('other', 'hook'))).status, 201);
  const patch = (change: object) => plane.call('PATCH', '/v1/channels/hook', change);
  assert.equal((await patch({ fallback: 'gone' })).status, 400);
  // Two may stand in for each other: what was moved once stays.
  assert.equal((await patch({ fallback: 'other' })).status, 200);
  const refused = await plane.call('DELETE', '/v1/channels/other');
  assert.deepEqual([refused.status, refused.body.code], [409, 'channel_in_use']);
  assert.match(refused.body.detail, /fallback of hook/);
  assert.equal((await patch({ fallback: null })).status, 200);
  assert.equal((await plane.call('DELETE', '/v1/channels/other')).status, 204);
});

test('a channel that the routing names is not deleted', async (t) => {
  const plane = await startTestControlPlane(t, {
    channels: [{ name: 'out', log: {} }],
    route: { receiver: 'out' },
  });
  assert.equal((await plane.call('POST', '/v1/channels', hook())).status, 201);
  const { headers } = await plane.call('GET', '/v1/routes');
  const put = (route: object, etag: string | null) =>
    plane.call('PUT', '/v1/routes', { route }, { 'if-match': String(etag) });
  const routed = await put(
    { receiver: 'out', routes: [{ receiver: 'hook' }] },
    headers.get('etag'),
  );
  assert.equal(routed.status, 200, JSON.stringify(routed.body));
  const refused = await plane.call('DELETE', '/v1/channels/hook');
  assert.deepEqual([refused.status, refused.body.code], [409, 'channel_in_use']);
  assert.match(refused.body.detail, /\/route\/routes\/0\/receiver/);
  assert.equal((await put({ receiver: 'out' }, routed.headers.get('etag'))).status, 200);
  assert.equal((await plane.call('DELETE', '/v1/channels/hook')).status, 204);
});

test('a channel of the file that was changed is tried again at once, and no other', async (t) => {
  const tried: string[] = [];
  const config = (url: string) => ({
    channels: [hook({ settings: { url, secret: { value: SECRET } } }), { name: 'log', log: {} }],
  });
  const plane = await startTestControlPlane(t, config('https://one.example/'), (options) => ({
    ...noDelivery(options),
    retryNow: async (name) => {
      tried.push(name);
    },
  }));
  for (const url of ['https://one.example/', 'https://two.example/']) {
    const text = JSON.stringify(config(url));
    await plane.reload(loadSettings(Config, { file: { name: 'test.yaml', text } }));
  }
  assert.deepEqual(tried, ['hook']);
});

test('channels of the file are read-only', async (t) => {
  const channels = [{ name: 'file-log', kind: 'log', minimum_priority: 'notice', settings: {} }];
  const plane = await startTestControlPlane(t, { channels });
  const { body } = await plane.call('GET', '/v1/channels/file-log');
  assert.deepEqual([body.origin, body.minimum_priority], ['file', 'notice']);
  const calls = [
    await plane.call('PATCH', '/v1/channels/file-log', { minimum_priority: 'error' }),
    await plane.call('DELETE', '/v1/channels/file-log'),
  ];
  for (const answer of calls) {
    assert.deepEqual([answer.status, answer.body.code], [409, 'channel_read_only']);
  }
  const taken = await plane.call('POST', '/v1/channels', hook({ name: 'file-log' }));
  assert.deepEqual([taken.status, taken.body.code], [409, 'channel_exists']);
});

test('a channel made over the API is told from the next batch on, and what waits for it goes with it', async (t) => {
  const plane = await startTestControlPlane(t);
  const agent = await enroll(plane);
  await agent.send([anAlert({ rule: 'before' })]);
  await plane.call('POST', '/v1/channels', hook());
  await agent.send([anAlert({ rule: 'after' })]);
  assert.equal((await plane.outbox.readHead('hook', 10)).length, 1);
  await plane.call('DELETE', '/v1/channels/hook');
  assert.deepEqual(await plane.outbox.lanesWithWork(), []);
  assert.deepEqual(await channelLedgerOf(plane.redis, 'hook'), {
    routed: 1,
    pending: 0,
    held: 0,
    discarded: 1,
  });
  await agent.send([anAlert({ rule: 'later' })]);
  assert.equal((await channelLedgerOf(plane.redis, 'hook')).routed, 1);
});

test('the test of a channel answers what the provider says', async (t) => {
  const plane = await startTestControlPlane(t);
  await plane.call('POST', '/v1/channels', hook());
  const { status, body } = await plane.call('POST', '/v1/channels/hook/test');
  assert.deepEqual([status, body], [200, { result: 'ok', detail: 'asked hook' }]);
});

test('a channel made over the API names no file and no variable of the control plane', async (t) => {
  const plane = await startTestControlPlane(t);
  const url = 'https://example.com/';
  const secret = { value: SECRET };
  const wrong: [object, string][] = [
    [hook({ settings: { url, secret: { file: '/etc/shadow' } } }), '/settings/secret'],
    [hook({ settings: { url, secret: { env: 'TOCSIN_REDIS_URL' } } }), '/settings/secret'],
    [hook({ settings: { url, secret: { env: 'PATH' } } }), '/settings/secret'],
    [
      hook({ settings: { url, secret, headers: { 'x.y~z': { file: '/etc/shadow' } } } }),
      '/settings/headers/x.y~0z',
    ],
    [hook({ settings: { url, secret: { value: '<hidden>' } } }), '/settings/secret'],
    [{ name: 'l', kind: 'log', settings: { path: '/etc/cron.d/x' } }, '/settings/path'],
    [
      {
        name: 'm',
        kind: 'email',
        settings: { host: 'mx', from: 'a@x', to: ['b@x'], ca_file: '/etc/shadow' },
      },
      '/settings/ca_file',
    ],
  ];
  for (const [body, pointer] of wrong) {
    const answer = await plane.call('POST', '/v1/channels', body);
    assert.deepEqual(
      [answer.status, answer.body.code, answer.body.errors?.[0]?.pointer],
      [400, 'validation_failed', pointer],
      JSON.stringify(answer.body),
    );
  }
  const allowed = hook({ settings: { url, secret: { env: 'TOCSIN_SECRET_HOOK' } } });
  assert.equal((await plane.call('POST', '/v1/channels', allowed)).status, 201);
  const patched = await plane.call('PATCH', '/v1/channels/hook', {
    settings: { secret: { file: '/etc/shadow' } },
  });
  assert.deepEqual([patched.status, patched.body.errors[0].pointer], [400, '/settings/secret']);
  assert.equal((await plane.call('GET', '/v1/channels')).body.items.length, 1);
});

test('a hidden secret does not follow a channel that is pointed elsewhere', async (t) => {
  const plane = await startTestControlPlane(t);
  await plane.call('POST', '/v1/channels', hook());
  for (const secret of [undefined, { value: '<hidden>' }]) {
    const moved = await plane.call('PATCH', '/v1/channels/hook', {
      settings: { url: 'https://elsewhere.example/', ...(secret && { secret }) },
    });
    assert.deepEqual([moved.status, moved.body.errors?.[0]?.pointer], [400, '/settings/secret']);
  }
  assert.equal(
    (await plane.call('GET', '/v1/channels/hook')).body.settings.url,
    'https://example.com/',
  );
  const given = await plane.call('PATCH', '/v1/channels/hook', {
    settings: { url: 'https://elsewhere.example/', secret: { value: SECRET } },
  });
  assert.equal(given.status, 200, JSON.stringify(given.body));
});

test('points at what is wrong as RFC 6901 writes it, and at parameters by their names', async (t) => {
  const plane = await startTestControlPlane(t);
  const odd = await plane.call('POST', '/v1/channels', hook({ 'a/b~c': 1 }));
  assert.equal(odd.body.errors[0].pointer, '/a~1b~0c');
  const query = await plane.call('GET', '/v1/alerts?limit=0');
  assert.equal(query.body.errors[0].pointer, 'limit');
});

test('a replica that has not yet seen a change neither undoes it nor admits to a channel that is gone', async (t) => {
  const plane = await startTestControlPlane(t);
  const { redis } = plane;
  const agent = await enroll(plane);
  await plane.call('POST', '/v1/channels', hook());
  const registry = new ChannelRegistry(redis, {
    fileChannels: [],
    findKind: findChannelKind,
    sealer: Sealer.fromFile(join(plane.dataDir, 'secrets.key')),
    onProblem: () => {},
  });
  await registry.reload();
  const waker = new LaneWaker(redis);
  t.after(() => waker.close());
  const replica = new Ingest({
    ...{ registry, waker, audience: agent.audience, onAnswer: () => {} },
    pool: new RequestPool([redis]),
    keyring: new Keyring(new AgentStore(redis)),
    limits: { windowMs: 1000, retentionMs: 3_600_000, capacity: 1000 },
  });

  assert.equal((await plane.call('DELETE', '/v1/channels/hook')).status, 204);
  const body = bodyOf([anAlert()]);
  const signature = await signBatch(body, agent.claims(), agent.key);
  assert.equal((await replica.take({ signature, encoding: undefined, body })).repeated, false);
  assert.deepEqual(await plane.outbox.lanesWithWork(), []);
  assert.equal((await channelLedgerOf(redis, 'hook')).routed, undefined);

  await plane.call('POST', '/v1/channels', hook());
  await registry.reload();
  await plane.call('PATCH', '/v1/channels/hook', { minimum_priority: 'error' });
  const patched = await registry.update('hook', { settings: { timeout: '3s' } });
  assert.deepEqual([patched.minimum_priority, patched.settings['timeout']], ['error', '3s']);
  await plane.call('DELETE', '/v1/channels/hook');
  await assert.rejects(
    registry.update('hook', { minimum_priority: 'alert' }),
    (error) => error instanceof ProblemError && error.code === 'not_found',
  );
  assert.equal((await plane.call('GET', '/v1/channels/hook')).status, 404);
});
