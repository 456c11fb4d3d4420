/** Messages through the client to a cluster that speaks the protocol, read again by an independent consumer. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Notification, Outcome, Sender } from '../../../src/delivery/channel.ts';
import { kafkaKind } from '../../../src/delivery/channels/kafka/index.ts';
import { batchesOf } from '../../../src/delivery/channels/kafka/render.ts';
import { startDelivery } from '../../../src/delivery/delivery.ts';
import { anAlert, enroll } from '../../support/agent.ts';
import { startTestControlPlane } from '../../support/control-plane.ts';
import { selfSigned } from '../certificate.ts';
import {
  type ClusterOptions,
  INIT_PRODUCER_ID,
  KafkaCluster,
  METADATA,
  PRODUCE,
  skipKafka,
  TOPIC,
} from '../kafka-cluster.ts';
import {
  briefly,
  forever,
  groupNotification,
  hostileAlert,
  sampleAlert,
  sampleNotification,
  waitFor,
} from '../sample.ts';

describe('a kafka channel', { skip: skipKafka }, () => {
  let cluster: KafkaCluster;
  let senders: Sender[] = [];
  let folder: string;
  const certificate = selfSigned('localhost');
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tocsin-kafka-'));
    writeFileSync(join(folder, 'ca.pem'), certificate.cert);
    cluster = new KafkaCluster();
    await cluster.start();
  });
  afterEach(async () => {
    cluster.fate = () => 'pass';
    await Promise.all(senders.map((sender) => sender.close()));
    senders = [];
  });
  after(async () => {
    await cluster.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const sender = (settings: object = {}, of = cluster): Sender => {
    const made = kafkaKind.create({ brokers: of.brokers, topic: TOPIC, tls: false, ...settings });
    senders.push(made);
    return made;
  };
  const send = (by: Sender, notification: Notification, signal = forever().signal) =>
    by.send(notification, { signal });
  const fresh = (id: string, change: Partial<Notification> = {}) =>
    sampleNotification({ id, ...change });
  /** What was written of a notification. */
  const written = async (id: string) =>
    (await cluster.consume()).filter(({ headers }) => headers.includes(`tocsin-id=${id}-`));

  it('writes an alert once, whatever it is called, with its key and what it is', async () => {
    const by = sender();
    const alerts = [hostileAlert(), sampleAlert()];
    assert.equal(briefly(await send(by, fresh('first', { alerts }))), 'ok');
    const records = await written('first');
    assert.deepEqual(
      records.map(({ key, headers }) => [key, headers]),
      [0, 1].map((position) => [
        'f00d',
        `content-type=application/json,tocsin-id=first-${position}`,
      ]),
    );
    const [hostile] = records.map(({ value }) => JSON.parse(value));
    assert.deepEqual(hostile.output_fields, hostileAlert().output_fields);
  });

  it('writes every format, and every compression can be read', async () => {
    for (const format of ['ecs', 'ocsf', 'cef', 'leef', 'falco'])
      assert.equal(briefly(await send(sender({ format }), fresh(`format-${format}`))), 'ok');
    for (const compression of ['none', 'gzip', 'snappy', 'lz4'])
      assert.equal(
        briefly(await send(sender({ compression }), fresh(`packed-${compression}`))),
        'ok',
      );
    for (const format of ['tocsin', 'cloudevents'])
      assert.equal(briefly(await send(sender({ format }), fresh(`whole-${format}`))), 'ok');
    const records = await cluster.consume();
    const value = (id: string) => records.find(({ headers }) => headers.endsWith(id))?.value ?? '';
    assert.equal(JSON.parse(value('format-ecs-0')).event.kind, 'alert');
    assert.equal(JSON.parse(value('format-ocsf-0')).class_uid, 2004);
    assert.match(value('format-cef-0'), /^CEF:0\|Tocsin\|/);
    assert.match(value('format-leef-0'), /^LEEF:2\.0\|Tocsin\|/);
    const texts = ['none', 'gzip', 'snappy', 'lz4'].map(
      (compression) => JSON.parse(value(`packed-${compression}-0`)).rule,
    );
    assert.deepEqual(new Set(texts), new Set(['Read sensitive file untrusted']));
    assert.equal(JSON.parse(value('whole-tocsin')).data.notification, 'whole-tocsin');
    const event = records.find(({ headers }) => headers.endsWith('whole-cloudevents'));
    assert.match(event?.headers ?? '', /^content-type=application\/cloudevents\+json,/);
    assert.equal(JSON.parse(event?.value ?? '').specversion, '1.0');
  });

  it('keeps the order of what has one key, and tells a group by its key', async () => {
    const by = sender();
    const kinds = ['a', 'b', 'c', 'd', 'e', 'f'];
    for (let round = 0; round < 20; round++) {
      const alerts = kinds.map((fingerprint) => sampleAlert({ fingerprint, count: round }));
      assert.equal(briefly(await send(by, fresh(`order-${round}`, { alerts }))), 'ok');
    }
    const records = (await cluster.consume()).filter(({ headers }) => headers.includes('=order-'));
    assert.equal(records.length, 120);
    for (const kind of kinds) {
      const own = records.filter(({ key }) => key === kind);
      assert.equal(new Set(own.map(({ partition }) => partition)).size, 1);
      assert.deepEqual(
        own.map(({ value }) => JSON.parse(value).count),
        Array.from({ length: 20 }, (_, round) => round),
      );
    }
    assert.ok(new Set(records.map(({ partition }) => partition)).size > 1, 'all in one partition');
    const group = groupNotification({ firing: 2, resolved: 1 });
    assert.equal(briefly(await send(by, { ...group, id: 'group' })), 'ok');
    const keys = new Set((await written('group')).map(({ key }) => key));
    assert.equal(keys.size, 1);
    assert.match([...keys][0] ?? '', /^tocsin-[0-9a-f]{64}$/);
  });

  it('goes on when brokers were away', async () => {
    const by = sender();
    assert.equal(briefly(await send(by, fresh('before'))), 'ok');
    await cluster.goAway();
    assert.match(briefly(await send(by, fresh('away'))), /^(retry|ambiguous) connection$/);
    assert.equal(briefly(await send(by, fresh('away'))), 'retry connection');
    await cluster.comeBack();
    assert.equal(briefly(await send(by, fresh('away'))), 'ok');
    assert.equal((await written('away')).length, 1);
  });

  it('writes once when an answer is lost, and all that comes after', async () => {
    const by = sender();
    let lose = 1;
    cluster.fate = (key) => (key === PRODUCE && lose-- > 0 ? 'lose the answer' : 'pass');
    assert.equal(briefly(await send(by, fresh('lost'))), 'ok');
    assert.equal(briefly(await send(by, fresh('next'))), 'ok');
    assert.equal((await written('lost')).length, 1);
    assert.equal((await written('next')).length, 1);
  });

  it('says that it does not know when no answer comes, and loses nothing after that', async () => {
    const by = sender();
    cluster.fate = (key) => (key === PRODUCE ? 'lose the answer' : 'pass');
    assert.equal(briefly(await send(by, fresh('unknown'))), 'ambiguous connection');
    cluster.fate = () => 'pass';
    // With the numbers of the batch before, Kafka would take this for a copy of it.
    assert.equal(briefly(await send(by, fresh('other'))), 'ok');
    assert.equal((await written('other')).length, 1);
    const leader = sender({ acks: 'leader' });
    cluster.requests.length = 0;
    cluster.fate = (key) => (key === PRODUCE ? 'cut' : 'pass');
    assert.equal(briefly(await send(leader, fresh('torn'))), 'ambiguous connection');
    assert.equal(cluster.requests.filter((key) => key === PRODUCE).length, 1);
    assert.ok(!cluster.requests.includes(INIT_PRODUCER_ID));
  });

  it('knows what brokers refuse from what they cannot do now', async () => {
    const cases: [number, string][] = [
      [10, 'permanent rendering'],
      [29, 'permanent auth'],
      [76, 'permanent configuration'],
      [89, 'retry rate_limited'],
      [19, 'retry server_error'],
      [20, 'ambiguous server_error'],
      [7, 'ambiguous server_error'],
      [56, 'retry server_error'],
    ];
    for (const [error, expected] of cases) {
      cluster.fate = (key) => (key === PRODUCE ? { error } : 'pass');
      const outcome = await send(sender(), fresh('refused'));
      assert.equal(briefly(outcome), expected, `${error}: ${outcome.detail}`);
      assert.match(outcome.detail, /^[A-Z_]+: /);
    }
    assert.equal((await written('refused')).length, 0);
  });

  it('asks for a topic that there is not', async () => {
    const outcome = await send(sender({ topic: 'nowhere' }), fresh('nowhere'));
    assert.equal(briefly(outcome), 'permanent configuration');
    assert.match(outcome.detail, /Unknown topic nowhere\. It is not made; create it first\./);
  });

  it('ends when it is told to, and is not held by silence', async () => {
    const cases = [
      [METADATA, 'retry'],
      [PRODUCE, 'ambiguous'],
    ] as const;
    for (const [silent, result] of cases) {
      const reasons = [
        ['aborted', undefined],
        ['timeout', new DOMException('', 'TimeoutError')],
      ] as const;
      for (const [reason, by] of reasons) {
        const stop = new AbortController();
        cluster.fate = (key) => {
          if (key === silent) stop.abort(by);
          return key === silent ? 'silence' : 'pass';
        };
        const outcome = await send(sender(), fresh('silence'), stop.signal);
        assert.equal(briefly(outcome), `${result} ${reason}`);
      }
    }
  });

  it('keeps no answer that no broker would give', async () => {
    const sockets: Socket[] = [];
    const chunk = Buffer.alloc(65_536, 0x7f);
    const server = createServer((socket) => {
      sockets.push(socket.on('error', () => {}));
      let left = 4096;
      const flood = () => {
        while (left-- > 0 && socket.writable) if (!socket.write(chunk)) return;
      };
      socket.on('drain', flood).once('data', flood);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const brokers = [`127.0.0.1:${(server.address() as { port: number }).port}`];
    const outcome = await send(sender({ brokers }), fresh('flood'));
    assert.equal(briefly(outcome), 'retry connection');
    const taken = sockets.reduce(
      (sum, socket) => sum + socket.bytesWritten - socket.writableLength,
      0,
    );
    assert.ok(taken < 100 * 1024 * 1024, `${taken} bytes were taken`);
    for (const socket of sockets) socket.destroy();
    await new Promise((done) => server.close(done));
  });

  it('takes nothing that is no answer for success', async () => {
    const held = new Set<Socket>();
    const server = createServer((socket) => {
      held.add(socket);
      socket.on('error', () => {});
      socket.on('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as { port: number };
    try {
      const by = sender({ brokers: [`127.0.0.1:${port}`] });
      const outcome = await send(by, fresh('garbage'), AbortSignal.timeout(2000));
      assert.equal(outcome.result, 'retry', outcome.detail);
    } finally {
      for (const socket of held) socket.destroy();
      await new Promise((done) => server.close(done));
    }
  });

  const withCluster = async (
    options: ClusterOptions,
    body: (own: KafkaCluster) => Promise<void>,
  ) => {
    const own = new KafkaCluster(options);
    try {
      await own.start();
      await body(own);
    } finally {
      await Promise.all(senders.map((one) => one.close()));
      await own.stop();
    }
  };
  const tls = { key: certificate.key, cert: certificate.cert };
  const trusting = () => ({ tls: true, ca_file: join(folder, 'ca.pem') });

  it('speaks TLS with whom it trusts only', () =>
    withCluster({ tls }, async (own) => {
      assert.equal(briefly(await send(sender(trusting(), own), fresh('tls'))), 'ok');
      const stranger = await send(sender({ tls: true }, own), fresh('stranger'));
      assert.equal(briefly(stranger), 'retry tls', stranger.detail);
      const plain: Outcome = await send(sender({}, own), fresh('plain'), AbortSignal.timeout(3000));
      assert.equal(plain.result, 'retry', plain.detail);
      const [only] = await own.consume();
      assert.match(only?.headers ?? '', /tocsin-id=tls-0$/);
    }));

  for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'])
    it(`logs in with ${mechanism}, and tells nobody how`, () =>
      withCluster({ tls, sasl: { mechanism, user: 'tocsin', password: 's3cret' } }, async (own) => {
        const login = (password: string, by = mechanism) =>
          sender({ ...trusting(), sasl: { mechanism: by, user: 'tocsin', password } }, own);
        assert.equal(briefly(await send(login('s3cret'), fresh('login'))), 'ok');
        const refused = await send(login('wr0ng'), fresh('wrong'));
        assert.equal(briefly(refused), 'permanent auth', refused.detail);
        assert.doesNotMatch(refused.detail, /wr0ng/);
        const other = await send(
          login('s3cret', mechanism === 'PLAIN' ? 'SCRAM-SHA-512' : 'PLAIN'),
          fresh('other'),
        );
        assert.equal(briefly(other), 'permanent auth', other.detail);
        const none = await send(sender(trusting(), own), fresh('none'));
        assert.equal(none.result, 'retry', none.detail);
      }));

  it('is told what a control plane admits, once, and let go when that stops', async (t) => {
    const { brokers } = cluster;
    const kafka = { brokers, topic: TOPIC, tls: false };
    const plane = await startTestControlPlane(
      t,
      { channels: [{ name: 'k', kafka }] },
      startDelivery,
    );
    const agent = await enroll(plane);
    const rules = Array.from({ length: 20 }, (_, index) => `Rule ${index}`);
    for (const rule of rules) assert.equal((await agent.send([anAlert({ rule })])).status, 202);
    const told = async () =>
      (await cluster.consume())
        .filter(({ value }) => value.includes('"rule":"Rule '))
        .map(({ value }) => JSON.parse(value).rule);
    await waitFor(async () => (await told()).length === rules.length);
    assert.deepEqual((await told()).sort(), [...rules].sort());
    assert.ok(cluster.connections > 0);
    await plane.stop();
    await waitFor(() => cluster.connections === 0);
  });

  it('splits what is too much for one batch', () => {
    const record = (bytes: number) => ({
      key: Buffer.alloc(8),
      value: Buffer.alloc(bytes),
      headers: new Map<Buffer, Buffer>(),
    });
    const sizes = (records: number[]) =>
      batchesOf(records.map(record)).map((batch) => batch.map(({ value }) => value.length));
    assert.deepEqual(sizes([]), []);
    assert.deepEqual(sizes([1, 2, 3]), [[1, 2, 3]]);
    assert.deepEqual(sizes([500_000, 500_000, 10]), [[500_000], [500_000, 10]]);
    assert.deepEqual(sizes([2_000_000, 10, 10]), [[2_000_000], [10, 10]]);
  });
});
