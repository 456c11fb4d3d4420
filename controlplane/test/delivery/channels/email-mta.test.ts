/** Mails through a real mail server, Exim, as far as the mailbox. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { simpleParser } from 'mailparser';
import { emailKind } from '../../../src/delivery/channels/email/index.ts';
import { selfSigned } from '../certificate.ts';
import { briefly, forever, hostileAlert, sampleNotification, waitFor } from '../sample.ts';

const EXIM = '/usr/sbin/exim4';
/** Whom it becomes. */
const USER = 'Debian-exim';

const skip = !existsSync(EXIM)
  ? 'there is no Exim (package exim4-daemon-light)'
  : process.getuid?.() !== 0
    ? 'only root may start Exim with a configuration of his own'
    : false;

const configuration = (folder: string, port: number) => `primary_hostname = localhost
spool_directory = ${folder}/spool
log_file_path = ${folder}/spool/%slog
pid_file_path =
daemon_smtp_ports = ${port}
local_interfaces = 127.0.0.1
host_lookup =
tls_advertise_hosts = *
tls_certificate = ${folder}/cert.pem
tls_privatekey = ${folder}/key.pem
deliver_drop_privilege = true
keep_environment =
acl_smtp_rcpt = check_recipient
acl_smtp_data = accept
begin acl
check_recipient:
  deny condition = \${if eq{$tls_in_cipher}{}}
       message = TLS is needed
  accept domains = example.org
  deny message = no such domain here
begin routers
keep:
  driver = accept
  transport = mailbox
begin transports
mailbox:
  driver = appendfile
  directory = ${folder}/mail
  maildir_format
`;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket
      .once('data', () => end(true))
      .once('error', () => end(false))
      .once('end', () => end(false));
  });
}

describe('email to a mail server of Debian', { skip }, () => {
  let folder: string;
  let port: number;
  let server: ChildProcess;
  let log = '';
  const queue = () => join(folder, 'spool/input');

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tocsin-exim-'));
    chmodSync(folder, 0o755);
    const pair = selfSigned('localhost');
    for (const [name, text] of Object.entries(pair))
      writeFileSync(join(folder, `${name}.pem`), text, { mode: 0o600 });
    for (const name of ['mail', 'spool']) mkdirSync(join(folder, name));
    execFileSync('chown', ['-R', USER, folder]);
    port = await freePort();
    const path = join(folder, 'exim.conf');
    writeFileSync(path, configuration(folder, port), { mode: 0o644 });
    server = spawn(EXIM, ['-bdf', '-C', path], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [server.stdout, server.stderr])
      stream?.on('data', (chunk: Buffer) => {
        log += chunk;
      });
    await waitFor(() => {
      if (server.exitCode !== null) throw new Error(`exim ended: ${log}`);
      return answers(port);
    });
  });
  after(async () => {
    // Those who deliver outlive the server otherwise.
    await waitFor(() => !existsSync(queue()) || readdirSync(queue()).length === 0);
    if (server.exitCode === null) {
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGTERM');
      await ended;
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
  });

  const send = async (to: string[], notification = sampleNotification()) => {
    const sender = emailKind.create({
      ...{ host: 'localhost', port, ca_file: join(folder, 'cert.pem') },
      ...{ from: 'tocsin@example.org', to },
    });
    const outcome = await sender.send(notification, forever());
    await sender.close();
    return outcome;
  };
  const mails = (): string[] => {
    const inbox = join(folder, 'mail/new');
    return existsSync(inbox) ? readdirSync(inbox).map((name) => join(inbox, name)) : [];
  };
  const arrived = async (count: number) => {
    await waitFor(() => mails().length === count);
    return Promise.all(mails().map((path) => simpleParser(readFileSync(path))));
  };

  it('reaches the mailbox over STARTTLS, and hostile text stays text', async () => {
    const notification = sampleNotification({ alerts: [hostileAlert()] });
    const outcome = await send(['ops@example.org'], notification);
    assert.equal(briefly(outcome), 'ok', `${outcome.detail}\n${log}`);
    const [mail] = await arrived(1);
    assert.equal(mail?.headers.get('bcc'), undefined);
    assert.match(mail?.subject ?? '', /^\[Warning\] x\\r\\nBcc: x@y/);
    assert.match(JSON.stringify(mail?.headerLines), /TLS/);
    assert.doesNotMatch(String(mail?.html), /<script/);
  });

  it('tells who was refused, and the others have the mail', async () => {
    const before = mails().length;
    const outcome = await send(['ops@example.org', 'somebody@elsewhere.example']);
    assert.equal(outcome.result, 'ok');
    assert.match(outcome.detail, /somebody@elsewhere\.example \(550/);
    await arrived(before + 1);
    const nobody = await send(['somebody@elsewhere.example']);
    assert.equal(briefly(nobody), 'permanent client_error');
    assert.match(nobody.detail, /550/);
  });
});
