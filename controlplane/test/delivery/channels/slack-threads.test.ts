import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import type { Memory, Notification } from '../../../src/delivery/channel.ts';
import { slackKind } from '../../../src/delivery/channels/slack/index.ts';
import { startDelivery } from '../../../src/delivery/delivery.ts';
import { anAlert, enroll } from '../../support/agent.ts';
import { startTestControlPlane } from '../../support/control-plane.ts';
import { answerWith, HttpServer } from '../http-server.ts';
import { briefly, forever, groupNotification, HOSTILE, waitFor } from '../sample.ts';

interface Message {
  readonly channel: string;
  ts: string;
  thread_ts?: string | undefined;
  text: string;
  blocks: string;
  attachments: string;
}

const json = (response: ServerResponse, body: object) =>
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));

const reachable = (url: string) => ({ base_url: `${url}/api`, allow_private_addresses: true });

/** A workspace that speaks the Web API: keeps messages, changes them, and refuses what it was told to refuse. */
async function workspace(t: TestContext) {
  const server = new HttpServer();
  const url = await server.listen();
  t.after(() => server.close());
  const messages: Message[] = [];
  const calls: string[] = [];
  const refusals: { method: string; error: string }[] = [];
  let clock = 0;
  const refusalOf = (call: string | undefined, known: Message | undefined, asked: boolean) => {
    if (refusals[0]?.method === call) return refusals.shift()?.error;
    return asked && !known ? 'message_not_found' : undefined;
  };
  server.answer = (response) => {
    const { path, body } = server.received.at(-1) as { path: string; body: string };
    const method = path.replace('/api/', '');
    const given = Object.fromEntries(new URLSearchParams(body));
    const { thread_ts, text = '', blocks = '', attachments = '' } = given;
    calls.push(thread_ts ? 'reply' : method);
    const known = messages.find(({ ts }) => ts === (given['ts'] ?? thread_ts));
    const error = refusalOf(
      calls.at(-1),
      known,
      method === 'chat.update' || thread_ts !== undefined,
    );
    if (error === 'hang up') return response.destroy();
    if (error) return json(response, { ok: false, error });
    if (method === 'chat.update' && known) {
      assert.equal(given['channel'], 'C1', 'updates name the channel by its id');
      for (const argument of ['mrkdwn', 'unfurl_links', 'thread_ts'])
        assert.equal(given[argument], undefined, `chat.update takes no ${argument}`);
      Object.assign(known, { text, blocks, attachments });
      return json(response, { ok: true, channel: 'C1', ts: known.ts, text });
    }
    const ts = `1700000000.${String(++clock).padStart(6, '0')}`;
    messages.push({ channel: 'C1', ts, thread_ts, text, blocks, attachments });
    return json(response, { ok: true, channel: 'C1', ts });
  };
  const sender = slackKind.create({
    token: 'x',
    channel: '#alerts',
    ...{ base_url: `${url}/api`, allow_private_addresses: true },
  });
  let kept: string | undefined;
  const memory: Memory = {
    get known() {
      return kept;
    },
    keep: async (text) => {
      kept = text;
    },
  };
  return {
    ...{ server, url },
    messages,
    calls,
    refuse: (method: string, error: string) => refusals.push({ method, error }),
    forget: (text?: string) => {
      const before = kept;
      kept = text;
      return before;
    },
    send: (notification: Notification) => sender.send(notification, { ...forever(), memory }),
  };
}

let number = 0;
const says = (firing: number, resolved: number, change: object = {}) => {
  const one = groupNotification({ firing, resolved });
  const group = { ...one.group, ...change } as NonNullable<Notification['group']>;
  return { ...one, id: `group-${++number}`, group };
};
const first = (firing = 1) => says(firing, 0, { reason: 'first notification' });

test('a group is a thread: its message shows what is, replies tell what came, and the end is marked', async (t) => {
  const { messages, calls, send } = await workspace(t);
  assert.equal(briefly(await send(first(1))), 'ok');
  const outcome = await send(says(3, 0));
  assert.match(outcome.detail, /^posted to C1 as 1700000000.000002, below 1700000000.000001$/);
  assert.deepEqual(calls, ['chat.postMessage', 'chat.update', 'reply']);
  const [parent, reply] = messages;
  assert.match(parent?.blocks ?? '', /3 firing/, 'what it is now');
  assert.equal(JSON.parse(parent?.attachments ?? '').length, 3);
  assert.equal(reply?.thread_ts, parent?.ts);
  assert.equal(JSON.parse(reply?.attachments ?? '').length, 2, 'only what is new');
  await send(says(3, 0, { reason: 'repeat' }));
  assert.equal(JSON.parse(messages[2]?.attachments ?? '[]').length, 0, 'nothing is new');
  assert.equal(briefly(await send(says(0, 3))), 'ok');
  const [header] = JSON.parse(parent?.blocks ?? '');
  assert.match(header.text.text, /^✅ 3 resolved: /);
  const colours = JSON.parse(parent?.attachments ?? '').map(
    ({ color }: { color: string }) => color,
  );
  assert.deepEqual(new Set(colours), new Set(['#15803d']));
  assert.equal(messages.length, 4);
  await send(says(1, 0));
  assert.equal(messages.at(-1)?.thread_ts, undefined, 'what comes after the end is another thread');
  await send(first(2));
  assert.equal(messages.at(-1)?.thread_ts, undefined, 'so is what begins anew');
});

test('what a lane keeps of a group leads the next notification to its thread', async (t) => {
  const { messages, url } = await workspace(t);
  const settings = { token: { value: 'x' }, channel: '#alerts', ...reachable(url) };
  const route = {
    receiver: 'slack',
    group_by: ['rule'],
    group_wait: '1ms',
    group_interval: '300ms',
  };
  const receivers = [{ name: 'slack', kind: 'slack', settings }];
  const plane = await startTestControlPlane(t, { route, receivers }, startDelivery);
  const agent = await enroll(plane);
  const of = (hostname: string) => anAlert({ rule: 'A', hostname, time: new Date().toISOString() });
  await agent.send([of('one')]);
  await waitFor(() => messages.length === 1);
  await agent.send([of('two')]);
  await waitFor(() => messages.length === 2);
  assert.equal(messages[1]?.thread_ts, messages[0]?.ts);
  assert.match(messages[0]?.blocks ?? '', /2 firing/);
  assert.match(messages[1]?.attachments ?? '', /two/);
  assert.doesNotMatch(messages[1]?.attachments ?? '', /one/);
});

test('a message that is gone, too old or without a thread is posted anew, and the thread goes on there', async (t) => {
  for (const [method, error] of [
    ['chat.update', 'message_not_found'],
    ['chat.update', 'cant_update_message'],
    ['chat.update', 'edit_window_closed'],
    ['reply', 'thread_not_found'],
    ['reply', 'restricted_action_thread_locked'],
    ['reply', 'restricted_action_non_threadable_channel'],
  ] as const) {
    const { messages, refuse, send } = await workspace(t);
    await send(first());
    refuse(method, error);
    assert.equal(briefly(await send(says(2, 0))), 'ok', error);
    assert.equal(messages.length, 2);
    assert.equal(messages[1]?.thread_ts, undefined);
    assert.equal(JSON.parse(messages[1]?.attachments ?? '').length, 2, 'with all that fires');
    await send(says(3, 0));
    assert.equal(messages[2]?.thread_ts, messages[1]?.ts);
  }
});

test('each error of an update and of a reply is an outcome, and another attempt goes on where it stopped', async (t) => {
  const cases: [string, string, string][] = [
    ['chat.update', 'ratelimited', 'retry rate_limited'],
    ['chat.update', 'update_failed', 'retry server_error'],
    ['chat.update', 'internal_error', 'retry server_error'],
    ['chat.update', 'hang up', 'retry connection'],
    ['chat.update', 'token_revoked', 'permanent auth'],
    ['chat.update', 'not_in_channel', 'permanent configuration'],
    ['chat.update', 'something_new', 'permanent client_error'],
    ['reply', 'ratelimited', 'retry rate_limited'],
    ['reply', 'fatal_error', 'ambiguous server_error'],
    ['reply', 'hang up', 'ambiguous connection'],
    ['reply', 'is_archived', 'permanent configuration'],
  ];
  for (const [method, error, expected] of cases) {
    const { calls, messages, refuse, send } = await workspace(t);
    await send(first());
    refuse(method, error);
    const update = says(2, 0);
    assert.equal(briefly(await send(update)), expected, `${method} ${error}`);
    calls.length = 0;
    assert.equal(briefly(await send(update)), 'ok');
    assert.deepEqual(calls, method === 'reply' ? ['reply'] : ['chat.update', 'reply']);
    assert.equal(messages.length, 2);
    calls.length = 0;
    assert.match((await send(update)).detail, /^told before/, 'an acknowledgement was lost');
    assert.deepEqual(calls, []);
  }
});

test('429 of either method is passed on with its time, without sleeping', async (t) => {
  const { server, send } = await workspace(t);
  await send(first());
  server.answer = answerWith(429, '{"ok":false,"error":"ratelimited"}', { 'retry-after': '30' });
  const outcome = await send(says(2, 0));
  assert.equal(briefly(outcome), 'retry rate_limited');
  assert.equal((outcome as { retryAfterMs?: number }).retryAfterMs, 30_000);
});

test('blocks that are refused are told in words, and take the blocks of before away', async (t) => {
  const { messages, refuse, send } = await workspace(t);
  await send(first());
  refuse('chat.update', 'invalid_blocks');
  refuse('reply', 'msg_blocks_too_long');
  assert.equal(briefly(await send(says(2, 0))), 'ok');
  assert.deepEqual([messages[0]?.blocks, messages[0]?.attachments], ['[]', '[]']);
  assert.match(messages[0]?.text ?? '', /2 firing/);
  assert.match(messages[1]?.text ?? '', /Read sensitive file/);
});

test('who dies after a post and before the note posts again, marked; another channel is another thread', async (t) => {
  const { messages, forget, send } = await workspace(t);
  const start = first();
  await send(start);
  const kept = forget();
  await send({ ...start, repeated: true });
  assert.equal(messages.length, 2);
  assert.match(messages[1]?.blocks ?? '', /may have been delivered before/);
  forget(kept?.replace('#alerts', '#others'));
  await send(says(2, 0));
  assert.equal(messages[2]?.thread_ts, undefined);
});

test('hostile names neither mention nor format in a reply', async (t) => {
  const { messages, send } = await workspace(t);
  await send(first());
  const update = says(2, 0);
  const alerts = update.alerts.map((alert) => ({
    ...alert,
    rule: HOSTILE.join(' '),
    output: '<!channel> `x` *y*',
  }));
  await send({ ...update, alerts });
  for (const { text, blocks, attachments } of messages)
    for (const part of [text, blocks, attachments]) assert.doesNotMatch(part, /<!|<@|<#|<http/);
});
