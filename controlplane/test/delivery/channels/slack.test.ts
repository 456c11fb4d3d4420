import assert from 'node:assert/strict';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Notification } from '../../../src/delivery/channel.ts';
import { slackKind } from '../../../src/delivery/channels/slack/index.ts';
import { type Block, renderMessage } from '../../../src/delivery/channels/slack/render.ts';
import {
  briefly,
  forever,
  HOSTILE,
  hostileAlert,
  sampleAlert,
  sampleNotification,
} from '../sample.ts';

const TOKEN = 'xoxb-test';

/** Every text of the blocks, with how Slack will read it. */
function textsOf(notification: Notification) {
  const { blocks, attachments } = renderMessage(notification);
  const all: Block[] = [...blocks, ...attachments.flatMap((attachment) => attachment.blocks)];
  return all.flatMap((block) => {
    if (block.type === 'header') return [block.text];
    if (block.type === 'context') return block.elements;
    return [...(block.text ? [block.text] : []), ...(block.fields ?? [])];
  });
}

/** A port that nothing listens on any more. */
async function closedPort(): Promise<number> {
  const other = createServer();
  await new Promise<void>((done) => other.listen(0, '127.0.0.1', done));
  const { port } = other.address() as AddressInfo;
  await new Promise((done) => other.close(done));
  return port;
}

describe('slack channel', () => {
  let server: Server;
  let calls: { path: string; authorization: string; parameters: Record<string, string> }[];
  let answer: (response: ServerResponse, call: number) => void;

  beforeEach(async () => {
    calls = [];
    answer = (response) => json(response, { ok: true, channel: 'C024BE91L', ts: '1700000000.1' });
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        calls.push({
          path: request.url ?? '',
          authorization: request.headers.authorization ?? '',
          parameters: Object.fromEntries(new URLSearchParams(body)),
        });
        answer(response, calls.length);
      });
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  });

  const json = (response: ServerResponse, body: object, status = 200, headers = {}) =>
    response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(JSON.stringify(body));
  const send = (notification = sampleNotification(), options = forever()) =>
    slackKind
      .create({
        token: TOKEN,
        channel: '#alerts',
        base_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`,
      })
      .send(notification, options);

  it('posts blocks, a coloured attachment, a fallback text and the id of the notification', async () => {
    const outcome = await send();
    assert.deepEqual(outcome, { result: 'ok', detail: 'posted to C024BE91L as 1700000000.1' });
    const [call] = calls;
    assert.equal(call?.path, '/api/chat.postMessage');
    assert.equal(call?.authorization, `Bearer ${TOKEN}`);
    const { channel, text, blocks, attachments, metadata, parse } = call?.parameters ?? {};
    assert.equal(channel, '#alerts');
    assert.equal(parse, 'none');
    assert.match(text ?? '', /^Warning: Read sensitive file untrusted on node-1 \(3 times\)/);
    assert.match(JSON.parse(blocks ?? '')[0].text.text, /Warning: Read sensitive file/);
    assert.match(JSON.parse(attachments ?? '')[0].color, /^#[0-9a-f]{6}$/);
    for (const word of [
      'node-1',
      'web (docker.io/library/nginx)',
      'cat /etc/shadow',
      'bash',
      'root',
      '3 times',
    ])
      assert.ok(attachments?.includes(word), word);
    assert.equal(JSON.parse(metadata ?? '').event_payload.notification_id, sampleNotification().id);
  });

  it('tells what each error of Slack means', async () => {
    const cases: [string, string][] = [
      ['internal_error', 'ambiguous server_error'],
      ['service_unavailable', 'ambiguous server_error'],
      ['ratelimited', 'retry rate_limited'],
      ['invalid_auth', 'permanent auth'],
      ['token_revoked', 'permanent auth'],
      ['missing_scope', 'permanent auth'],
      ['channel_not_found', 'permanent configuration'],
      ['not_in_channel', 'permanent configuration'],
      ['restricted_action_read_only_channel', 'permanent configuration'],
      ['something_new', 'permanent client_error'],
    ];
    for (const [error, expected] of cases) {
      answer = (response) => json(response, { ok: false, error });
      const outcome = await send();
      assert.equal(briefly(outcome), expected, error);
      assert.match(outcome.detail, new RegExp(error));
    }
    for (const body of [{}, [], { ok: false }, { ok: false, error: 5 }]) {
      answer = (response) => json(response, body);
      assert.equal(briefly(await send()), 'ambiguous server_error', JSON.stringify(body));
    }
    assert.equal(calls.length, cases.length + 4, 'no call was made twice');
  });

  it('falls back to words when the blocks are refused, once', async () => {
    answer = (response, call) =>
      json(
        response,
        call === 1 ? { ok: false, error: 'invalid_blocks' } : { ok: true, channel: 'C', ts: '1' },
      );
    assert.equal(briefly(await send()), 'ok');
    const { blocks, text } = calls[1]?.parameters ?? {};
    assert.equal(blocks, undefined);
    assert.match(text ?? '', /Read sensitive file/);
    answer = (response) => json(response, { ok: false, error: 'msg_too_long' });
    assert.equal(briefly(await send()), 'permanent rendering');
    assert.equal(calls.length, 4);
  });

  it('honours Retry-After without sleeping, and HTTP errors', async () => {
    answer = (response) =>
      json(response, { ok: false, error: 'ratelimited' }, 429, { 'retry-after': '30' });
    const limited = await send();
    assert.equal(briefly(limited), 'retry rate_limited');
    assert.equal((limited as { retryAfterMs?: number }).retryAfterMs, 30_000);
    answer = (response) => response.writeHead(429).end();
    assert.equal(briefly(await send()), 'retry rate_limited');
    answer = (response) => response.writeHead(502).end('bad gateway');
    assert.equal(briefly(await send()), 'ambiguous server_error');
    answer = (response) => response.writeHead(404).end();
    assert.equal(briefly(await send()), 'permanent client_error');
    answer = (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
    assert.equal(briefly(await send()), 'permanent client_error');
  });

  it('is ambiguous when the answer breaks off, floods, is garbage or does not come', async () => {
    answer = (response) => response.destroy();
    assert.match(briefly(await send()), /^ambiguous/);
    answer = (response) => response.end('<html>');
    assert.match(briefly(await send()), /^ambiguous/);
    let written = 0;
    answer = (response) => {
      const chunk = Buffer.alloc(65_536, ' ');
      const flood = () => {
        while (written < 1_000_000_000 && !response.destroyed && response.write(chunk))
          written += chunk.length;
      };
      response.on('drain', flood).on('error', () => {});
      flood();
    };
    assert.match(briefly(await send()), /^ambiguous/);
    assert.ok(written < 100_000_000);
    const stop = new AbortController();
    answer = () => stop.abort();
    assert.equal(briefly(await send(sampleNotification(), stop)), 'ambiguous aborted');
    const port = await closedPort();
    const base_url = `http://127.0.0.1:${port}/`;
    const settings = { token: TOKEN, channel: 'C', base_url };
    const tellDead = async (more: object) =>
      briefly(
        await slackKind.create({ ...settings, ...more }).send(sampleNotification(), forever()),
      );
    for (const host of ['127.0.0.1', 'localhost', '[::1]'])
      assert.equal(await tellDead({ base_url: `http://${host}:${port}/` }), 'retry connection');
    assert.equal(await tellDead({ allow_private_addresses: false }), 'permanent blocked');
    for (const host of ['[::ffff:127.0.0.1]', '2130706433', '0177.0.0.1', '127.0.0.2', '10.0.0.1'])
      assert.equal(await tellDead({ base_url: `http://${host}:${port}/` }), 'permanent blocked');
  });

  it('lets hostile text neither mention, link, format nor leave its place', () => {
    const notifications = [
      sampleNotification({ alerts: [hostileAlert()] }),
      sampleNotification({ alerts: [hostileAlert(), hostileAlert()] }),
      sampleNotification({
        held: { count: 9, byRule: HOSTILE.map((rule) => ({ rule, count: 1 })) },
      }),
    ];
    for (const notification of notifications) {
      for (const { type, text, verbatim, emoji } of textsOf(notification)) {
        assert.doesNotMatch(text, /[<>]/, 'no markup of Slack');
        if (type === 'plain_text') assert.equal(emoji, false);
        else {
          assert.equal(verbatim, true);
          const outside = text.replace(/```[^`]*```|`[^`]*`/g, '');
          assert.match(
            outside,
            /^(\*[A-Z][a-z]+\*\n)?\n?$/,
            'only our labels stand outside of code',
          );
        }
      }
      const { text, attachments } = renderMessage(notification);
      for (const fallback of [text, ...attachments.map((attachment) => attachment.fallback)])
        assert.doesNotMatch(fallback, /[<>]/);
    }
  });

  it("keeps within Slack's sizes whatever the alerts hold", () => {
    const huge = 'A&<`\u0000'.repeat(20_000);
    const alert = sampleAlert({
      rule: huge.slice(0, 512),
      output: huge,
      hostname: huge.slice(0, 255),
      tags: Array.from({ length: 64 }, () => huge.slice(0, 256)),
      output_fields: { ...hostileAlert().output_fields, 'proc.cmdline': huge },
    });
    for (const count of [1, 2, 20]) {
      const alerts = Array.from({ length: count }, () => alert);
      const held = {
        count: 99,
        byRule: Array.from({ length: 50 }, () => ({ rule: huge, count: 2 })),
      };
      const { blocks, attachments, text } = renderMessage(sampleNotification({ alerts, held }));
      const all = [...blocks, ...attachments.flatMap((attachment) => attachment.blocks)];
      assert.ok(all.length <= 50, `${all.length} blocks`);
      for (const block of all) {
        if (block.type === 'header') assert.ok(block.text.text.length <= 150);
        if (block.type !== 'section') continue;
        assert.ok((block.text?.text.length ?? 0) <= 3000);
        assert.ok((block.fields?.length ?? 0) <= 10);
        for (const field of block.fields ?? []) assert.ok(field.text.length <= 2000);
      }
      const total = textsOf(sampleNotification({ alerts, held })).reduce(
        (sum, { text: t }) => sum + t.length,
        0,
      );
      assert.ok(total <= 13_000, `${total} characters in all`);
      assert.ok(text.length <= 4000);
    }
  });

  it('tells what was held back', () => {
    const held = { count: 37, byRule: [{ rule: 'Shell in container', count: 37 }] };
    const texts = textsOf(sampleNotification({ held })).map(({ text }) => text);
    assert.ok(texts.some((text) => text.includes('+37 more')));
    const [only] = textsOf(sampleNotification({ alerts: [], held }));
    assert.match(only?.text ?? '', /37 notifications held back/);
  });
});
