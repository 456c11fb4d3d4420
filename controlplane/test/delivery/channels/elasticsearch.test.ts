import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { elasticsearchKind } from '../../../src/delivery/channels/elasticsearch/index.ts';
import { answerWith, HttpServer } from '../http-server.ts';
import { briefly, forever, sampleAlert, sampleNotification } from '../sample.ts';

describe('elasticsearch channel', () => {
  let server: HttpServer;
  let url: string;
  beforeEach(async () => {
    server = new HttpServer();
    url = await server.listen();
  });
  afterEach(() => server.close());

  const two = sampleNotification({ alerts: [sampleAlert(), sampleAlert({ rule: 'Other' })] });
  const send = async (answer: string, settings: object = {}) => {
    server.answer = answerWith(200, answer);
    const sender = elasticsearchKind.create({ url, allow_private_addresses: true, ...settings });
    const outcome = await sender.send(two, forever());
    await sender.close();
    return outcome;
  };
  const items = (...statuses: number[]) =>
    JSON.stringify({
      errors: statuses.some((status) => status >= 400),
      items: statuses.map((status) => ({
        create: {
          status,
          ...(status >= 400 && { error: { type: `type_${status}`, reason: `reason ${status}` } }),
        },
      })),
    });
  const GOOD = items(201, 201);

  it('creates a document an alert, under ids that stay the same', async () => {
    assert.equal(briefly(await send(GOOD)), 'ok');
    const [request] = server.received;
    assert.equal(request?.path, '/logs-tocsin.alerts-default/_bulk');
    assert.equal(request?.headers['content-type'], 'application/x-ndjson');
    assert.ok(request?.body.endsWith('\n'));
    const [action, document, other] = (request?.body ?? '')
      .split('\n')
      .map((line) => line && JSON.parse(line));
    assert.deepEqual(action, { create: { _id: 'ntf_01-0' } });
    assert.equal(document.rule.name, sampleAlert().rule);
    assert.deepEqual(other, { create: { _id: 'ntf_01-1' } });
  });

  it('says who it is, and where the documents go', async () => {
    await send(GOOD, { api_key: 'abc', index: 'alerts', pipeline: 'geo', url: `${url}/es/` });
    await send(GOOD, { user: 'elastic', password: 'pass:word' });
    const [first, second] = server.received;
    assert.equal(first?.path, '/es/alerts/_bulk?pipeline=geo');
    assert.equal(first?.headers['authorization'], 'ApiKey abc');
    assert.equal(second?.headers['authorization'], `Basic ${btoa('elastic:pass:word')}`);
    assert.throws(() => elasticsearchKind.create({ url, user: 'x' }), /user and password/);
    assert.throws(() => elasticsearchKind.create({ url, api_key: 'a\r\nb' }), /no header may hold/);
  });

  it('gives every format a time', async () => {
    for (const format of ['ocsf', 'falco']) {
      await send(GOOD, { format });
      const document = JSON.parse(server.received.at(-1)?.body.split('\n')[1] ?? '');
      assert.equal(document['@timestamp'], sampleAlert().time, format);
    }
  });

  it('reads what became of every document', async () => {
    const cases: [string, string][] = [
      [items(201, 409), 'ok'],
      [items(409, 409), 'ok'],
      [items(201, 429), 'retry rate_limited'],
      [items(201, 503), 'retry server_error'],
      [items(400, 503), 'retry server_error'],
      [items(201, 400), 'permanent client_error'],
      [items(403, 403), 'permanent auth'],
      [items(404, 404), 'permanent configuration'],
      [items(), 'ambiguous server_error'],
      ['<html>welcome</html>', 'ambiguous server_error'],
      ['[]', 'ambiguous server_error'],
      ['null', 'ambiguous server_error'],
      ['{"items":[null,7]}', 'permanent client_error'],
    ];
    for (const [answer, outcome] of cases)
      assert.equal(briefly(await send(answer)), outcome, answer);
    assert.match(
      (await send(items(201, 400))).detail,
      /1 of 2 documents refused: type_400: reason 400/,
    );
  });
});
