import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startDelivery } from '../../src/delivery/delivery.ts';
import { DeadLetters } from '../../src/store/dead-letters.ts';
import { Receiver, TEST_TIMES, upTo } from '../delivery/lane-fixture.ts';
import { waitFor } from '../delivery/sample.ts';
import { anAlert, enroll } from '../support/agent.ts';
import { startTestControlPlane } from '../support/control-plane.ts';

/** A control plane with one webhook, and the receiver behind it. */
async function start(t: TestContext, settings: object = {}) {
  const receiver = new Receiver();
  const url = await receiver.open();
  t.after(() => receiver.close());
  const hook = {
    name: 'hook',
    kind: 'webhook',
    settings: { url, secret: { value: 'secret' }, allow_private_addresses: true },
  };
  const plane = await startTestControlPlane(t, { channels: [hook], ...settings }, (options) =>
    startDelivery({ ...options, times: TEST_TIMES }),
  );
  const agent = await enroll(plane);
  const send = async (rule: string, ...numbers: number[]) => {
    const alerts = numbers.map((number) =>
      anAlert({ rule, output: `number ${number}`, output_fields: { 'proc.name': `p${number}` } }),
    );
    assert.equal((await agent.send(alerts)).status, 202);
  };
  const call = async (method: string, path: string, body?: unknown) =>
    (await plane.call(method, `/v1/channels/hook/${path}`, body)).body;
  const status = () => call('GET', 'status');
  const outcomes = async () => (await plane.call('GET', '/v1/ledger')).body.outcomes;
  return { plane, receiver, send, call, status, outcomes };
}

test('a channel that is paused tells nothing until it is resumed', async (t) => {
  const { receiver, send, call, status } = await start(t);
  assert.equal((await status()).state, 'working');
  const paused = await call('POST', 'pause');
  assert.deepEqual([paused.state, paused.paused_until], ['paused', null]);
  await send('Rule', 1, 2);
  await waitFor(async () => (await status()).waiting.notifications === 2);
  assert.equal((await status()).waiting.groups, 1);
  const until = new Date(Date.now() + 3_600_000).toISOString();
  assert.equal((await call('POST', 'pause', { until })).paused_until, until);
  assert.equal(receiver.told.length, 0);
  assert.equal((await call('POST', 'resume')).state, 'working');
  await waitFor(() => receiver.numbers.length === 2);
  await waitFor(async () => (await status()).ledger.notified === 2);
  const soon = new Date(Date.now() + 300).toISOString();
  await call('POST', 'pause', { until: soon });
  await send('Rule', 3);
  await waitFor(() => receiver.numbers.length === 3);
});

test('every attempt is in the log with what was answered, and in the sums', async (t) => {
  const { plane, receiver, send, call, status } = await start(t);
  receiver.answer = (response, _told, nth) =>
    nth === 1 ? response.writeHead(503).end('not now') : response.end('thanks');
  await send('Rule', 1);
  await waitFor(async () => (await status()).ledger.notified === 1);
  const { items } = await call('GET', 'deliveries');
  assert.deepEqual(
    items.map((one: Record<string, unknown>) => [
      one['result'],
      one['reason'],
      one['next'],
      one['detail'],
    ]),
    [
      ['ok', null, 'done', 'HTTP 200: thanks'],
      ['retry', 'server_error', 'again', 'HTTP 503: not now'],
    ],
  );
  assert.equal((await call('GET', 'deliveries?limit=1')).items.length, 1);
  const { attempts, last_delivered, last_failure } = await status();
  assert.deepEqual(
    new Set(
      attempts.map(
        (one: Record<string, unknown>) => `${one['result']} ${one['reason']} ${one['count']}`,
      ),
    ),
    new Set(['ok null 1', 'retry server_error 1']),
  );
  assert.ok(last_delivered >= last_failure);
  const unknown = await plane.call('GET', '/v1/channels/nobody/status');
  assert.deepEqual([unknown.status, unknown.body.code], [404, 'not_found']);
});

test('dead letters are listed, shown, sent again by filter, thrown away and expire', async (t) => {
  const { plane, receiver, send, call, status, outcomes } = await start(t);
  receiver.answer = (response) => response.writeHead(404).end('gone');
  for (const number of upTo(3)) {
    await send(number === 2 ? 'Other' : 'Rule', number);
    await waitFor(async () => (await status()).dead_letters === number);
  }
  assert.equal((await outcomes()).dead_lettered, 3);
  const { items, total } = await call('GET', 'dead-letters');
  assert.equal(total, 3);
  assert.deepEqual(
    items.map(({ rules }: { rules: string[] }) => rules[0]),
    ['Rule', 'Other', 'Rule'],
  );
  const [{ id, reason, detail, alert, repeated }] = items;
  assert.deepEqual([reason, detail, repeated], ['client_error', 'HTTP 404: gone', false]);
  const whole = await call('GET', `dead-letters/${id}`);
  assert.deepEqual([whole.entry.alert, whole.entry.id], [alert, id]);
  const timeline = (await plane.call('GET', `/v1/alerts/${alert}/timeline`)).body;
  const end = timeline.past.at(-1);
  assert.deepEqual(
    [timeline.outcome, end.what, end.detail],
    ['dead_lettered', 'dead_lettered', 'client_error: HTTP 404: gone'],
  );
  assert.equal((await call('GET', 'dead-letters?rule=Other')).items.length, 1);
  assert.equal((await call('GET', 'dead-letters?reason=timeout')).items.length, 0);
  assert.equal((await call('GET', 'dead-letters?limit=1&offset=2')).items[0].id, items[2].id);
  const later = new Date(Date.now() + 60_000).toISOString();
  assert.equal((await call('POST', 'dead-letters/redrive', { since: later })).count, 0);
  assert.equal(
    (await call('POST', 'dead-letters/redrive', { reason: 'nothing' })).code,
    'validation_failed',
  );
  assert.equal((await call('GET', 'dead-letters/none')).code, 'not_found');

  receiver.answer = (response) => response.end();
  receiver.told.length = 0;
  assert.equal((await call('POST', 'dead-letters/redrive', { rule: 'Rule' })).count, 2);
  await waitFor(async () => (await status()).ledger.pending === 0);
  assert.deepEqual(receiver.numbers, [1, 3]);
  const { notified, dead_lettered, pending } = await outcomes();
  assert.deepEqual([notified, dead_lettered, pending], [2, 1, 0]);
  assert.equal((await status()).dead_letters, 1);

  const letters = new DeadLetters(plane.redis);
  assert.equal(await letters.expire('hook', Date.now() - 60_000), 0);
  assert.equal((await call('POST', 'dead-letters/discard', { ids: [items[1].id] })).count, 1);
  const { dead_letters, ledger } = await status();
  assert.deepEqual([dead_letters, ledger.dead_letters_discarded, ledger.dead_lettered], [0, 1, 1]);
  assert.equal((await outcomes()).dead_lettered, 1);
});

test('what a group says comes back from the dead letters as it was', async (t) => {
  const route = { receiver: 'hook', group_by: ['rule'], group_wait: '10ms', group_interval: '1s' };
  const { plane, receiver, send, call, status, outcomes } = await start(t, {
    route,
    retention: { dead_letters: '1h' },
  });
  receiver.answer = (response) => response.writeHead(400).end();
  await send('Rule', 1);
  await waitFor(async () => (await status()).dead_letters === 1);
  const [letter] = (await call('GET', 'dead-letters')).items;
  assert.match(letter.group, /rule="Rule"/);
  const { entry } = await call('GET', `dead-letters/${letter.id}`);
  assert.deepEqual(entry.group.resolved, []);
  assert.equal((await outcomes()).dead_lettered, 1);
  receiver.answer = (response) => response.end();
  assert.equal((await call('POST', 'dead-letters/redrive', {})).count, 1);
  await waitFor(async () => (await outcomes()).notified === 1);
  assert.equal((await outcomes()).dead_lettered, 0);
  const { items } = (await plane.call('GET', '/v1/groups')).body;
  assert.equal(items[0]?.last_notification.fate, 'notified');
});
