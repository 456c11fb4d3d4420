import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { shownFingerprint } from '../../src/routing/fingerprint.ts';
import { debianAlertmanager } from '../support/amtool.ts';
import { request, startTestControlPlane, tempFolder } from '../support/control-plane.ts';

const run = promisify(execFile);
const SETTINGS = {
  receivers: [{ name: 'everyone' }, { name: 'db', log: {} }],
  route: {
    receiver: 'everyone',
    group_by: ['alertname'],
    routes: [{ matchers: ['team="db"'], receiver: 'db' }],
  },
  inhibit_rules: [
    { source_matchers: ['alertname=Down'], target_matchers: ['alertname=Slow'], equal: ['node'] },
  ],
};

test('fingerprints are shown as Alertmanager computes them', () => {
  assert.equal(shownFingerprint({}), 'cbf29ce484222325');
  assert.equal(shownFingerprint({ foo: 'bar' }), '3fff2c2d7595e046');
  assert.equal(shownFingerprint({ b: 'v2', a: 'v1' }), '897fd261146b218f');
});

test('what ended is counted where no route could say so', async (t) => {
  const plane = await startTestControlPlane(t);
  const ended = { labels: { alertname: 'Down' }, endsAt: '2026-01-01T00:00:00Z' };
  assert.equal((await plane.call('POST', '/api/v2/alerts', [ended])).status, 200);
  const metrics = await fetch(`${plane.url}/metrics`);
  assert.match(await metrics.text(), /^tocsin_intake_untold_total 1$/m);
});

test('alerts come in as Prometheus posts them: what is valid is kept, what is not is told', async (t) => {
  const plane = await startTestControlPlane(t, SETTINGS);
  const post = (body: unknown) => plane.call('POST', '/api/v2/alerts', body);
  const good = {
    labels: { alertname: 'Down', node: 'n1', empty: '' },
    annotations: { summary: 'It is down' },
  };
  assert.equal((await post([good])).status, 200);
  const mixed = await post([
    { labels: { alertname: 'Slow', node: 'n1' }, generatorURL: 'http://prometheus/x' },
    { labels: {} },
    {
      labels: { alertname: 'x' },
      startsAt: '2026-01-02T00:00:00Z',
      endsAt: '2026-01-01T00:00:00Z',
    },
    { labels: { alertname: 'x'.repeat(1 << 20) } },
    'nonsense',
  ]);
  assert.equal(mixed.status, 400);
  assert.match(
    mixed.body,
    /at least one label pair.*start time must be before.*longer than.*object/,
  );
  for (const body of [{}, 'x', null]) assert.equal((await post(body)).status, 400);

  const { body: alerts } = await plane.call('GET', '/api/v2/alerts');
  const byName = Object.fromEntries(
    alerts.map((one: { labels: { alertname: string } }) => [one.labels.alertname, one]),
  );
  assert.deepEqual(Object.keys(byName).sort(), ['Down', 'Slow']);
  assert.deepEqual(byName['Down'].labels, { alertname: 'Down', node: 'n1' });
  assert.deepEqual(byName['Down'].annotations, { summary: 'It is down' });
  assert.equal(byName['Down'].status.state, 'active');
  assert.deepEqual(byName['Slow'].status, {
    state: 'suppressed',
    silencedBy: [],
    inhibitedBy: [byName['Down'].fingerprint],
    mutedBy: [],
  });
  assert.equal(byName['Slow'].generatorURL, 'http://prometheus/x');

  const names = async (query: string) => {
    const { body, status } = await plane.call('GET', `/api/v2/alerts?${query}`);
    return status === 200
      ? body.map((one: { labels: { alertname: string } }) => one.labels.alertname)
      : status;
  };
  assert.deepEqual(await names('inhibited=false'), ['Down']);
  assert.deepEqual(await names('active=false'), ['Slow']);
  assert.deepEqual(await names('filter=alertname%3D~%22S.*%22&filter=node%3Dn1'), ['Slow']);
  assert.deepEqual(await names('receiver=d.*'), []);
  assert.equal(await names('filter=nonsense'), 400);
  assert.equal(await names('receiver=('), 400);
  const groups = (await plane.call('GET', '/api/v2/alerts/groups')).body;
  assert.deepEqual(
    groups.map((group: { labels: object; receiver: object }) => [group.labels, group.receiver]),
    [
      [{ alertname: 'Down' }, { name: 'everyone' }],
      [{ alertname: 'Slow' }, { name: 'everyone' }],
    ],
  );
});

test('what is shown is what the groups are made of, however much there is', async (t) => {
  const plane = await startTestControlPlane(t, {
    ...SETTINGS,
    route: {
      ...SETTINGS.route,
      routes: [
        { matchers: ['team="db"'], receiver: 'db', continue: true },
        { matchers: ['team="db"'], mute_time_intervals: ['always'] },
      ],
    },
    time_intervals: [{ name: 'always', time_intervals: [{}] }],
  });
  const post = async (alerts: object[]) =>
    assert.equal((await plane.call('POST', '/api/v2/alerts', alerts)).status, 200);
  const get = async (query: string) => (await plane.call('GET', `/api/v2/alerts${query}`)).body;
  const labels = { alertname: 'Down', node: 'n1', team: 'db' };
  const startsAt = new Date(Date.now() - 60_000).toISOString();
  await post([{ labels, startsAt, annotations: { summary: 'old' } }]);
  await post([{ labels, annotations: { summary: 'new' } }]);
  await post([{ labels, annotations: { summary: 'old' } }]);
  for (let from = 0; from < 6000; from += 1000)
    await post(
      Array.from({ length: 1000 }, (_, index) => ({
        labels: { alertname: 'Crowd', n: String(from + index) },
      })),
    );
  assert.equal((await get('')).length, 6001);
  const [down] = await get('?filter=alertname%3DDown');
  assert.deepEqual(
    [down.startsAt, down.annotations, down.receivers],
    [startsAt, { summary: 'old' }, [{ name: 'db' }, { name: 'everyone' }]],
  );
  const silence = await plane.call('POST', '/api/v2/silences', {
    matchers: [{ name: 'node', value: 'n1', isRegex: false }],
    ...{ startsAt: new Date().toISOString(), endsAt: new Date(Date.now() + 3_600_000) },
    ...{ createdBy: 'me', comment: 'x' },
  });
  const groups = await get('/groups?filter=team%3Ddb');
  const status = { state: 'suppressed', silencedBy: [silence.body.silenceID], inhibitedBy: [] };
  assert.deepEqual(
    groups.map((group: { receiver: object; alerts: { status: object }[] }) => [
      ...[group.receiver, group.alerts.map((alert) => alert.status)],
    ]),
    [
      [{ name: 'db' }, [{ ...status, mutedBy: [] }]],
      [{ name: 'everyone' }, [{ ...status, mutedBy: ['always'] }]],
    ],
  );
  assert.equal((await get('/groups?filter=team%3Ddb&muted=false')).length, 1);
  assert.deepEqual(await get('?filter=team%3Ddb&silenced=false'), []);
  // An end that is over resolves; the time of the server counts for one without any.
  await post([{ labels, startsAt, endsAt: new Date().toISOString() }]);
  assert.deepEqual(await get('?filter=team%3Ddb'), []);
  assert.deepEqual(await get('/groups?filter=team%3Ddb'), []);
});

test('silences have the shape that they have in Alertmanager', async (t) => {
  const plane = await startTestControlPlane(t, SETTINGS);
  const post = (more: object) =>
    plane.call('POST', '/api/v2/silences', {
      matchers: [{ name: 'alertname', value: 'a|b', isRegex: true }],
      startsAt: new Date().toISOString(),
      endsAt: new Date(Date.now() + 3_600_000).toISOString(),
      createdBy: 'me',
      comment: '',
      ...more,
    });
  const { body } = await post({});
  const id = body.silenceID;
  const shown = (await plane.call('GET', `/api/v2/silence/${id}`)).body;
  assert.deepEqual(shown.matchers, [
    { name: 'alertname', value: 'a|b', isRegex: true, isEqual: true },
  ]);
  assert.deepEqual(shown.status, { state: 'active' });
  assert.equal((await post({ id, comment: 'more' })).body.silenceID, id);
  assert.equal((await post({ id: 'nobody' })).status, 404);
  for (const more of [
    { matchers: [] },
    { matchers: [{ name: 'a', value: '', isRegex: false }] },
    { matchers: [{ name: 'a', value: '(', isRegex: true }] },
    { matchers: [{ value: 'x' }] },
    { endsAt: '2020-01-01T00:00:00Z' },
    { endsAt: 'never' },
  ]) {
    const answer = await post(more);
    assert.equal(answer.status, 400, JSON.stringify(more));
    assert.equal(typeof answer.body, 'string');
  }
  const filtered = async (filter: string) =>
    (await plane.call('GET', `/api/v2/silences?filter=${encodeURIComponent(filter)}`)).body.length;
  assert.equal(await filtered('alertname=~"a|b"'), 1);
  assert.equal(await filtered('alertname=a|b'), 0);
  assert.equal(await filtered('alertname=~a'), 0);
  assert.equal((await plane.call('DELETE', `/api/v2/silence/${id}`)).status, 200);
  assert.equal((await plane.call('GET', `/api/v2/silence/${id}`)).body.status.state, 'expired');
});

test("Debian's amtool works against it", async (t) => {
  const programs = await debianAlertmanager(t);
  if (!programs) return t.skip('the package prometheus-alertmanager cannot be downloaded here');
  const plane = await startTestControlPlane(t, {
    ...SETTINGS,
    route: {
      ...SETTINGS.route,
      routes: [
        ...SETTINGS.route.routes,
        { matchers: ['priority >= critical'], flush_immediately: 'priority >= emergency' },
        {
          ...{ matchers: ['proc.name="sh"', 'src not in 10.0.0.0/8'], receiver: 'db' },
          ...{ throttle: { per_minute: 1, burst: 1 }, mute_time_intervals: ['night'] },
        },
        { match_re: { tags: 'x|y' }, group_by: ['k8s.ns.name'], routes: [{ receiver: 'db' }] },
      ],
    },
    time_intervals: [
      {
        name: 'night',
        time_intervals: [
          {
            ...{ times: [{ start_time: '22:00', end_time: '24:00' }], location: 'Europe/Berlin' },
            ...{ weekdays: ['monday:friday'], days_of_month: ['-3:-1'], years: [2026] },
          },
        ],
      },
    ],
  });
  const address = plane.url.replace('://', `://amtool:${plane.adminToken}@`);
  const amtool = async (...args: string[]) => {
    const { stdout } = await run(programs.amtool, [`--alertmanager.url=${address}`, ...args]);
    return stdout;
  };
  await amtool('alert', 'add', 'alertname=Down', 'node=n1', 'team=db', '--annotation=summary=dead');
  await amtool('alert', 'add', 'Other', 'node=n2');
  const listed = JSON.parse(await amtool('alert', 'query', '-o', 'json', 'node=n1'));
  assert.equal(listed.length, 1);
  assert.equal(listed[0].labels.alertname, 'Down');
  assert.deepEqual(listed[0].receivers, [{ name: 'db' }]);
  assert.match(await amtool('alert'), /Other/);

  const id = (
    await amtool('silence', 'add', '--comment=test', '--duration=1h', 'alertname=~Do.*')
  ).trim();
  assert.match(id, /^[0-9a-f-]{36}$/);
  assert.match(await amtool('silence', 'query', 'alertname=~Do.*'), new RegExp(id));
  assert.equal(JSON.parse(await amtool('alert', 'query', '-o', 'json')).length, 1);
  const silenced = JSON.parse(await amtool('alert', 'query', '-o', 'json', '--silenced'));
  assert.deepEqual(silenced[0].status.silencedBy, [id]);
  await amtool('silence', 'update', '--duration=2h', '--comment=longer', '-q', id);
  const [updated] = JSON.parse(await amtool('silence', 'query', '-o', 'json'));
  assert.deepEqual([updated.id, updated.comment], [id, 'longer']);
  await amtool('silence', 'expire', id);
  assert.doesNotMatch(await amtool('silence', 'query'), new RegExp(id));
  assert.match(await amtool('silence', 'query', '--expired'), new RegExp(id));
  assert.match(await amtool('config', 'routes', 'test', 'team=db'), /^db/);
  assert.match(await amtool('config', 'routes'), /team="db"/);
  assert.match(await amtool('config', 'routes', 'test', 'priority=Alert'), /^everyone/);
  assert.match(await amtool('config', 'routes', 'test', 'tags=y'), /^db/);
  assert.match(await amtool('config', 'routes', 'show'), /tocsin="src not in/);
  const shownFile = join(tempFolder(t), 'shown.yml');
  writeFileSync(shownFile, await amtool('config', 'show'));
  const { stdout: checked } = await run(programs.amtool, ['check-config', shownFile]);
  assert.match(checked, /SUCCESS/);
  assert.match(checked, /1 inhibit rules\n - 2 receivers/);
  await amtool('silence', 'add', '-c', 'one', 'a=b', 'c!~"d|e"');
  const silencesFile = join(tempFolder(t), 'silences.json');
  writeFileSync(silencesFile, await amtool('silence', 'query', '-o', 'json'));
  await amtool('silence', 'expire', ...(await amtool('silence', 'query', '-q')).trim().split('\n'));
  assert.equal((await amtool('silence', 'query', '-q')).trim(), '');
  await amtool('silence', 'import', '--force', silencesFile);
  const [imported] = JSON.parse(await amtool('silence', 'query', '-o', 'json'));
  assert.deepEqual(
    [imported.comment, imported.matchers.map(({ name }: { name: string }) => name)],
    ['one', ['a', 'c']],
  );
  assert.match(await amtool('cluster', 'show'), /disabled/);
  const wrong = plane.url.replace('://', '://amtool:wrong@');
  await assert.rejects(run(programs.amtool, [`--alertmanager.url=${wrong}`, 'alert']));
});

test('what is not authorized is told in plain words', async (t) => {
  const plane = await startTestControlPlane(t, SETTINGS);
  const answer = await request(`${plane.url}/api/v2/silences`, 'GET');
  assert.equal(answer.status, 401);
});
