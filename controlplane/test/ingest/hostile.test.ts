import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anAlert, enroll } from '../support/agent.ts';
import { startTestControlPlane } from '../support/control-plane.ts';

test('keeps hostile text as it came, and refuses what could do harm', async (t) => {
  const plane = await startTestControlPlane(t, {
    channels: [{ name: 'log', kind: 'log', minimum_priority: 'debug', settings: {} }],
  });
  const agent = await enroll(plane);
  const hostile = [
    '\u001b[2J\u0007 \u0000 \r\n\t',
    '"}\n{"rule":"forged"}',
    '\u202egnp.exe \u2028 \ufeff',
    '<script>alert(1)</script> %s #{x} {{y}} $(z)',
    '👾'.repeat(500),
    'half a pair \ud83d',
    'x'.repeat(60_000),
    '1 2 3 4 5 ["',
  ];
  const alerts = hostile.map((text) =>
    anAlert({
      rule: `rule ${text}`.slice(0, 512),
      hostname: text.slice(0, 255),
      output: text,
      output_fields: { 'proc.name': text, constructor: text, toString: 1, '': 2, 'a b/~c': [text] },
    }),
  );
  const answer = await agent.send(alerts);
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  const { items } = (await plane.call('GET', '/v1/alerts')).body;
  const got = items
    .reverse()
    .map(({ output, rule, hostname, output_fields }: Record<string, unknown>) => ({
      output,
      rule,
      hostname,
      output_fields,
    }));
  assert.deepEqual(
    got,
    alerts.map(({ output, rule, hostname, output_fields }) => ({
      output,
      rule,
      hostname,
      output_fields,
    })),
  );
  // Half a surrogate pair cannot be written in a query.
  for (const { rule } of alerts.filter((alert) => !/\p{Surrogate}/u.test(alert.rule))) {
    const found = await plane.call('GET', `/v1/alerts?${new URLSearchParams({ rule })}`);
    assert.equal(found.body.items.length, 1);
  }

  const line = JSON.stringify(anAlert());
  const proto = line.replace('"fd.name"', '"__proto__":{"x":1},"fd.name"');
  const top = line.replace('"rule"', '"__proto__":{"x":1},"rule"');
  const deep = line.replace('"fd.name":', `"deep/~":${'['.repeat(9)}1${']'.repeat(9)},"fd.name":`);
  const deeper = line.replace(
    '"fd.name":',
    `"deep":${'['.repeat(60_000)}1${']'.repeat(60_000)},"fd.name":`,
  );
  const fields = JSON.stringify(
    Object.fromEntries(Array.from({ length: 257 }, (_n, i) => [`f${i}`, i])),
  );
  const many = line.replace(/"output_fields":\{[^}]*\}/, `"output_fields":${fields}`);
  const refusals: [string, string][] = [
    [proto, '/0/output_fields/__proto__'],
    [top, '/0/__proto__'],
    [deep, '/0/output_fields/deep~1~0'],
    [deeper, '/0/output_fields/deep'],
    [many, '/0/output_fields'],
    [JSON.stringify(anAlert({ output: 'x'.repeat(65_537) })), '/0/output'],
    [JSON.stringify(anAlert({ rule: 'x'.repeat(513) })), '/0/rule'],
    [JSON.stringify(anAlert({ tags: ['x'.repeat(257)] })), '/0/tags/0'],
    [JSON.stringify(anAlert({ output_fields: { x: 'x'.repeat(300_000) } })), '/0'],
  ];
  for (const [text, pointer] of refusals) {
    const { status, body } = await agent.sendBody(Buffer.from(text));
    assert.deepEqual(
      [status, body.code, body.errors?.[0]?.pointer],
      [400, 'alert_invalid', pointer],
    );
    assert.ok(JSON.stringify(body).length < 10_000, 'answers stay small');
  }
  assert.equal(({} as { x?: number }).x, undefined);
});
