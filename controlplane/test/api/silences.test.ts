import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { requestClient } from '../../src/store/redis.ts';
import { SilenceStore } from '../../src/store/silences.ts';
import { startTestControlPlane, type TestControlPlane } from '../support/control-plane.ts';

const create = (plane: TestControlPlane, more: object = {}) =>
  plane.call('POST', '/v1/silences', {
    matchers: ['rule="Shell"'],
    duration: '1h',
    comment: 'maintenance',
    ...more,
  });

test('a silence is made, seen, changed and ended', async (t) => {
  const plane = await startTestControlPlane(t);
  const made = await create(plane, { matchers: ['rule=Shell', 'priority >= warning'] });
  assert.equal(made.status, 201);
  const { id } = made.body;
  assert.equal(made.body.state, 'active');
  assert.deepEqual(made.body.matchers, [['rule="Shell"', 'priority >= "warning"']]);
  assert.match(made.body.created_by, /^admin/);
  const path = `/v1/silences/${id}`;

  const longer = { ...made.body, duration: '3h', comment: 'longer' };
  for (const key of ['id', 'state', 'starts_at', 'ends_at', 'updated_at']) delete longer[key];
  const changed = await plane.call('PUT', path, longer);
  assert.equal(changed.body.id, id);
  assert.equal(changed.body.starts_at, made.body.starts_at);
  assert.equal(changed.body.comment, 'longer');

  const other = await plane.call('PUT', path, { ...longer, matchers: ['rule=Other'] });
  assert.notEqual(other.body.id, id);
  assert.equal((await plane.call('GET', path)).body.state, 'expired');

  const listed = (await plane.call('GET', '/v1/silences?state=active')).body.items;
  assert.deepEqual(
    listed.map((one: { id: string }) => one.id),
    [other.body.id],
  );
  assert.equal((await plane.call('DELETE', `/v1/silences/${other.body.id}`)).status, 204);
  assert.equal((await plane.call('DELETE', `/v1/silences/${other.body.id}`)).status, 204);
  assert.equal((await plane.call('GET', '/v1/silences')).body.items.length, 2);
  for (const method of ['GET', 'DELETE'])
    assert.equal((await plane.call(method, '/v1/silences/nobody')).status, 404);
});

test('a silence that waits for its start can be changed in place and ended', async (t) => {
  const plane = await startTestControlPlane(t);
  const starts_at = new Date(Date.now() + 3_600_000).toISOString();
  const { body } = await create(plane, { starts_at });
  assert.equal(body.state, 'pending');
  assert.equal(Date.parse(body.ends_at) - Date.parse(body.starts_at), 3_600_000);
  const sooner = new Date(Date.now() + 1_800_000).toISOString();
  const again = { matchers: body.matchers, starts_at: sooner, duration: '1h', comment: 'x' };
  const changed = await plane.call('PUT', `/v1/silences/${body.id}`, again);
  assert.equal(changed.body.id, body.id);
  assert.equal(changed.body.starts_at, sooner);
  await plane.call('DELETE', `/v1/silences/${body.id}`);
  assert.equal((await plane.call('GET', `/v1/silences/${body.id}`)).body.state, 'expired');
});

test('what makes another silence is what makes one in Alertmanager', async (t) => {
  const plane = await startTestControlPlane(t);
  const now = Date.now();
  const hours = (count: number) => new Date(now + count * 3_600_000).toISOString();
  const matcher = { name: 'rule', value: 'Shell', isRegex: false, isEqual: true };
  const silence = (startsAt: string, more: object = {}) => ({
    ...{ matchers: [matcher], startsAt, endsAt: hours(4), createdBy: 'me', comment: 'x' },
    ...more,
  });
  const set = async (body: object) => {
    const answer = await plane.call('POST', '/api/v2/silences', body);
    return answer.status === 200 ? (answer.body.silenceID as string) : answer.status;
  };
  const shown = async (id: string | number) =>
    (await plane.call('GET', `/api/v2/silence/${id}`)).body;
  // What the second one of a pair is, by the start of the first: the same, another, or refused.
  const rows: [start: string, next: object, same: boolean | number][] = [
    ['active', {}, true],
    ['active', { comment: 'other' }, true],
    ['active', { endsAt: hours(9) }, true],
    ['active', { startsAt: hours(-1) }, false],
    ['active', { matchers: [{ ...matcher, value: 'Other' }] }, false],
    ['active', { endsAt: hours(-1) }, 400],
    ['pending', {}, true],
    ['pending', { startsAt: hours(2) }, true],
    ['pending', { startsAt: hours(-1) }, false],
    ['pending', { matchers: [] }, 400],
    ['expired', {}, false],
  ];
  for (const [state, next, same] of rows) {
    const row = `${state} ${JSON.stringify(next)}`;
    const id = await set(silence(hours(state === 'pending' ? 1 : 0)));
    if (state === 'expired') await plane.call('DELETE', `/api/v2/silence/${id}`);
    const before = await shown(id);
    assert.equal(before.status.state, state, row);
    const again = await set({ ...silence(before.startsAt), ...next, id });
    if (typeof same === 'number') assert.equal(again, same, row);
    else assert.equal(again === id, same, row);
    const old = (await shown(id)).status.state;
    assert.equal(old, same === false ? 'expired' : state, row);
    if (same === false) {
      const { startsAt, status } = await shown(again);
      assert.equal(status.state, 'active', row);
      assert.ok(Date.parse(startsAt) >= now, row);
    }
  }
});

test('a silence that cannot be is refused, and one that exists is left alone', async (t) => {
  const silences = { max_duration: '1d', max_count: 2 };
  const plane = await startTestControlPlane(t, { silences });
  const { body: kept } = await create(plane);
  const wrong: [object, RegExp][] = [
    [{ matchers: [] }, /matchers/],
    [{ matchers: [[]] }, /empty/],
    [{ matchers: ['a=""'] }, /must not match a missing label/],
    [{ matchers: ['a=~"x|"', 'b=~".*"'] }, /must not match a missing label/],
    [{ matchers: [['a=b'], ['c=""']] }, /must not match a missing label/],
    [{ matchers: ['a=~"("'] }, /RE2/],
    [{ matchers: ['a='.repeat(1), 'b'] }, /operator/],
    [{ matchers: Array.from({ length: 65 }, (_, i) => `l${i}=x`) }, /more than 64/],
    [{ comment: '' }, /comment/],
    [{ duration: undefined }, /ends_at or duration/],
    [{ ends_at: '2026-01-01T00:00:00Z' }, /either/],
    [{ duration: undefined, ends_at: '2026-01-01T00:00:00Z' }, /in the past/],
    [{ duration: '25h' }, /longer than the 1d allowed/],
    [{ duration: '0s' }, /past|before/],
    [{ starts_at: 'soon' }, /time/],
    [{ extra: 1 }, /extra/],
  ];
  for (const [more, message] of wrong) {
    for (const path of ['/v1/silences', `/v1/silences/${kept.id}`]) {
      const body = { matchers: ['rule="Shell"'], duration: '1h', comment: 'x', ...more };
      const method = path.endsWith('silences') ? 'POST' : 'PUT';
      const answer = await plane.call(method, path, body);
      assert.equal(answer.status, 400, JSON.stringify(body));
      assert.match(JSON.stringify(answer.body), message);
    }
  }
  assert.equal((await plane.call('GET', `/v1/silences/${kept.id}`)).body.state, 'active');
  assert.equal((await create(plane)).status, 201);
  assert.match((await create(plane)).body.detail, /2 silences/);
});

test('no silence keeps groups from speaking: neither one with odd names, nor one that cannot be read', async (t) => {
  const plane = await startTestControlPlane(t, {
    receivers: [{ name: 'd', none: {} }],
    route: { receiver: 'd', group_by: ['alertname'], group_wait: '0s' },
  });
  const odd = { matchers: ['"a>b"="x"', '"c <"!~"y"'], duration: '1h', comment: 'x' };
  const made = await plane.call('POST', '/v1/silences', odd);
  assert.equal(made.status, 201);
  const shown = await plane.call('GET', '/api/v2/silences');
  assert.deepEqual(
    shown.body[0].matchers.map(({ name, value }: Record<string, string>) => [name, value]),
    [
      ['a>b', 'x'],
      ['c <', 'y'],
    ],
  );
  const broken = { ...made.body, id: 'broken', matchers: [['a > b'], ['alertname="no"']] };
  const times = { starts_at: Date.now() - 1000, ends_at: Date.now() + 60_000, updated_at: 0 };
  const redis = requestClient({ socket: join(plane.dataDir, 'redis', 'redis.sock') });
  t.after(() => redis.disconnect());
  await redis.connect();
  await new SilenceStore(redis).put([{ ...broken, ...times }]);
  const labels = [{ alertname: 'yes' }, { alertname: 'no' }, { alertname: 'z', 'a>b': 'x' }];
  const posted = await plane.call(
    'POST',
    '/api/v2/alerts',
    labels.map((one) => ({ labels: one })),
  );
  assert.equal(posted.status, 200);
  const states = async () => {
    const { status, body } = await plane.call('GET', '/v1/groups');
    assert.equal(status, 200);
    return body.items.map((one: Record<string, unknown>) => [one['key'], one['notifications']]);
  };
  const said = [1, 0, 0].map((count, at) => [`{}:{alertname="${labels[at]?.alertname}"}`, count]);
  while (!isDeepStrictEqual((await states()).sort(), [...said].sort())) await sleep(20);
  assert.equal((await plane.call('GET', '/v1/silences')).body.items.length, 2);
  assert.equal((await plane.call('GET', '/api/v2/silences')).status, 200);
});

test('a preview shows what would be hidden, and breadth can be limited', async (t) => {
  const plane = await startTestControlPlane(t, { silences: { max_hidden_percent: 50 } });
  const post = (alertname: string) =>
    plane.call('POST', '/api/v2/alerts', [{ labels: { alertname, team: 'a' } }]);
  for (const name of ['one', 'two', 'three']) assert.equal((await post(name)).status, 200);
  const preview = async (...matchers: string[]) =>
    (await plane.call('POST', '/v1/silences/preview', { matchers })).body;
  const one = await preview('alertname=one');
  assert.deepEqual([one.looked, one.hidden], [3, 1]);
  assert.equal(one.sample[0].rule, 'one');
  assert.equal((await preview('team=a')).hidden, 3);
  const whole = { matchers: ['team=a'], duration: '1h', comment: 'as it would be made' };
  assert.equal((await plane.call('POST', '/v1/silences/preview', whole)).body.hidden, 3);
  const typo = await plane.call('POST', '/v1/silences/preview', { ...whole, coment: 'x' });
  assert.equal(typo.status, 400);
  assert.equal((await create(plane, { matchers: ['alertname=one'] })).status, 201);
  const broad = await create(plane, { matchers: ['team=a'] });
  assert.match(broad.body.detail, /100 % of the recent alerts, more than the 50 % allowed/);
});
