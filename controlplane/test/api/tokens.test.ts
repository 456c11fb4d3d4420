import assert from 'node:assert/strict';
import { test } from 'node:test';
import { request, startTestControlPlane } from '../support/control-plane.ts';

const FIXED = 'a-token-of-the-configuration';
const SETTINGS = {
  receivers: [{ name: 'everyone' }],
  route: { receiver: 'everyone' },
  intake: { tokens: [{ name: 'falco', token: { value: FIXED } }] },
};

test('tokens are made, shown once, held to their role, and revoked at once', async (t) => {
  const plane = await startTestControlPlane(t, SETTINGS);
  const make = async (name: string, role: string, more: object = {}) =>
    plane.call('POST', '/v1/tokens', { name, role, ...more });
  const tokens: Record<string, string> = { admin: plane.adminToken };
  for (const role of ['intake', 'reader', 'operator']) {
    const made = await make(`my-${role}`, role);
    assert.equal(made.status, 201);
    assert.equal(made.headers.get('cache-control'), 'no-store');
    tokens[role] = made.body.token;
  }
  const silence = {
    ...{ matchers: [{ name: 'a', value: 'b', isRegex: false }], createdBy: 'me', comment: 'x' },
    ...{ startsAt: new Date().toISOString(), endsAt: new Date(Date.now() + 60_000).toISOString() },
  };
  const calls: [string, string, unknown, string][] = [
    ['POST', '/api/v2/alerts', [{ labels: { a: 'b' } }], 'intake operator admin'],
    ['GET', '/api/v2/alerts', undefined, 'reader operator admin'],
    ['GET', '/v1/alerts', undefined, 'reader operator admin'],
    ['GET', '/v1/groups', undefined, 'reader operator admin'],
    ['GET', '/v1/ledger', undefined, 'reader operator admin'],
    ['GET', '/v1/silences', undefined, 'reader operator admin'],
    ['POST', '/api/v2/silences', silence, 'operator admin'],
    ['GET', '/v1/channels', undefined, 'admin'],
    ['GET', '/v1/routing', undefined, 'admin'],
    ['GET', '/v1/tokens', undefined, 'admin'],
    ['POST', '/v1/tokens', { name: 'x', role: 'admin' }, 'admin'],
  ];
  for (const [method, path, body, allowed] of calls) {
    for (const [role, token] of Object.entries(tokens)) {
      const headers = { authorization: `Bearer ${token}` };
      const { status } = await request(plane.url + path, method, body, headers);
      const wanted = allowed.split(' ').includes(role) ? /^20[01]$/ : /^403$/;
      assert.match(String(status), wanted, `${role} ${method} ${path}`);
    }
  }

  const { items } = (await plane.call('GET', '/v1/tokens')).body;
  const names = items.map((one: { name: string; role: string; origin: string }) => [
    ...[one.name.replace(/^admin .*/, 'admin'), one.role, one.origin],
  ]);
  assert.deepEqual(names, [
    ['admin', 'admin', 'file'],
    ['falco', 'intake', 'file'],
    ['my-intake', 'intake', 'api'],
    ['my-operator', 'operator', 'api'],
    ['my-reader', 'reader', 'api'],
    ['x', 'admin', 'api'],
  ]);
  // Neither the API nor the store knows them any more.
  const kept = JSON.stringify([items, await plane.redis.hgetall('{tocsin}:tokens')]);
  for (const token of Object.values(tokens)) assert.equal(kept.includes(token), false);

  const { authorization } = { authorization: `Bearer ${tokens['reader']}` };
  assert.equal((await plane.call('DELETE', '/v1/tokens/my-reader')).status, 204);
  const refused = await request(`${plane.url}/v1/alerts`, 'GET', undefined, { authorization });
  assert.equal(refused.status, 401);
  assert.equal((await plane.call('DELETE', '/v1/tokens/my-reader')).status, 404);
  assert.equal((await make('my-reader', 'reader')).status, 201);
});

test('a name is taken once, files are left alone, and what expired is unknown', async (t) => {
  const plane = await startTestControlPlane(t, SETTINGS);
  const make = (body: object) => plane.call('POST', '/v1/tokens', body);
  const { body } = await make({ name: 'short', role: 'reader', ttl: '100ms' });
  const headers = { authorization: `Bearer ${body.token}` };
  assert.ok(Date.parse(body.expires_at) <= Date.now() + 100);
  while (Date.now() <= Date.parse(body.expires_at)) await new Promise((r) => setTimeout(r, 20));
  assert.equal((await request(`${plane.url}/v1/alerts`, 'GET', undefined, headers)).status, 401);

  assert.equal((await make({ name: 'short', role: 'intake' })).body.code, 'token_exists');
  assert.equal((await make({ name: 'falco', role: 'intake' })).body.code, 'token_exists');
  for (const wrong of [
    { name: 'a b', role: 'intake' },
    { name: 'a', role: 'root' },
    { name: 'a', role: 'intake', ttl: 'soon' },
    { name: 'a', role: 'intake', ttl: '0s' },
    { name: '__proto__', role: 'intake' },
    { name: 'a' },
  ])
    assert.equal((await make(wrong)).body.code, 'validation_failed', JSON.stringify(wrong));
  assert.equal((await plane.call('DELETE', '/v1/tokens/falco')).body.code, 'token_read_only');
  const { items } = (await plane.call('GET', '/v1/tokens')).body;
  const own = items.find(({ role }: { role: string }) => role === 'admin').name;
  const admin = await plane.call('DELETE', `/v1/tokens/${encodeURIComponent(own)}`);
  assert.equal(admin.body.code, 'token_read_only');
});
