import assert from 'node:assert/strict';
import { generateKeyPairSync, verify } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { webhookKind } from '../../../src/delivery/channels/webhook/index.ts';
import { readSigner, signatureHeaders } from '../../../src/delivery/channels/webhook/signature.ts';
import { isPublicAddress } from '../../../src/delivery/http/address.ts';
import { ChannelSettingsError, mayBeThere } from '../../../src/delivery/outcome.ts';
import { shownFingerprint } from '../../../src/routing/fingerprint.ts';
import { selfSigned } from '../certificate.ts';
import {
  briefly,
  forever,
  groupNotification,
  hostileAlert,
  sampleAlert,
  sampleNotification,
} from '../sample.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

interface Received {
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly path: string;
}

describe('webhook channel', () => {
  let server: Server;
  let url: string;
  let received: Received[];
  let answer: (response: ServerResponse, request: IncomingMessage) => void;
  const sockets = new Set<Socket>();

  beforeEach(async () => {
    received = [];
    answer = (response) => response.end('thanks');
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        const headers = request.headers as Record<string, string>;
        received.push({ headers, body, path: request.url ?? '' });
        answer(response, request);
      });
    });
    server.on('connection', (socket) => {
      sockets.add(socket.on('close', () => sockets.delete(socket)).on('error', () => {}));
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((done) => server.close(done));
  });

  const send = async (settings: object = {}, notification = sampleNotification()) => {
    const sender = webhookKind.create({
      url,
      secret: SECRET,
      allow_private_addresses: true,
      ...settings,
    });
    const outcome = await sender.send(notification, forever());
    await sender.close();
    return outcome;
  };
  const answerWith = (status: number, headers: Record<string, string> = {}, body = '') => {
    answer = (response) => response.writeHead(status, headers).end(body);
  };
  it('says when some of several messages were taken, and when a gateway cannot know', async () => {
    const two = sampleNotification({ alerts: [sampleAlert(), sampleAlert({ hostname: 'b' })] });
    for (const [status, result] of [
      [503, 'retry'],
      [400, 'permanent'],
    ] as const) {
      received.length = 0;
      answer = (response) => response.writeHead(received.length === 1 ? 200 : status).end();
      const outcome = await send({ body: 'falco' }, two);
      assert.deepEqual([outcome.result, mayBeThere(outcome)], [result, true]);
      assert.equal(received.length, 2);
      answerWith(status);
      assert.equal(mayBeThere(await send({ body: 'falco' }, two)), false);
    }
    for (const status of [502, 504]) {
      answerWith(status);
      assert.equal(briefly(await send()), 'ambiguous server_error');
    }
  });

  it('writes the forms that other receivers know', async () => {
    const two = sampleNotification({
      alerts: [sampleAlert(), sampleAlert({ hostname: 'node-2' })],
    });
    for (const body of ['cloudevents', 'alertmanager', 'falco'])
      assert.equal(briefly(await send({ body }, two)), 'ok');
    const [event, message, ...falco] = received.map(({ body }) => JSON.parse(body));
    assert.equal(received[0]?.headers['content-type'], 'application/cloudevents+json');
    assert.deepEqual(
      [event.specversion, event.id, event.type, event.data.alerts.length],
      ['1.0', two.id, 'tocsin.notification', 2],
    );
    assert.deepEqual(
      [message.version, message.status, message.receiver, message.truncatedAlerts],
      ['4', 'firing', 'oncall', 0],
    );
    assert.equal(message.commonLabels.rule, sampleAlert().rule);
    assert.equal('hostname' in message.commonLabels, false);
    assert.equal(message.alerts[1].labels.hostname, 'node-2');
    assert.equal(message.alerts[0].endsAt, '0001-01-01T00:00:00Z');
    assert.deepEqual(
      falco.map(({ hostname }) => hostname),
      ['node-1', 'node-2'],
    );
    assert.equal(
      new Set(received.map(({ headers }) => headers['webhook-id'])).size,
      3,
      'an id a message',
    );
    for (const { body, headers } of received) new Webhook(SECRET).verify(body, headers);
  });
  it('tells a group in the words of Alertmanager', async () => {
    await send({ body: 'alertmanager' }, groupNotification({ firing: 1, resolved: 1 }));
    const message = JSON.parse(received[0]?.body ?? '');
    assert.equal(message.groupKey, '{}:{cluster="a"}');
    assert.deepEqual(message.groupLabels, { cluster: 'a' });
    assert.deepEqual(
      message.alerts.map(({ status, endsAt }: { status: string; endsAt: string }) => [
        status,
        endsAt,
      ]),
      [
        ['firing', '0001-01-01T00:00:00Z'],
        ['resolved', '2026-11-20T10:05:00.000Z'],
      ],
    );
  });
  it('passes on what a program said that speaks to Alertmanager', async () => {
    const labels = { alertname: 'Down', node: 'n1' };
    const external = {
      ...{ labels, annotations: { runbook: 'http://x/y' }, generator_url: 'http://prometheus/g' },
      ...{ starts_at: null, ends_at: null },
    };
    const alerts = [sampleAlert({ external })];
    const grouped = groupNotification({ firing: 1, resolved: 1 });
    await send({ body: 'alertmanager' }, sampleNotification({ alerts }));
    await send({ body: 'alertmanager' }, { ...grouped, alerts });
    const [alone, group] = received.map(({ body }) => JSON.parse(body));
    assert.deepEqual(alone.alerts[0].labels, labels);
    assert.equal(alone.alerts[0].fingerprint, shownFingerprint(labels));
    assert.deepEqual(alone.commonAnnotations, external.annotations);
    for (const { alerts } of [alone, group]) {
      assert.deepEqual(alerts[0].annotations, external.annotations);
      assert.equal(alerts[0].generatorURL, external.generator_url);
    }
    assert.deepEqual([group.alerts[1].annotations, group.truncatedAlerts], [{}, 0]);
  });
  it('signs what the reference library verifies, for both forms of secret', async () => {
    assert.equal(briefly(await send()), 'ok');
    assert.equal(briefly(await send({ secret: 'a plain text secret' })), 'ok');
    const [first, second] = received as [Received, Received];
    const payload = new Webhook(SECRET).verify(first.body, first.headers) as {
      type: string;
      data: { alerts: { output: string }[]; count: number };
    };
    assert.equal(payload.type, 'alert');
    assert.equal(payload.data.alerts[0]?.output, sampleNotification().alerts[0]?.output);
    assert.equal(payload.data.count, 3);
    new Webhook('a plain text secret', { format: 'raw' }).verify(second.body, second.headers);
    assert.equal(first.headers['webhook-id'], sampleNotification().id);
    const odd = signatureHeaders('1-a.b c', 0, '', [readSigner('secret', 'x')]);
    assert.equal(odd['webhook-id'], '1-a~2e~b~20~c', 'the names of channels have dots');
    assert.throws(() => new Webhook(SECRET).verify(`${first.body} `, first.headers));
  });

  it('agrees with the vector of the specification', () => {
    const headers = signatureHeaders(
      'msg_p5jXN8AQM9LWM0D4loKWxJek',
      1614265330_000,
      '{"test": 2432232314}',
      [readSigner('secret', SECRET)],
    );
    assert.equal(headers['webhook-signature'], 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  });

  it('signs with an Ed25519 key, and with the key before as long as both are set', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32);
    const known = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
    for (const bytes of [seed, Buffer.concat([seed, known])]) {
      received.length = 0;
      await send({ secret: `whsk_${bytes.toString('base64')}`, previous_secret: SECRET });
      const { headers = {}, body = '' }: Partial<Received> = received[0] ?? {};
      const [first = '', second = ''] = (headers['webhook-signature'] ?? '').split(' ');
      const message = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
      assert.match(first, /^v1a,/);
      const signature = Buffer.from(first.slice('v1a,'.length), 'base64');
      assert.ok(verify(null, Buffer.from(message), publicKey, signature));
      assert.match(second, /^v1,/);
      new Webhook(SECRET).verify(body, headers);
    }
    const mixed = Buffer.concat([seed, Buffer.alloc(32)]).toString('base64');
    for (const broken of ['whsk_AAAA', 'whsk_*', `whsk_${mixed}`, `whsk_${mixed}AAAA`])
      assert.throws(
        () => webhookKind.create({ url, secret: broken }),
        (error) => error instanceof ChannelSettingsError && !error.message.includes(broken),
      );
  });

  it('tells what each status means', async () => {
    const cases: [number, string][] = [
      [200, 'ok'],
      [204, 'ok'],
      [302, 'permanent client_error'],
      [400, 'permanent client_error'],
      [401, 'permanent auth'],
      [404, 'permanent client_error'],
      [408, 'retry timeout'],
      [410, 'permanent configuration'],
      [413, 'permanent rendering'],
      [429, 'retry rate_limited'],
      [500, 'retry server_error'],
      [503, 'retry server_error'],
    ];
    for (const [status, expected] of cases) {
      answerWith(status, status === 302 ? { location: `${url}/elsewhere` } : {}, 'because');
      const outcome = await send();
      assert.equal(briefly(outcome), expected, String(status));
      if (status !== 204) assert.match(outcome.detail, new RegExp(`HTTP ${status}: because`));
    }
    assert.ok(
      received.every(({ path }) => path === '/hook'),
      'no redirect was followed',
    );
  });

  it('honours Retry-After in seconds and as a date, within a day', async () => {
    const retryAfterOf = async (value: string) => {
      answerWith(429, { 'retry-after': value });
      return ((await send()) as { retryAfterMs?: number }).retryAfterMs;
    };
    assert.equal(await retryAfterOf('7'), 7000);
    assert.equal(await retryAfterOf('1.5'), 1500);
    assert.equal(await retryAfterOf('999999999'), 86_400_000);
    assert.equal(await retryAfterOf('9'.repeat(40)), 86_400_000);
    assert.equal(await retryAfterOf('Sunday, 06-Nov-94 08:49:37 GMT'), 0);
    assert.equal(await retryAfterOf('Sun Nov  6 08:49:37 1994'), 0);
    for (const status of [408, 500, 502, 503, 504, 529]) {
      answerWith(status, { 'retry-after': '7' });
      const outcome = await send();
      assert.equal((outcome as { retryAfterMs?: number }).retryAfterMs, 7000, String(status));
    }
    const inAnHour = await retryAfterOf(new Date(Date.now() + 3_600_000).toUTCString());
    assert.ok(inAnHour !== undefined && inAnHour > 3_590_000 && inAnHour <= 3_600_000);
    assert.equal(await retryAfterOf('soon'), undefined);
    assert.equal(await retryAfterOf('-5'), undefined);
  });

  it('is ambiguous when the answer does not come, breaks off or is garbage', async () => {
    answer = () => {};
    assert.equal(briefly(await send({ timeout: '1s' })), 'ambiguous timeout');
    answer = (_response, request) => request.socket.resetAndDestroy();
    assert.equal(briefly(await send()), 'ambiguous connection');
    answer = (_response, request) => request.socket.end('\u0000\u0001 what is HTTP\r\n\r\n');
    assert.equal(briefly(await send()), 'ambiguous connection');
    answer = (_response, request) => {
      request.socket.write('HTTP/1.1 200 OK\r\nX-Drip: ');
      const drip = setInterval(() => request.socket.write('.'), 100);
      request.socket.on('close', () => clearInterval(drip));
    };
    assert.equal(briefly(await send({ timeout: '1s' })), 'ambiguous timeout');
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    answer = () => stop.abort();
    const sender = webhookKind.create({ url, secret: SECRET, allow_private_addresses: true });
    assert.equal(briefly(await sender.send(sampleNotification(), stop)), 'ambiguous aborted');
    await sender.close();
  });

  it('goes by the status and reads no more than 4 KB of a body that floods or drips', async () => {
    let written = 0;
    answer = (response) => {
      response.writeHead(500);
      const chunk = Buffer.alloc(65_536, 'x');
      const flood = () => {
        while (written < 1_000_000_000 && !response.destroyed) {
          written += chunk.length;
          if (!response.write(chunk)) break;
        }
      };
      response.on('drain', flood).on('error', () => {});
      flood();
    };
    assert.equal(briefly(await send()), 'retry server_error');
    assert.ok(written < 100_000_000, `${written} bytes were taken`);
    answer = (response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write('.'), 50);
      response.on('close', () => clearInterval(drip));
    };
    assert.equal(briefly(await send()), 'ok');
  });

  it('says that nothing listens, or that a name is unknown', async () => {
    await new Promise((done) => server.close(done));
    assert.equal(briefly(await send()), 'retry connection');
    assert.equal(briefly(await send({ url: 'http://no-such-host.invalid/' })), 'retry dns');
    server.listen(0);
  });

  it('refuses a certificate that nobody vouches for', async () => {
    const { key, cert } = selfSigned('localhost');
    const secure = createSecureServer({ key, cert }, (_request, response) => response.end());
    await new Promise<void>((done) => secure.listen(0, '127.0.0.1', done));
    const { port } = secure.address() as AddressInfo;
    const outcome = await send({ url: `https://localhost:${port}/` });
    secure.closeAllConnections();
    await new Promise((done) => secure.close(done));
    assert.equal(briefly(outcome), 'retry tls');
    assert.match(outcome.detail, /self-signed/);
  });

  it('does not connect to private addresses unless that is allowed', async () => {
    const { port } = server.address() as AddressInfo;
    for (const host of [
      '127.0.0.1',
      'localhost',
      '[::1]',
      '0x7f.1',
      '2130706433',
      '[::ffff:127.0.0.1]',
      '0',
    ])
      for (const allow of [false, undefined]) {
        const outcome = await send({
          url: `http://${host}:${port}/`,
          allow_private_addresses: allow,
        });
        assert.equal(briefly(outcome), 'permanent blocked', host);
      }
    assert.equal(received.length, 0);
    assert.equal(briefly(await send({ url: `http://localhost:${port}/` })), 'ok');
  });

  it('knows which addresses are public', () => {
    const refused =
      '0.0.0.0 10.1.2.3 100.64.0.1 100.100.100.200 127.0.0.1 168.63.129.16 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.192 192.168.1.1 198.18.0.1 203.0.113.9 224.0.0.1 240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 ::ffff:10.0.0.1 ::ffff:a9fe:a9fe 64:ff9b::7f00:1 64:ff9b::169.254.169.254 64:ff9b:1::8.8.8.8 fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 fd20:ce::254 ff02::1 2001::1 2001:db8::1 2002:7f00:1:: 3fff::1 4000::1 nonsense';
    for (const address of refused.split(' '))
      assert.equal(isPublicAddress(address), false, address);
    const allowed =
      '8.8.8.8 172.32.0.1 100.128.0.1 168.63.129.17 2606:4700::1111 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2a00:1450::1';
    for (const address of allowed.split(' ')) assert.equal(isPublicAddress(address), true, address);
  });

  it('sends configured headers but never lets them replace its own', async () => {
    await send({ headers: { Authorization: 'Bearer x', 'Content-Language': 'en' } });
    const { authorization } = received[0]?.headers ?? {};
    assert.equal(authorization, 'Bearer x');
    for (const headers of [{ 'Webhook-Id': 'x' }, { Host: 'x' }, { 'X-A': 'a\r\nB: c' }])
      assert.throws(
        () => webhookKind.create({ url, secret: SECRET, headers }),
        ChannelSettingsError,
      );
    assert.throws(() => webhookKind.create({ url, secret: 'whsec_*' }), ChannelSettingsError);
  });

  it('goes through a proxy, which knows where to, and what it refuses was not received', async () => {
    const asked: string[] = [];
    const proxy = createServer();
    proxy.on('connect', ({ url: target = '', headers }: IncomingMessage, client: Socket) => {
      asked.push(`${target} ${headers['proxy-authorization']}`);
      client.on('error', () => {});
      const given = headers['proxy-authorization'];
      if (given === 'Basic silent') {
        client.resume().on('end', () => client.end());
        return;
      }
      if (given !== 'Basic eDp5') {
        client.end(`HTTP/1.1 ${given === 'Basic no' ? 403 : 407} No\r\n\r\n`);
        return;
      }
      const upstream = connect(Number(target.split(':')[1]), '127.0.0.1', () => {
        client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
        upstream.pipe(client).pipe(upstream);
      });
      upstream.on('error', () => client.destroy());
      client.on('close', () => upstream.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const { port } = new URL(url);
    const through = (proxy_authorization: string) =>
      send({
        url: `http://hooks.example:${port}/`,
        allow_private_addresses: false,
        proxy: address,
        proxy_authorization,
      });
    try {
      assert.equal((await through('Basic eDp5')).result, 'ok');
      assert.equal(received[0]?.headers['host'], `hooks.example:${port}`);
      assert.equal(received[0]?.headers['proxy-authorization'], undefined);
      const refused = await through('Basic wrong');
      assert.equal(briefly(refused), 'permanent auth');
      assert.match(refused.detail, /407/);
      assert.equal(briefly(await through('Basic no')), 'permanent blocked');
      assert.equal(briefly(await through('Basic silent')), 'retry timeout', 'and ends by itself');
      assert.deepEqual(asked.slice(0, 2), [
        `hooks.example:${port} Basic eDp5`,
        `hooks.example:${port} Basic wrong`,
      ]);
    } finally {
      await new Promise((resolve) => proxy.close(resolve));
    }
    const gone = await through('Basic eDp5');
    assert.equal(gone.result, 'retry');
    assert.equal(received.length, 1);
  });

  it('carries hostile text as data', async () => {
    const alert = hostileAlert();
    await send({}, sampleNotification({ alerts: [alert] }));
    const { data } = JSON.parse(received[0]?.body ?? '');
    assert.equal(data.alerts[0].output, alert.output);
    assert.deepEqual(data.alerts[0].output_fields, alert.output_fields);
  });
});
