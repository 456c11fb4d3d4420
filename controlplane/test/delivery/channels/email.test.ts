import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { type ParsedMail, simpleParser } from 'mailparser';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import type { Notification } from '../../../src/delivery/channel.ts';
import { emailKind } from '../../../src/delivery/channels/email/index.ts';
import { renderMail } from '../../../src/delivery/channels/email/render.ts';
import { selfSigned } from '../certificate.ts';
import {
  briefly,
  forever,
  groupNotification,
  HOSTILE,
  hostileAlert,
  sampleAlert,
  sampleNotification,
} from '../sample.ts';

interface Received {
  readonly mail: ParsedMail;
  readonly raw: string;
  readonly recipients: string[];
  readonly secure: boolean;
}

const failure = (responseCode: number, message: string) =>
  Object.assign(new Error(message), { responseCode });

/** Answers commands one by one, and the end of the mail, which may come in pieces. */
function answerAs(say: (step: string) => string, socket: Socket): void {
  let mail: string | undefined;
  socket.on('error', () => {}).write(say('greeting'));
  socket.on('data', (chunk) => {
    if (mail === undefined) {
      const word = chunk.toString().slice(0, 4);
      socket.write(say(word === 'HELO' ? 'EHLO' : word));
      if (word === 'DATA') mail = '';
      return;
    }
    mail = `${mail}${chunk}`.slice(-5);
    if (mail !== '\r\n.\r\n') return;
    socket.write(say('end'));
    mail = undefined;
  });
}

describe('email channel', () => {
  let folder: string;
  let pair: ReturnType<typeof selfSigned>;
  let server: SMTPServer | undefined;
  let received: Received[];

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tocsin-mail-'));
    pair = selfSigned('localhost');
    writeFileSync(join(folder, 'cert.pem'), pair.cert);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  afterEach(async () => {
    await new Promise<void>((done) => (server ? server.close(done) : done()));
    server = undefined;
  });

  /** Listens with TLS on offer; logging in is not asked for unless a test does. */
  const listen = async (options: SMTPServerOptions = {}): Promise<number> => {
    received = [];
    server = new SMTPServer({
      ...pair,
      authOptional: true,
      closeTimeout: 100,
      onData(stream, session, done) {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          const raw = Buffer.concat(chunks);
          const recipients = session.envelope.rcptTo.map(({ address }) => address);
          void simpleParser(raw).then((mail) => {
            received.push({
              mail,
              raw: raw.toString('latin1'),
              recipients,
              secure: session.secure,
            });
            done(null, 'queued as 4711' as never);
          });
        });
      },
      ...options,
    });
    server.on('error', () => {});
    const listening = server;
    await new Promise<void>((done) => listening.listen(0, '127.0.0.1', done));
    return (listening.server.address() as AddressInfo).port;
  };
  const create = (port: number, more: object = {}) =>
    emailKind.create({
      host: 'localhost',
      port,
      ca_file: join(folder, 'cert.pem'),
      from: 'tocsin@example.org',
      to: ['ops@example.org'],
      ...more,
    });
  const send = async (port: number, more: object = {}, notification = sampleNotification()) => {
    const sender = create(port, more);
    const outcome = await sender.send(notification, forever());
    await sender.close();
    return outcome;
  };

  it('sends HTML and text over STARTTLS', async () => {
    const outcome = await send(await listen());
    assert.equal(briefly(outcome), 'ok');
    assert.match(outcome.detail, /queued as 4711/);
    const [{ mail, secure, recipients }] = received as [Received];
    assert.equal(secure, true);
    assert.deepEqual(recipients, ['ops@example.org']);
    assert.equal(mail.subject, '[Warning] Read sensitive file untrusted on node-1');
    for (const part of [mail.text, String(mail.html)])
      for (const word of [
        'cat /etc/shadow',
        'node-1',
        'bash',
        '3 times',
        'mitre_credential_access',
      ])
        assert.ok(part?.includes(word), word);
    assert.equal(mail.headers.get('auto-submitted'), 'auto-generated');
    assert.equal(mail.headers.get('x-auto-response-suppress'), 'All');
    assert.match(mail.messageId ?? '', /^<[0-9a-f]{64}@example\.org>$/);
    assert.equal(mail.date?.toISOString(), sampleNotification().time);
  });

  it('puts mails about the same thing into one thread, and others into others', async () => {
    const port = await listen();
    const other = sampleAlert({ fingerprint: 'f'.repeat(32) });
    for (const change of [
      { id: 'a' },
      { id: 'b' },
      { id: 'c', alerts: [other] },
      { channel: 'x' },
    ]) {
      assert.equal(briefly(await send(port, {}, sampleNotification(change))), 'ok');
    }
    const threads = received.map(({ mail }) => mail.references);
    assert.match(String(threads[0]), /^<thread-[0-9a-f]{64}@example\.org>$/);
    assert.deepEqual(
      received.map(({ mail }) => mail.inReplyTo),
      threads,
    );
    assert.equal(threads[0], threads[1]);
    assert.equal(new Set(threads).size, 3);
    assert.equal(new Set(received.map(({ mail }) => mail.messageId)).size, 4);
  });

  it('logs in, and says what the server said when it may not', async () => {
    const login: SMTPServerOptions = {
      authOptional: false,
      onAuth: ({ password }, _session, done) =>
        password === 'right' ? done(null, { user: 'u' }) : done(failure(535, 'who are you?')),
    };
    const port = await listen(login);
    assert.equal(briefly(await send(port, { user: 'u', password: 'right' })), 'ok');
    const refused = await send(port, { user: 'u', password: 'wrong' });
    assert.equal(briefly(refused), 'permanent auth');
    assert.match(refused.detail, /535 who are you\?/);
    assert.doesNotMatch(refused.detail, /wrong/);
    assert.equal(briefly(await send(port)), 'permanent auth');
  });

  it('never falls back to the clear, unless that is what is asked for', async () => {
    const port = await listen({ disabledCommands: ['STARTTLS'] });
    assert.equal(briefly(await send(port)), 'retry tls');
    assert.equal(received.length, 0);
    assert.equal(briefly(await send(port, { tls: 'none' })), 'ok');
    assert.equal(received[0]?.secure, false);
  });

  it('speaks TLS from the first byte, and refuses a certificate it does not trust', async () => {
    const port = await listen({ secure: true });
    assert.equal(briefly(await send(port, { tls: 'implicit' })), 'ok');
    assert.equal(briefly(await send(port, { tls: 'implicit', ca_file: undefined })), 'retry tls');
    assert.equal(received.length, 1);
  });

  it('tells what replies mean', async () => {
    const cases: [number, string][] = [
      [421, 'retry server_error'],
      [451, 'retry server_error'],
      [530, 'permanent auth'],
      [550, 'permanent client_error'],
      [552, 'retry server_error'],
      [554, 'permanent client_error'],
    ];
    let reply = 0;
    const port = await listen({
      onRcptTo: (_address, _session, done) => done(failure(reply, 'no')),
    });
    for (const [code, expected] of cases) {
      reply = code;
      assert.equal(briefly(await send(port)), expected, String(code));
    }
    for (const hook of ['onConnect', 'onMailFrom', 'onData'] as const) {
      await new Promise<void>((done) => server?.close(done));
      const refuse = (...args: unknown[]) => {
        const stream = args[0] as { resume?: () => void };
        stream.resume?.();
        (args.at(-1) as (error: Error) => void)(failure(554, 'never'));
      };
      const outcome = await send(await listen({ [hook]: refuse }));
      const reason = hook === 'onData' ? 'client_error' : 'configuration';
      assert.equal(briefly(outcome), `permanent ${reason}`, hook);
    }
  });

  it('keeps what a server refused of whomever it came from, and what was not answered as SMTP', async () => {
    const policy = ['550 5.7.1 blocked, see our list', 'permanent configuration'] as const;
    const cases: readonly (readonly [step: string, reply: string, expected: string])[] = [
      ['greeting', '554 no service for you', 'permanent configuration'],
      ['greeting', 'SSH-2.0-OpenSSH_9.2', 'ambiguous server_error'],
      ['EHLO', '550 who are you', 'permanent configuration'],
      ['MAIL', ...policy],
      ['MAIL', '552 too large', 'permanent rendering'],
      ['AUTH', '550 5.7.1 not from there', 'permanent auth'],
      ['AUTH', '454 4.7.0 not now', 'retry server_error'],
      ['RCPT', ...policy],
      ['RCPT', '550 5.1.1 no such user', 'permanent client_error'],
      ['RCPT', 'what?', 'retry server_error'],
      ['end', '554 5.7.1 spam', 'permanent client_error'],
      ['end', 'what?', 'ambiguous server_error'],
    ];
    for (const [step, reply, expected] of cases) {
      const usual: Record<string, string> = { greeting: '220 x', DATA: '354 go' };
      if (step === 'AUTH') usual['EHLO'] = '250-x\r\n250 AUTH PLAIN';
      const say = (now: string) => `${now === step ? reply : (usual[now] ?? '250 ok')}\r\n`;
      const raw = createServer((socket) => answerAs(say, socket));
      await new Promise<void>((done) => raw.listen(0, '127.0.0.1', done));
      const login = step === 'AUTH' && { user: 'u', password: 'p' };
      const port = (raw.address() as AddressInfo).port;
      const outcome = await send(port, { tls: 'none', ...login });
      assert.equal(briefly(outcome), expected, `${step}: ${reply}: ${outcome.detail}`);
      await new Promise((done) => raw.close(done));
    }
  });

  it('learns that a mail is larger than the server takes', async () => {
    const port = await listen({
      size: 1000,
      onData(stream, _session, done) {
        stream.on('end', () => done(stream.sizeExceeded ? failure(552, 'too large') : null));
        stream.resume();
      },
    });
    assert.equal(briefly(await send(port)), 'permanent rendering');
  });

  it('sends again only to those who were deferred, and names those who were refused', async () => {
    let full = true;
    const port = await listen({
      onRcptTo({ address }, _session, done) {
        if (address.startsWith('full') && full) done(failure(452, 'mailbox full'));
        else if (address.startsWith('gone')) done(failure(550, 'no such user'));
        else done();
      },
    });
    const to = ['ops@example.org', 'full@example.org', 'gone@example.org'];
    const sender = create(port, { to });
    const first = await sender.send(sampleNotification(), forever());
    assert.equal(briefly(first), 'retry server_error');
    assert.match(first.detail, /full@example\.org \(452/);
    assert.equal((first as { partly?: true }).partly, true);
    // Another lane of the channel, in between.
    const other = sampleNotification({ id: 'ntf_00' });
    assert.equal(briefly(await sender.send(other, forever())), 'retry server_error');
    received.length = 1;
    full = false;
    const second = await sender.send(sampleNotification(), forever());
    assert.deepEqual(
      [second.result, (second as { refused?: number }).refused],
      ['ok', 1],
      'who was refused at an earlier attempt is not forgotten',
    );
    assert.match(second.detail, /not for gone@example\.org \(550 no such user\)/);
    assert.deepEqual(
      received.map(({ recipients }) => recipients),
      [['ops@example.org'], ['full@example.org']],
    );
    assert.equal(received[0]?.mail.messageId, received[1]?.mail.messageId);
    const next = await sender.send(sampleNotification({ id: 'ntf_02' }), forever());
    assert.equal(briefly(next), 'ok');
    assert.match(next.detail, /not for gone@example\.org \(550 no such user\)/);
    await sender.close();
  });

  it('is ambiguous when the connection ends after the mail was sent', async () => {
    const port = await listen({
      onData(stream) {
        stream.on('end', () => {
          for (const connection of server?.connections ?? [])
            (connection as { _socket: { destroy(): void } })._socket.destroy();
        });
        stream.resume();
      },
    });
    assert.equal(briefly(await send(port)), 'ambiguous connection');
  });

  it('stops waiting for a server that hangs, and says when nothing listens', async () => {
    const stop = new AbortController();
    const port = await listen({ onMailFrom: () => stop.abort() });
    const sender = create(port);
    assert.equal(briefly(await sender.send(sampleNotification(), stop)), 'ambiguous aborted');
    await sender.close();
    await new Promise<void>((done) => server?.close(done));
    server = undefined;
    assert.equal(briefly(await send(port)), 'retry connection');
    assert.equal(briefly(await send(port, { host: 'no-such-host.invalid' })), 'retry dns');
  });

  it('keeps the subject of a thread but for what is in brackets, which Gmail does not compare', () => {
    const subjectOf = (notification: Notification) => renderMail(notification, 'x.org').subject;
    const by = (labels: Record<string, string>, firing: number, resolved: number) => {
      const notification = groupNotification({ firing, resolved });
      const { group } = notification;
      return subjectOf({ ...notification, ...(group && { group: { ...group, labels } }) });
    };
    const rule = 'Read sensitive file untrusted';
    const host = { rule, hostname: 'node-1' };
    assert.deepEqual(
      [by(host, 1, 0), by(host, 2, 1), by(host, 0, 1)],
      [
        `[Warning] ${rule} on node-1`,
        `[Warning, 2 firing, 1 resolved] ${rule} on node-1`,
        `[Resolved] ${rule} on node-1`,
      ],
    );
    assert.equal(by({ namespace: 'a', alertname: rule }, 1, 0), `[Warning] ${rule}, namespace=a`);
    assert.equal(by({ cluster: 'a' }, 2, 0), `[Warning, 2 firing, ${rule}] cluster=a`);
    assert.equal(by({}, 1, 0), `[Warning, ${rule}] Alerts`);
    const two = { alerts: [sampleAlert(), sampleAlert()], held: { count: 3, byRule: [] } };
    assert.equal(
      subjectOf(sampleNotification({ ...two, test: true })),
      `[Test, Warning, 2 alerts, 3 more] ${rule} on node-1`,
    );
    const long = sampleAlert({ rule: ']['.repeat(500), hostname: '\u202e\r\n'.repeat(100) });
    const subject = subjectOf(sampleNotification({ alerts: [long] }));
    assert.ok(subject.length <= 300 && !/[\r\n\u202e]/.test(subject), subject);
  });

  it('lets hostile text reach no header, no recipient and no markup', async () => {
    const port = await listen();
    const held = { count: 9, byRule: HOSTILE.map((rule) => ({ rule, count: 1 })) };
    const notification = sampleNotification({ alerts: [hostileAlert(), sampleAlert()], held });
    assert.equal(briefly(await send(port, {}, notification)), 'ok');
    await send(port, {}, sampleNotification({ alerts: [hostileAlert()] }));
    assert.equal(received.length, 2);
    for (const { mail, raw, recipients } of received) {
      assert.deepEqual(recipients, ['ops@example.org']);
      assert.equal(mail.headers.has('bcc'), false);
      assert.doesNotMatch(raw, /^Bcc:/im);
      assert.ok(mail.subject?.includes('\\r\\nBcc: x@y'), mail.subject);
      const html = String(mail.html);
      assert.doesNotMatch(
        html,
        /<(script|img|link|iframe)|https?:\/\/(?!www\.w3)[^e]|\son\w+=[^a]/i,
      );
      assert.equal(html.match(/<td/g)?.length, html.match(/<\/td>/g)?.length);
      assert.ok(html.includes('&#60;/td&#62;&#60;script&#62;'));
      assert.doesNotMatch(mail.text ?? '', /[^\P{Cc}\n]|\p{Cf}/u);
    }
  });

  it('stays small however large an event is', () => {
    const huge = '<&"\u0000'.repeat(50_000);
    const { html, text, subject } = renderMail(
      sampleNotification({
        alerts: Array.from({ length: 20 }, () =>
          sampleAlert({ output: huge, hostname: huge, tags: Array(64).fill(huge) }),
        ),
      }),
      'example.org',
    );
    assert.ok(subject.length <= 200);
    assert.ok(html.length < 1_500_000 && text.length < 500_000);
  });
});
