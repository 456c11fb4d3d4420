import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestControlPlane } from '../support/control-plane.ts';

const nested = (depth: number): object => {
  let route: object = {};
  for (let level = 0; level < depth; level++) route = { routes: [route] };
  return { receiver: 'everyone', ...route };
};
const HUGE = 'x'.repeat(1 << 20);
const BOMBS = [
  '((a{0,100}){0,100}){0,100}',
  '(a|b|c){1000}{1000}',
  '(?=x)',
  `(${'a|'.repeat(5000)}b)*`,
  'a'.repeat(20_000),
];

test('what is made to harm over the API is refused with a clear error, and nothing of it is kept', async (t) => {
  const plane = await startTestControlPlane(t, {
    receivers: [{ name: 'everyone' }],
    route: { receiver: 'everyone' },
  });
  const refused = async (method: string, path: string, body: unknown, why: RegExp) => {
    const answer = await plane.call(method, path, body, {
      'content-type': 'application/json',
      'if-match': '"1"',
    });
    const text = JSON.stringify(answer.body);
    assert.match(String(answer.status), /^4\d\d$/, `${path} ${text}`);
    assert.match(text, why, path);
    assert.ok(text.length < 20_000, `the answer of ${path} is ${text.length} long`);
  };

  const labels: [string, RegExp][] = [
    ['{"__proto__":"x"}', /has a key __proto__/],
    [JSON.stringify({ a: HUGE }), /longer than 8192/],
    [JSON.stringify({ [HUGE]: 'a' }), /longer than 256/],
    [JSON.stringify({ a: '\u0000' }), /control characters/],
    [JSON.stringify({ 'a\u001b': 'b' }), /control characters/],
    [JSON.stringify({ a: ['b'] }), /not a text/],
    [
      JSON.stringify(Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`l${n}`, 'x']))),
      /10000 labels, more than the 128/,
    ],
  ];
  for (const [given, why] of labels)
    await refused('POST', '/api/v2/alerts', `[{"labels":${given}}]`, why);
  await refused('POST', '/api/v2/alerts', `${'['.repeat(100_000)}`, /JSON|valid/);

  const until = new Date(Date.now() + 60_000).toISOString();
  const times = { starts_at: new Date().toISOString(), ends_at: until };
  for (const bomb of BOMBS) {
    const why = /regular expression|longer than|more than 16384/;
    const matchers = [`a=~"${bomb}"`];
    const routes = { receiver: 'everyone', routes: [{ matchers }] };
    await refused('PUT', '/v1/routes', { route: routes }, why);
    const rule = { source_matchers: matchers, target_matchers: ['a=b'] };
    await refused('PUT', '/v1/inhibitions', { inhibit_rules: [rule] }, why);
    const own = { matchers: [matchers], comment: 'x', ...times };
    await refused('POST', '/v1/silences', own, why);
    await refused('POST', '/v1/silences/preview', { matchers: own.matchers }, why);
    await refused(
      'POST',
      '/api/v2/silences',
      {
        matchers: [{ name: 'a', value: bomb, isRegex: true }],
        ...{ startsAt: times.starts_at, endsAt: until, createdBy: 'x', comment: 'x' },
      },
      why,
    );
    if (bomb.length > 10_000) continue;
    const filter = encodeURIComponent(`a=~"${bomb}"`);
    await refused('GET', `/api/v2/alerts?filter=${filter}`, undefined, why);
  }
  await refused('PUT', '/v1/routes', { route: nested(65) }, /nested deeper than 64/);
  const deep = `{"route":${'{"receiver":"everyone","routes":['.repeat(5000)}${']}'.repeat(5000)}}`;
  await refused('PUT', '/v1/routes', deep, /nested deeper than 64/);
  const proto = '{"route":{"receiver":"everyone","__proto__":{"routes":[]}}}';
  await refused('PUT', '/v1/routes', proto, /__proto__/);

  assert.deepEqual((await plane.call('GET', '/v1/routes')).body.version, 1);
  assert.deepEqual((await plane.call('GET', '/v1/silences')).body.items, []);
  assert.deepEqual((await plane.call('GET', '/api/v2/alerts')).body, []);
});
