import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { anAlert, enroll } from '../support/agent.ts';
import { startTestControlPlane, type TestControlPlane } from '../support/control-plane.ts';

describe('GET /v1/alerts', () => {
  const cleanups: (() => unknown)[] = [];
  let plane: TestControlPlane;

  before(async () => {
    plane = await startTestControlPlane({ after: (fn) => cleanups.push(fn) });
    const agent = await enroll(plane);
    const alerts = Array.from({ length: 30 }, (_none, index) =>
      anAlert({
        rule: `rule ${index}`,
        priority: index % 3 === 0 ? 'Critical' : index % 3 === 1 ? 'Warning' : 'Debug',
        hostname: index % 2 === 0 ? 'web' : 'db',
        time: new Date(Date.UTC(2026, 10, 23, 10, index)).toISOString(),
      }),
    );
    assert.equal((await agent.send(alerts)).status, 202);
  });
  after(async () => {
    for (const cleanup of cleanups) await cleanup();
  });

  const rules = async (query: string) => {
    const { status, body } = await plane.call('GET', `/v1/alerts?${query}`);
    assert.equal(status, 200, JSON.stringify(body));
    return body.items.map(({ rule }: { rule: string }) => Number(rule.slice(5)));
  };
  const down = (keep: (index: number) => boolean) =>
    Array.from({ length: 30 }, (_none, index) => 29 - index).filter(keep);

  test('lists newest first', async () => {
    assert.deepEqual(
      await rules(''),
      down(() => true),
    );
  });

  test('narrows by rule, priority, host and time, alone and together', async () => {
    assert.deepEqual(await rules('rule=rule%2017'), [17]);
    assert.deepEqual(await rules('rule=rule'), []);
    assert.deepEqual(
      await rules('priority=CRITICAL'),
      down((i) => i % 3 === 0),
    );
    assert.deepEqual(
      await rules('minimum_priority=warning'),
      down((i) => i % 3 !== 2),
    );
    assert.deepEqual(
      await rules('hostname=db'),
      down((i) => i % 2 === 1),
    );
    assert.deepEqual(
      await rules('since=2026-11-23T10:20:00Z'),
      down((i) => i >= 20),
    );
    assert.deepEqual(
      await rules('since=2026-11-23T11:20:00%2B01:00'),
      down((i) => i >= 20),
    );
    const all = 'priority=critical&hostname=web&since=2026-11-23T10:10:00Z';
    assert.deepEqual(await rules(all), [24, 18, 12]);
  });

  test('finds names that JSON writes in more than one way', async () => {
    const agent = await enroll(plane);
    for (const rule of ['"q" \\ \n', 'ü \u2028', 'a/b'])
      assert.equal(
        (await agent.send([anAlert({ rule, hostname: 'odd', priority: 'Debug' })])).status,
        202,
      );
    for (const rule of ['"q" \\ \n', 'ü \u2028', 'a/b']) {
      const query = new URLSearchParams({ rule, hostname: 'odd' });
      const { body } = await plane.call('GET', `/v1/alerts?${query}`);
      assert.deepEqual(
        body.items.map((one: { rule: string }) => one.rule),
        [rule],
      );
    }
  });

  test('pages of any size together are the whole list, also when it grows meanwhile', async () => {
    for (const limit of [1, 7, 15, 29, 30]) {
      const seen: number[] = [];
      let cursor: string | null = null;
      do {
        const query = new URLSearchParams({ limit: String(limit), minimum_priority: 'warning' });
        if (cursor) query.set('cursor', cursor);
        const { body } = await plane.call('GET', `/v1/alerts?${query}`);
        assert.ok(body.items.length <= limit);
        for (const { rule } of body.items) seen.push(Number(rule.slice(5)));
        cursor = body.next;
      } while (cursor);
      assert.deepEqual(
        seen,
        down((i) => i % 3 !== 2),
        `limit ${limit}`,
      );
    }
  });

  test('refuses parameters that make no sense, and names them', async () => {
    const wrong: [string, string][] = [
      ['priority=bad', 'priority'],
      ['minimum_priority=', 'minimum_priority'],
      ['since=yesterday', 'since'],
      ['since=2026-99-99T00:00:00Z', 'since'],
      ['limit=0', 'limit'],
      ['limit=1001', 'limit'],
      ['limit=many', 'limit'],
      ['cursor=-1', 'cursor'],
      ['rule=', 'rule'],
      ['color=red', 'color'],
      ['rule=a&rule=b', 'rule'],
    ];
    for (const [query, pointer] of wrong) {
      const { status, body } = await plane.call('GET', `/v1/alerts?${query}`);
      assert.deepEqual(
        [status, body.code, body.errors[0].pointer],
        [400, 'validation_failed', pointer],
      );
    }
    const unknown = await plane.call('GET', '/v1/alerts/00000000-0000-0000-0000-000000000000');
    assert.deepEqual([unknown.status, unknown.body.code], [404, 'not_found']);
  });
});
