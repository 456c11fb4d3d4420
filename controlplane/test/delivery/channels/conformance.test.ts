/** What every kind that speaks HTTP makes of a server that answers well, badly or not at all. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { ChannelKind, Outcome, ResolvedSettings } from '../../../src/delivery/channel.ts';
import { elasticsearchKind } from '../../../src/delivery/channels/elasticsearch/index.ts';
import { findChannelKind } from '../../../src/delivery/channels/index.ts';
import { slackKind } from '../../../src/delivery/channels/slack/index.ts';
import { splunkKind } from '../../../src/delivery/channels/splunk/index.ts';
import { webhookKind } from '../../../src/delivery/channels/webhook/index.ts';
import { type Answer, answerWith, HttpServer } from '../http-server.ts';
import { briefly, forever, hostileAlert, sampleNotification } from '../sample.ts';
import { SERVICES } from './service-settings.ts';

interface Subject {
  readonly name?: string;
  readonly kind: ChannelKind;
  settings(url: string): ResolvedSettings;
  /** What its server says when all is well. */
  readonly good: Answer;
  /** What it says of credentials that it does not know; status 401 without it. */
  readonly refused?: Answer;
}

const allow_private_addresses = true;
const SUBJECTS: readonly Subject[] = [
  {
    kind: webhookKind,
    settings: (url) => ({ url, secret: 'a plain secret', allow_private_addresses }),
    good: answerWith(204),
  },
  {
    kind: elasticsearchKind,
    settings: (url) => ({ url, api_key: 'abc', allow_private_addresses }),
    good: answerWith(200, '{"errors":false,"items":[{"create":{"status":201}}]}'),
  },
  {
    kind: splunkKind,
    settings: (url) => ({ url, token: 'abc', allow_private_addresses }),
    good: answerWith(200, '{"text":"Success","code":0}'),
  },
  {
    kind: slackKind,
    settings: (url) => ({
      ...{ token: 'xoxb-1', channel: '#x', base_url: `${url}/api/` },
      allow_private_addresses: true,
    }),
    good: answerWith(200, '{"ok":true,"channel":"C1","ts":"1.2"}', {
      'content-type': 'application/json',
    }),
    refused: answerWith(200, '{"ok":false,"error":"invalid_auth"}'),
  },
  {
    name: 'slack channel of an incoming webhook',
    kind: slackKind,
    settings: (url) => ({ url, allow_private_addresses }),
    good: answerWith(200, 'ok'),
  },
  ...Object.entries(SERVICES).map(([name, settings]) => ({
    kind: findChannelKind(name) as ChannelKind,
    settings: (url: string) => ({ ...settings(url), allow_private_addresses }),
    good: answerWith(202, '{}'),
  })),
];

for (const subject of SUBJECTS) {
  const { kind, settings, good, refused = answerWith(401, 'no') } = subject;
  const { name = `${kind.kind} channel` } = subject;
  describe(`a ${name}`, () => {
    let server: HttpServer;
    let url: string;
    beforeEach(async () => {
      server = new HttpServer();
      url = await server.listen();
    });
    afterEach(() => server.close());

    const send = async (answer: Answer, signal = forever().signal): Promise<Outcome> => {
      server.answer = answer;
      const sender = kind.create(settings(url));
      const outcome = await sender.send(sampleNotification({ alerts: [hostileAlert()] }), {
        signal,
      });
      await sender.close();
      return outcome;
    };

    it('delivers, once, whatever an event is called', async () => {
      assert.equal(briefly(await send(good)), 'ok');
      assert.equal(server.received.length, 1);
      assert.equal(server.received[0]?.method, 'POST');
    });

    it('waits as long as it is told', async () => {
      const outcome = await send(
        answerWith(429, '{"ok":false,"error":"ratelimited"}', { 'retry-after': '7' }),
      );
      assert.equal(briefly(outcome), 'retry rate_limited');
      assert.equal(outcome.result === 'retry' && outcome.retryAfterMs, 7000);
    });

    it('tries again when the server is in trouble', async () => {
      for (const status of [500, 502, 503])
        assert.match(
          briefly(await send(answerWith(status, 'trouble'))),
          /^(retry|ambiguous) server_error$/,
        );
    });

    it('knows refused credentials', async () => {
      assert.equal(briefly(await send(refused)), 'permanent auth');
    });

    it('never takes silence, a torn connection or half an answer for success', async () => {
      const cases: [string, Answer][] = [
        ['silence', () => {}],
        ['a reset', (_response, request) => request.socket.resetAndDestroy()],
        ['the end', (_response, request) => request.socket.end()],
        [
          'garbage',
          (_response, request) => request.socket.end('\0\x01\x02 not HTTP at all\r\n\r\n'),
        ],
      ];
      for (const [what, answer] of cases) {
        const outcome = await send(answer, AbortSignal.timeout(1500));
        assert.match(outcome.result, /^(ambiguous|retry)$/, `${what}: ${outcome.detail}`);
      }
    });

    it('is not held by an answer that drips or never ends', async () => {
      const drip: Answer = (response) => {
        response.writeHead(500);
        const timer = setInterval(() => response.write('x'), 50);
        response.on('close', () => clearInterval(timer));
      };
      assert.notEqual((await send(drip, AbortSignal.timeout(3000))).result, 'ok');
      const flood: Answer = (response) => {
        response.writeHead(400);
        const pour = () => {
          while (!response.destroyed && response.write('x'.repeat(65_536)));
          if (!response.destroyed) response.once('drain', pour);
        };
        pour();
      };
      assert.notEqual((await send(flood, AbortSignal.timeout(10_000))).result, 'ok');
    });

    it('ends at once when it is told to', async () => {
      const stop = new AbortController();
      const outcome = await send(() => stop.abort(), stop.signal);
      assert.match(briefly(outcome), /^(ambiguous|retry) aborted$/);
    });

    it('does not follow a redirect', async () => {
      const outcome = await send(
        answerWith(302, '', { location: 'http://169.254.169.254/latest/meta-data' }),
      );
      assert.notEqual(outcome.result, 'ok');
      assert.equal(server.received.length, 1);
    });

    it('tells nobody its secrets', async () => {
      const outcome = await send(answerWith(400, 'no such thing'));
      assert.doesNotMatch(outcome.detail, /xoxb-1|abc\b|a plain secret/);
    });
  });
}
