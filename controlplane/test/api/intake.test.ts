import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { agentKeys } from '../../src/store/keys.ts';
import { newIdentity, TestAgent } from '../support/agent.ts';
import { request, startTestControlPlane } from '../support/control-plane.ts';

const FALCO = {
  hostname: 'web-1',
  output: 'Shell spawned',
  output_fields: { 'proc.name': 'bash', 'evt.time': '@@' },
  priority: 'Warning',
  rule: 'Shell in a container',
  source: 'syscall',
  tags: ['shell', 'container'],
  time: '2026-11-23T10:00:00.123456789Z',
};
const TOKEN = `falco-${randomBytes(16).toString('hex')}`;
const intake = (more: object = {}) => ({
  channels: [{ name: 'log', log: {} }],
  intake: { tokens: [{ name: 'falco', token: { value: TOKEN } }], ...more },
});
const basic = (token: string) => `Basic ${Buffer.from(`any:${token}`).toString('base64')}`;

test("Falco's alerts are taken with a token in each of its places, and told to be of that source", async (t) => {
  const plane = await startTestControlPlane(t, intake());
  // Numbers that JavaScript would round stay exact.
  const text = JSON.stringify(FALCO).replace('"@@"', '1763892000123456789');
  const post = (path: string, headers: Record<string, string> = {}, body = text) =>
    request(plane.url + path, 'POST', body, headers);
  assert.equal((await post(`/?token=${TOKEN}`)).status, 200);
  assert.equal((await post('/falco', { authorization: basic(TOKEN) })).status, 200);
  const bearer = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
  assert.equal((await post('/', bearer)).status, 200);
  const { items } = (await plane.call('GET', '/v1/alerts')).body;
  assert.equal(items.length, 1);
  const [alert] = items;
  assert.equal(alert.count, 3);
  assert.equal(alert.agent, 'source:falco');
  assert.equal(alert.output_fields['evt.time'], '1763892000123456789');
  assert.deepEqual(alert.tags, ['shell', 'container']);
  const ledger = await plane.redis.hgetall('{tocsin}:ledger');
  assert.equal(ledger['accepted'], '3');
});

test('a source needs its token, and has no other right', async (t) => {
  const plane = await startTestControlPlane(t, intake());
  const post = (path: string, headers: Record<string, string> = {}) =>
    request(plane.url + path, 'POST', JSON.stringify(FALCO), headers);
  for (const path of [
    '/',
    '/falco',
    '/?token=wrong',
    '/?token=',
    '/?token=a&token=b',
    '/api/v2/alerts',
  ])
    assert.equal((await post(path)).status, 401, path);
  assert.equal((await post('/', { authorization: basic('wrong') })).status, 401);
  const bearer = { authorization: `Bearer ${TOKEN}` };
  for (const [method, path] of [
    ['GET', '/v1/alerts'],
    ['GET', '/v1/channels'],
    ['GET', '/v1/silences'],
    ['GET', '/api/v2/alerts'],
    ['POST', '/api/v2/silences'],
  ] as const)
    assert.equal((await request(plane.url + path, method, undefined, bearer)).status, 403, path);
  // The token in a URL opens nothing but intake.
  assert.equal(
    (await request(`${plane.url}/v1/alerts?token=${plane.adminToken}`, 'GET')).status,
    401,
  );
});

test('a body that is no alert of Falco is refused with what is wrong', async (t) => {
  const plane = await startTestControlPlane(t, intake());
  const wrong: [unknown, string][] = [
    ['nonsense', ''],
    [[FALCO], ''],
    [{ ...FALCO, priority: 'Loud' }, '/priority'],
    [{ ...FALCO, priority: undefined }, '/priority'],
    [{ ...FALCO, rule: '' }, '/rule'],
    [{ ...FALCO, rule: 'x'.repeat(600) }, '/rule'],
    [{ ...FALCO, time: 'yesterday' }, '/time'],
    [{ ...FALCO, output_fields: {} }, '/output_fields'],
    [{ ...FALCO, output_fields: null }, '/output_fields'],
    [{ ...FALCO, tags: 'shell' }, '/tags'],
    [{ ...FALCO, hostname: 7 }, '/hostname'],
  ];
  for (const [body, pointer] of wrong) {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const { status, body: problem } = await request(`${plane.url}/?token=${TOKEN}`, 'POST', text);
    assert.equal(status, 400, text.slice(0, 200));
    if (pointer) assert.equal(problem.errors[0].pointer, pointer);
  }
  const proto = JSON.stringify(FALCO).replace('"proc.name"', '"__proto__"');
  assert.equal((await request(`${plane.url}/?token=${TOKEN}`, 'POST', proto)).status, 400);
  const huge = JSON.stringify({ ...FALCO, output: 'x'.repeat(1 << 20) });
  assert.equal((await request(`${plane.url}/?token=${TOKEN}`, 'POST', huge)).status, 413);
  assert.equal((await plane.call('GET', '/v1/alerts')).body.items.length, 0);
});

test('programs on this machine need no token where that is wished; browsers and proxies do', async (t) => {
  const plane = await startTestControlPlane(t, intake({ trust_loopback: true }));
  const post = (headers: Record<string, string>) =>
    request(`${plane.url}/`, 'POST', JSON.stringify(FALCO), headers);
  assert.equal((await post({})).status, 200);
  assert.equal((await post({ origin: 'https://evil.example' })).status, 401);
  assert.equal((await post({ 'x-forwarded-for': '192.0.2.1' })).status, 401);
  assert.equal((await request(`${plane.url}/v1/silences`, 'GET')).status, 401);
  assert.equal((await plane.call('GET', '/v1/alerts')).body.items[0].agent, 'source:loopback');
});

test('the account of a source is no agent: no signature can use it', async (t) => {
  const plane = await startTestControlPlane(t, intake());
  await request(`${plane.url}/?token=${TOKEN}`, 'POST', JSON.stringify(FALCO));
  assert.equal(await plane.redis.hget(agentKeys('source:falco').agent, 'alerts'), '1');
  assert.deepEqual((await plane.call('GET', '/v1/agents')).body.items, []);
  const { privateKey } = await newIdentity();
  const forged = { agent: 'source:falco', kid: 'unsigned', audience: 'x' };
  const agent = new TestAgent(plane.url, forged, privateKey);
  const answer = await agent.send([FALCO as never]);
  assert.equal(answer.status, 401);
  assert.equal(answer.body.code, 'agent_unknown');
});

test('many posts at once are all counted', async (t) => {
  const plane = await startTestControlPlane(t, intake());
  const posts = Array.from({ length: 150 }, (_, index) =>
    request(
      `${plane.url}/?token=${TOKEN}`,
      'POST',
      JSON.stringify({ ...FALCO, rule: `r${index}` }),
    ),
  );
  for (const { status } of await Promise.all(posts)) assert.equal(status, 200);
  assert.equal(await plane.redis.hget('{tocsin}:ledger', 'accepted'), '150');
});
