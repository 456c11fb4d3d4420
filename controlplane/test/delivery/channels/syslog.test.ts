import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import type { Sender } from '../../../src/delivery/channel.ts';
import { syslogKind } from '../../../src/delivery/channels/syslog/index.ts';
import { selfSigned } from '../certificate.ts';
import {
  briefly,
  forever,
  hostileAlert,
  sampleAlert,
  sampleNotification,
  waitFor,
} from '../sample.ts';

const MESSAGE =
  /^<(\d+)>1 (\S+) (\S+) (\S+) (\S+) (\S+) (-|(?:\[(?:\\.|"(?:\\["\\\]]|[^"\\\]])*"|[^\]"])*\])+)(?: (.*))?$/su;

/** Takes messages counted in octets, as RFC 6587 says. */
class Receiver {
  readonly messages: string[] = [];
  readonly sockets: Socket[] = [];
  readonly server: Server;

  constructor(server?: Server) {
    this.server = server ?? createServer();
    this.server.on(server ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.sockets.push(socket);
      let buffer = Buffer.alloc(0);
      socket.on('error', () => {});
      socket.on('data', (bytes) => {
        buffer = Buffer.concat([buffer, bytes]);
        for (;;) {
          const space = buffer.indexOf(' ');
          const length = Number(buffer.subarray(0, Math.max(space, 0)).toString());
          if (space < 1 || buffer.length < space + 1 + length) return;
          this.messages.push(buffer.toString('utf8', space + 1, space + 1 + length));
          buffer = buffer.subarray(space + 1 + length);
        }
      });
    });
  }

  async listen(port = 0): Promise<number> {
    this.server.listen(port, '127.0.0.1');
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

describe('syslog channel', () => {
  const open: Sender[] = [];
  const create = (settings: object): Sender => {
    const sender = syslogKind.create({ host: '127.0.0.1', ...settings });
    open.push(sender);
    return sender;
  };
  afterEach(async () => {
    await Promise.all(open.splice(0).map((sender) => sender.close()));
  });

  describe('over TCP', () => {
    let receiver: Receiver;
    let port: number;
    beforeEach(async () => {
      receiver = new Receiver();
      port = await receiver.listen();
    });
    afterEach(() => receiver.close());

    it('writes RFC 5424 with structured data, a message an alert, over one connection', async () => {
      const sender = create({ transport: 'tcp', port, facility: 'authpriv', app_name: 'bell' });
      const two = sampleNotification({
        alerts: [sampleAlert(), sampleAlert({ priority: 'Critical' })],
      });
      assert.equal(briefly(await sender.send(two, forever())), 'ok');
      assert.equal(briefly(await sender.send(sampleNotification(), forever())), 'ok');
      await waitFor(() => receiver.messages.length === 3);
      assert.equal(receiver.sockets.length, 1);
      const [, pri, time, host, app, proc, id, data, text] =
        MESSAGE.exec(receiver.messages[0] ?? '') ?? [];
      assert.deepEqual(
        [pri, time, host, app, proc, id],
        [String(10 * 8 + 4), '2026-11-20T10:00:00.123456Z', 'node-1', 'bell', '-', 'alert'],
      );
      assert.match(
        data ?? '',
        /\[tocsin@32473 rule="Read sensitive file untrusted" priority="Warning"/,
      );
      assert.match(data ?? '', /\[fields@32473 .*proc\.cmdline="cat \/etc\/shadow"/);
      assert.equal(text, `\ufeff${sampleAlert().output}`);
      assert.match(receiver.messages[1] ?? '', /^<82>1 /);
    });

    it('cannot be given structured data or a second message by an event', async () => {
      const evil = 'x"] [forged@1 a="b"]\n<0>1 - - - - - - forged \\';
      const sender = create({ transport: 'tcp', port });
      const alerts = [
        sampleAlert({
          rule: evil,
          hostname: 'a b\n<0>',
          output: evil,
          output_fields: { 'proc.cmdline': evil, 'proc.aname[2]': 'sh', 'a"]= b': 'c' },
        }),
        hostileAlert(),
      ];
      await sender.send(sampleNotification({ alerts }), forever());
      await waitFor(() => receiver.messages.length === 2);
      for (const message of receiver.messages) {
        assert.doesNotMatch(message.replace('\ufeff', ''), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        const [, , , , , , , data = ''] = MESSAGE.exec(message) ?? [];
        const outsideValues = data.replace(/"(?:\\["\\\]]|[^"\\\]])*"/g, '');
        assert.match(
          outsideValues,
          /^\[origin [^[\]]*\]\[tocsin@32473 [^[\]]*\]\[fields@32473 [^[\]]*\]$/,
        );
        assert.doesNotMatch(outsideValues, /forged/);
      }
      assert.match(receiver.messages[0] ?? '', / proc\.aname\.2="sh"/);
      assert.ok(receiver.messages[1]?.includes('\\x1b]0;owned'));
    });

    it('carries the other formats as text', async () => {
      for (const [format, start] of [
        ['cef', 'CEF:0|'],
        ['leef', 'LEEF:2.0|'],
        ['ecs', '{"@timestamp'],
        ['ocsf', '{"activity_id'],
        ['falco', '{"uuid'],
      ]) {
        await create({ transport: 'tcp', port, format }).send(sampleNotification(), forever());
        await waitFor(() =>
          receiver.messages.some((message) => message.includes(` - alert - ${start}`)),
        );
      }
    });

    it('keeps messages within max_message_bytes', async () => {
      const sender = create({ transport: 'tcp', port, max_message_bytes: 2048 });
      const output_fields = Object.fromEntries(
        Array.from({ length: 100 }, (_, index) => [`f${index}`, '"'.repeat(2000)]),
      );
      await sender.send(
        sampleNotification({
          alerts: [sampleAlert({ output: 'é'.repeat(60_000), output_fields })],
        }),
        forever(),
      );
      await waitFor(() => receiver.messages.length === 1);
      assert.ok(Buffer.byteLength(receiver.messages[0] ?? '') <= 2048);
      assert.match(receiver.messages[0] ?? '', MESSAGE);
    });

    it('tells what was held back in a message of its own', async () => {
      const held = { count: 37, byRule: [{ rule: 'A', count: 37 }] };
      await create({ transport: 'tcp', port }).send(sampleNotification({ held }), forever());
      await waitFor(() => receiver.messages.length === 2);
      assert.match(receiver.messages[1] ?? '', /rule="Notifications held back".*37 × A/);
    });

    it('connects again after the receiver went away, and says again what may have been lost', async () => {
      const sender = create({ transport: 'tcp', port });
      const say = (output: string) =>
        sender.send(sampleNotification({ alerts: [sampleAlert({ output })] }), forever());
      await say('one');
      await waitFor(() => receiver.messages.length === 1);
      await receiver.close();
      // Nobody listens: it is written to a connection that is just ending, or refused.
      const unheard = (await say('two')).result;
      receiver = new Receiver();
      await receiver.listen(port);
      await waitFor(async () => (await say('three')).result === 'ok');
      const heard = (text: string) => receiver.messages.some((message) => message.endsWith(text));
      await waitFor(() => heard('three'));
      assert.ok(heard('one'), 'what was written just before the end is said again');
      if (unheard === 'ok') assert.ok(heard('two'));
    });

    it('does not wait for a receiver that takes nothing longer than it may', async () => {
      receiver.server.on('connection', (socket: Socket) => socket.pause());
      const sender = create({
        transport: 'tcp',
        port,
        max_message_bytes: 1024 * 1024,
        format: 'falco',
      });
      const large = sampleNotification({
        alerts: Array.from({ length: 200 }, () => sampleAlert({ output: 'x'.repeat(60_000) })),
      });
      const outcome = await sender.send(large, { signal: AbortSignal.timeout(1000) });
      assert.equal(briefly(outcome), 'ambiguous timeout');
    });
  });

  it('says that nobody listens', async () => {
    const receiver = new Receiver();
    const port = await receiver.listen();
    await receiver.close();
    assert.equal(
      briefly(await create({ transport: 'tcp', port }).send(sampleNotification(), forever())),
      'retry connection',
    );
  });

  it('sends a datagram a message over UDP', async () => {
    const socket = createSocket('udp4');
    const messages: string[] = [];
    socket.on('message', (bytes) => messages.push(bytes.toString()));
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const sender = create({ transport: 'udp', port: socket.address().port });
    assert.equal(briefly(await sender.send(sampleNotification(), forever())), 'ok');
    await waitFor(() => messages.length === 1);
    assert.match(messages[0] ?? '', MESSAGE);
    socket.close();
  });

  describe('over TLS', () => {
    let folder: string;
    const file = (name: string) => join(folder, name);
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'tocsin-syslog-'));
      const openssl = spawnSync('openssl', [
        ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=siem'.split(
          ' ',
        ),
        ...[
          '-addext',
          'subjectAltName=IP:127.0.0.1',
          '-keyout',
          file('key.pem'),
          '-out',
          file('cert.pem'),
        ],
      ]);
      assert.equal(openssl.status, 0, openssl.stderr.toString());
    });
    after(() => rm(folder, { recursive: true, force: true }));

    let receiver: Receiver;
    afterEach(() => receiver.close());
    const listen = async (options: object = {}) => {
      const [key, cert] = await Promise.all([
        readFile(file('key.pem')),
        readFile(file('cert.pem')),
      ]);
      const server = createTlsServer({ key, cert, ...options });
      server.on('tlsClientError', () => {});
      receiver = new Receiver(server);
      return receiver.listen();
    };

    it('trusts the authority it was given and no other', async () => {
      const port = await listen();
      const stranger = await create({ port }).send(sampleNotification(), forever());
      assert.equal(briefly(stranger), 'retry tls');
      const outcome = await create({ port, ca_file: file('cert.pem') }).send(
        sampleNotification(),
        forever(),
      );
      assert.equal(briefly(outcome), 'ok', outcome.detail);
      await waitFor(() => receiver.messages.length === 1);
    });

    it('shows a certificate of its own', async () => {
      const ca = await readFile(file('cert.pem'));
      const port = await listen({ requestCert: true, rejectUnauthorized: true, ca });
      const settings = { port, ca_file: file('cert.pem'), cert_file: file('cert.pem') };
      const key = await readFile(file('key.pem'), 'utf8');
      assert.equal(
        briefly(await create({ ...settings, key }).send(sampleNotification(), forever())),
        'ok',
      );
      await waitFor(() => receiver.messages.length === 1);
      assert.throws(() => create(settings), /cert_file and key/);
      assert.throws(() => create({ ca_file: file('none.pem') }), /ca_file: cannot be read/);
      assert.throws(() => create({ ca_file: file('key.pem') }), /ca_file: cannot be used/);
      const other = selfSigned('localhost').key;
      assert.throws(
        () => create({ ...settings, key: other }),
        /key: cannot be used: key values mismatch/,
      );
      assert.throws(() => create({ ...settings, key: 'no key' }), /key: cannot be used/);
    });
  });

  const rsyslogd = ['/usr/sbin/rsyslogd'].find((path) => existsSync(path));
  it('is read by rsyslog as it was meant', {
    skip: rsyslogd ? false : 'rsyslogd is not installed',
  }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tocsin-rsyslog-'));
    const received = join(folder, 'received');
    const probe = new Receiver();
    const port = await probe.listen();
    await probe.close();
    await writeFile(
      join(folder, 'rsyslog.conf'),
      `global(workDirectory="${folder}" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off")
module(load="imtcp")
input(type="imtcp" port="${port}" address="127.0.0.1")
template(name="parsed" type="list" option.jsonf="on") {
  property(outname="pri" name="pri" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="id" name="msgid" format="jsonf")
  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="data" name="structured-data" format="jsonf")
  property(outname="text" name="msg" format="jsonf")
}
action(type="omfile" file="${received}" template="parsed")
`,
    );
    const daemon: ChildProcess = spawn(
      rsyslogd ?? '',
      ['-n', '-f', join(folder, 'rsyslog.conf'), '-i', join(folder, 'pid')],
      { stdio: 'ignore' },
    );
    try {
      const sender = create({ transport: 'tcp', port });
      const alerts = [sampleAlert(), hostileAlert(), sampleAlert({ output: 'the last' })];
      await waitFor(
        async () => (await sender.send(sampleNotification({ alerts }), forever())).result === 'ok',
      );
      const lines = async () =>
        existsSync(received) ? (await readFile(received, 'utf8')).split('\n').filter(Boolean) : [];
      await waitFor(async () => (await lines()).length >= 3);
      const [first, second, third] = (await lines()).map((line) => JSON.parse(line));
      assert.equal(first.pri, String(16 * 8 + 4));
      assert.equal(first.host, 'node-1');
      assert.equal(first.app, 'tocsin');
      assert.equal(first.id, 'alert');
      assert.match(first.data, /^\[origin .*\]\[tocsin@32473 .*\]\[fields@32473 .*\]$/);
      assert.ok(first.text.endsWith(sampleAlert().output), first.text);
      assert.ok(second.text.includes('\\x1b]0;owned'));
      assert.ok(third.text.endsWith('the last'));
    } finally {
      daemon.kill();
      await once(daemon, 'exit');
      await rm(folder, { recursive: true, force: true });
    }
  });
});
