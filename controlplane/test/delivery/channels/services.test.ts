/** The kinds for chat and paging services: what they send, compared with what was agreed (`golden/`), and that it stays within bounds. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Notification } from '../../../src/delivery/channel.ts';
import { renderMail } from '../../../src/delivery/channels/email/render.ts';
import { findChannelKind } from '../../../src/delivery/channels/index.ts';
import { type Answer, answerWith, HttpServer } from '../http-server.ts';
import {
  briefly,
  forever,
  groupNotification,
  HOSTILE,
  hostileAlert,
  sampleAlert,
  sampleNotification,
} from '../sample.ts';
import { SERVICES } from './service-settings.ts';

/** Set to write the files anew; look at the difference before it is kept. */
const UPDATE = process.env['UPDATE_GOLDEN'] !== undefined;
const golden = (name: string) =>
  new URL(`../../../../test/delivery/channels/golden/${name}.json`, import.meta.url);

const TWO = sampleNotification({
  alerts: [
    sampleAlert(),
    sampleAlert({ id: '2', rule: 'Other', priority: 'Critical', fingerprint: 'beef' }),
  ],
  held: { count: 37, byRule: [{ rule: 'A', count: 37 }] },
});

const TEMPLATE =
  '**{{ priority }}** {{ summary }}\n{% for alert in alerts %}- {{ alert.rule }} by {{ alert.output_fields["proc.cmdline"] }}{% endfor %}';
const LONG = '{{ alerts[0].output }}{{ alerts[0].rule }}\n{{ alerts[0].output_fields.f1 }}';

/** The most that a notification can tell. */
const huge = (text: string): Notification =>
  sampleNotification({
    repeated: true,
    alerts: Array.from({ length: 20 }, () => ({
      ...sampleAlert(),
      rule: text.repeat(512),
      hostname: text.repeat(255),
      output: text.repeat(60_000),
      tags: Array.from({ length: 64 }, () => text.repeat(200)),
      output_fields: Object.fromEntries(
        [
          ...Object.keys(sampleAlert().output_fields),
          ...Array.from({ length: 200 }, (_, index) => `f${index}`),
        ].map((name) => [name, text.repeat(5000)]),
      ),
    })),
    held: {
      count: 1e6,
      byRule: Array.from({ length: 50 }, () => ({ rule: text.repeat(512), count: 20_000 })),
    },
  });

describe('channels for services', () => {
  let server: HttpServer;
  let url: string;
  beforeEach(async () => {
    server = new HttpServer();
    url = await server.listen();
  });
  afterEach(() => server.close());

  const send = async (
    kind: string,
    notification: Notification,
    answer: Answer = answerWith(202, '{}'),
    more: object = {},
  ) => {
    server.answer = answer;
    const settings = { ...SERVICES[kind]?.(url), ...more };
    const sender = findChannelKind(kind)?.create({ ...settings, allow_private_addresses: true });
    assert.ok(sender);
    const outcome = await sender.send(notification, forever());
    await sender.close();
    return outcome;
  };
  const bodies = () => server.received.map(({ body }) => JSON.parse(body));

  const cases = Object.keys(SERVICES).flatMap((kind) => [
    { kind, name: kind, more: {} },
    { kind, name: `${kind}-template`, more: { template: TEMPLATE } },
  ]);
  for (const { kind, name, more } of cases) {
    it(`${name} sends what was agreed`, async () => {
      assert.equal(briefly(await send(kind, TWO, answerWith(202, '{}'), more)), 'ok');
      const requests = server.received.map(({ method, path, headers, body }) => ({
        method,
        path,
        authorization: headers['authorization'],
        body: JSON.parse(body),
      }));
      const text = `${JSON.stringify(requests, null, 2)}\n`;
      if (UPDATE) writeFileSync(golden(name), text);
      assert.deepEqual(JSON.parse(text), JSON.parse(readFileSync(golden(name), 'utf8')));
    });
  }

  it('stay within what each service takes, whatever there is to tell', async () => {
    for (const text of ['x', '*', 'é', '漢', '@', '&', '\\', '😀']) {
      for (const kind of Object.keys(SERVICES)) {
        server.received.length = 0;
        await send(kind, huge(text));
        await send(kind, huge(text), answerWith(202, '{}'), { template: LONG });
        assert.ok(server.received.length >= 2);
        for (const { body } of server.received) checkSize(kind, body, text);
      }
    }
  });

  it('show the usual text when a template fails or is refused, and say so', async () => {
    // It renders the sample, and fails on what this alert brings.
    const failing =
      '{% if alerts[0].hostname == "node-1" %}{% for i in (1..99999999) %}x{% endfor %}{% endif %}fine';
    for (const kind of Object.keys(SERVICES)) {
      server.received.length = 0;
      await send(kind, sampleNotification());
      const failed = await send(kind, sampleNotification(), answerWith(202, '{}'), {
        template: failing,
      });
      assert.match(
        failed.detail,
        /the usual text in place of template: memory alloc limit exceeded/,
      );
      const [usual, instead] = bodies();
      assert.deepEqual(instead, usual, kind);

      const picky: Answer = (response) =>
        server.received.at(-1)?.body.includes('marked')
          ? response.writeHead(400).end('bad markup')
          : response.writeHead(202).end('{}');
      const refused = await send(kind, sampleNotification(), picky, {
        template: '<marked {{ summary }}',
      });
      assert.equal(briefly(refused), 'ok', kind);
      assert.match(refused.detail, /the usual text in place of template: HTTP 400: bad markup/);
      assert.deepEqual(bodies().at(-1), usual, kind);
    }
  });

  it('let no event format, link, mention or break out of a template', async () => {
    const hostile = sampleNotification({ alerts: [hostileAlert()] });
    for (const kind of Object.keys(SERVICES))
      await send(kind, hostile, answerWith(202, '{}'), {
        template: '{{ alerts[0].output }} {{ alerts[0].tags | join: " " }} {{ summary }}',
      });
    const [teams, discord, mattermost, telegram, ...others] = bodies();
    const marked = [teams.attachments[0].content.body[0].text, discord.content, mattermost.text];
    for (const text of marked) assert.doesNotMatch(text, /(?<!\\)[<>[\]`*~|]|@(?!\u200b)/, text);
    assert.doesNotMatch(telegram.text, /[<>]/);
    for (const text of [...marked, telegram.text, ...others.flatMap(textsOf)])
      assert.doesNotMatch(text.replaceAll('@\u200b', '@'), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    assert.deepEqual(discord.allowed_mentions, { parse: [] });
  });

  it('let no event format, link, mention or break out', async () => {
    const hostile = sampleNotification({ alerts: [hostileAlert()] });
    for (const kind of Object.keys(SERVICES)) await send(kind, hostile);
    for (const text of bodies().flatMap(textsOf)) {
      assert.doesNotMatch(
        text.replaceAll('\n', '').replaceAll('@\u200b', '@'),
        /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u,
      );
    }
    const [teams, discord, mattermost, telegram] = bodies();
    for (const text of [
      teams.attachments[0].content.body,
      discord.embeds,
      mattermost.attachments,
    ].flatMap(textsOf)) {
      assert.doesNotMatch(text, /(?<!\\)[<>[\]`*~|]|@(?!\u200b)/, text);
    }
    assert.deepEqual(discord.allowed_mentions, { parse: [] });
    const tags = telegram.text.match(/<[^>]*>/g);
    assert.deepEqual([...new Set(tags)].sort(), [
      '</b>',
      '</code>',
      '</pre>',
      '<b>',
      '<code>',
      '<pre>',
    ]);
    assert.ok(HOSTILE.length > 0);
  });

  it('open one incident a group, and end it when nothing of the group fires any more', async () => {
    for (const counts of [
      { firing: 2, resolved: 1 },
      { firing: 0, resolved: 3 },
    ]) {
      await send('pagerduty', groupNotification(counts));
      await send('opsgenie', groupNotification(counts));
    }
    const [trigger, create, resolve, close] = server.received.map(({ path, body }) => ({
      path,
      ...JSON.parse(body),
    }));
    assert.equal(server.received.length, 4);
    assert.deepEqual([trigger.event_action, resolve.event_action], ['trigger', 'resolve']);
    assert.equal(trigger.dedup_key, resolve.dedup_key);
    assert.match(trigger.payload.summary, /2 firing, 1 resolved/);
    assert.equal(close.path, `/v2/alerts/${create.alias}/close?identifierType=alias`);
  });

  it('mark what is resolved where people read', async () => {
    for (const kind of ['teams', 'discord', 'mattermost', 'telegram', 'ntfy'])
      await send(kind, groupNotification({ firing: 1, resolved: 1 }));
    for (const { body } of server.received) {
      assert.match(body, /Resolved, Warning: Read/);
      assert.doesNotMatch(body, /✅/, 'something fires');
      assert.match(body, /1 firing, 1 resolved \(new alerts\) in/);
    }
    server.received.length = 0;
    for (const kind of ['teams', 'discord', 'mattermost', 'telegram', 'ntfy'])
      await send(kind, groupNotification({ firing: 0, resolved: 2 }));
    for (const { body } of server.received) {
      assert.match(body, /✅ 2 resolved: Read/);
      assert.doesNotMatch(body, /✅ Warning/);
    }
  });

  it('wake nobody for what ended', async () => {
    const told = (counts: { firing: number; resolved: number }) => {
      const notification = groupNotification(counts);
      const [alert] = notification.alerts;
      assert.ok(alert);
      return { ...notification, alerts: [{ ...alert, priority: 'Critical' as const }] };
    };
    await send('ntfy', told({ firing: 1, resolved: 0 }));
    await send('ntfy', told({ firing: 0, resolved: 1 }));
    assert.deepEqual(
      bodies().map(({ priority }) => priority),
      [5, 3],
    );
    assert.deepEqual(
      [told({ firing: 1, resolved: 0 }), told({ firing: 0, resolved: 1 })].map(
        (notification) => renderMail(notification, 'x.org').priority,
      ),
      ['high', 'normal'],
    );
  });

  it('stop at the first request that fails, and say why', async () => {
    const outcome = await send('pagerduty', TWO, answerWith(400, '{"status":"invalid event"}'));
    assert.equal(briefly(outcome), 'permanent client_error');
    assert.equal(server.received.length, 1);
  });

  it('know what Telegram means', async () => {
    const cases: [number, object, string][] = [
      [429, { ok: false, parameters: { retry_after: 9 } }, 'retry rate_limited'],
      [404, { ok: false, description: 'Not Found' }, 'permanent auth'],
      [400, { ok: false, description: 'Bad Request: chat not found' }, 'permanent configuration'],
      [
        400,
        { ok: false, description: 'Bad Request: group chat was upgraded to a supergroup chat' },
        'permanent configuration',
      ],
      [
        400,
        { ok: false, description: "Bad Request: can't parse entities" },
        'permanent client_error',
      ],
    ];
    for (const [status, answer, expected] of cases) {
      const outcome = await send('telegram', TWO, answerWith(status, JSON.stringify(answer)));
      assert.equal(briefly(outcome), expected);
      if (status === 429) assert.equal(outcome.result === 'retry' && outcome.retryAfterMs, 9000);
    }
  });

  it('know what is said in other words than a status', async () => {
    const teams = (status: number) =>
      `Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error ${status} with ContextId x`;
    const cases: [string, number, string, string][] = [
      ['discord', 404, '{"message": "Unknown Webhook", "code": 10015}', 'permanent configuration'],
      ['teams', 200, teams(429), 'retry rate_limited'],
      ['teams', 200, teams(413), 'permanent rendering'],
      ['teams', 200, teams(502), 'retry server_error'],
      ['teams', 200, teams(400), 'permanent client_error'],
      ['teams', 200, '1', 'ok'],
    ];
    for (const [kind, status, answer, expected] of cases)
      assert.equal(briefly(await send(kind, TWO, answerWith(status, answer))), expected, answer);
  });

  it('refuse secrets that cannot be what they should, without telling them', () => {
    const refused = (kind: string, settings: object) =>
      assert.throws(
        () => findChannelKind(kind)?.create(settings as never),
        (error: Error) => !error.message.includes('s3cret'),
      );
    refused('discord', { url: 's3cret' });
    refused('teams', { url: 'ftp://s3cret' });
    refused('telegram', { token: 's3cret/../x', chat_id: '1' });
    refused('ntfy', { topic: 't', token: 's3cret\r\nx: y' });
    refused('opsgenie', { api_key: 's3cret\n' });
  });
});

/** Every text below a value. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

function checkSize(kind: string, body: string, text: string): void {
  const message = JSON.parse(body);
  const within = (value: number, max: number, what: string) =>
    assert.ok(value <= max, `${kind} ${text}: ${what} ${value} > ${max}`);
  if (kind === 'teams') within(Buffer.byteLength(body), 28 * 1024, 'bytes');
  if (kind === 'discord') {
    within(message.content.length, 2000, 'content');
    within(message.embeds.length, 10, 'embeds');
    within(message.embeds.flatMap(textsOf).join('').length, 6000, 'characters');
    for (const embed of message.embeds) {
      within(embed.title.length, 256, 'title');
      within(embed.description.length, 4096, 'description');
      for (const { value } of embed.fields) within(value.length, 1024, 'field');
    }
  }
  if (kind === 'mattermost') within(message.text.length, 16_383, 'text');
  if (kind === 'telegram')
    within(message.text.replace(/<[^>]*>|&#\d+;/g, '.').length, 4096, 'text');
  if (kind === 'ntfy') within(Buffer.byteLength(message.message), 4096, 'bytes');
  if (kind === 'pagerduty') {
    within(message.payload.summary.length, 1024, 'summary');
    within(Buffer.byteLength(body), 512 * 1024, 'bytes');
  }
  if (kind === 'opsgenie') {
    within(message.message.length, 130, 'message');
    within(message.description.length, 15_000, 'description');
    within(textsOf(message.details).join('').length, 8000, 'details');
  }
}
