import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { splunkKind } from '../../../src/delivery/channels/splunk/index.ts';
import { type Answer, answerWith, HttpServer } from '../http-server.ts';
import { briefly, forever, sampleAlert, sampleNotification } from '../sample.ts';

const SUCCESS = answerWith(200, '{"text":"Success","code":0}');

describe('splunk channel', () => {
  let server: HttpServer;
  let url: string;
  beforeEach(async () => {
    server = new HttpServer();
    url = await server.listen();
  });
  afterEach(() => server.close());

  const send = async (
    answer: Answer,
    settings: object = {},
    notification = sampleNotification(),
  ) => {
    server.answer = answer;
    const sender = splunkKind.create({
      url,
      token: 'abc',
      allow_private_addresses: true,
      ...settings,
    });
    const outcome = await sender.send(notification, forever());
    await sender.close();
    return outcome;
  };
  const events = () =>
    (server.received.at(-1)?.body ?? '').split('\n').map((line) => JSON.parse(line));

  it('sends an event an alert with its time and host', async () => {
    const two = sampleNotification({
      alerts: [sampleAlert(), sampleAlert({ hostname: 'node-2' })],
    });
    assert.equal(briefly(await send(SUCCESS, { index: 'security' }, two)), 'ok');
    const [request] = server.received;
    assert.equal(request?.path, '/services/collector/event');
    assert.equal(request?.headers['authorization'], 'Splunk abc');
    const [first, second] = events();
    assert.equal(first.time, Date.parse('2026-11-20T10:00:00.123Z') / 1000);
    assert.deepEqual(
      [first.host, first.source, first.sourcetype, first.index, second.host],
      ['node-1', 'tocsin', 'tocsin:alert', 'security', 'node-2'],
    );
    assert.equal(first.event.rule, sampleAlert().rule);
  });

  it('sends other formats as they are', async () => {
    await send(SUCCESS, { format: 'cef', sourcetype: 'cef', url: `${url}/splunk/` });
    assert.equal(server.received[0]?.path, '/splunk/services/collector/event');
    assert.equal('index' in events()[0], false);
    assert.match(events()[0].event, /^CEF:0\|/);
  });

  it('tells what the collector refuses', async () => {
    const cases: [number, string, string][] = [
      [403, '{"text":"Invalid token","code":4}', 'permanent auth'],
      [
        400,
        '{"text":"Incorrect index","code":7,"invalid-event-number":1}',
        'permanent configuration',
      ],
      [400, '{"text":"Invalid data format","code":6}', 'permanent client_error'],
      [503, '{"text":"Server is busy","code":9}', 'retry server_error'],
      [200, '{"text":"Invalid token","code":4}', 'permanent auth'],
      [200, '{"text":"No data","code":5}', 'permanent client_error'],
    ];
    for (const [status, body, outcome] of cases)
      assert.equal(briefly(await send(answerWith(status, body))), outcome, body);
    assert.throws(() => splunkKind.create({ url, token: 'a\nb' }), /token: holds/);
  });
});
