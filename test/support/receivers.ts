/** Real servers on loopback for what lies outside: SMTP, Slack's Web API and a webhook that checks signatures. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ParsedMail, simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import { Webhook } from 'standardwebhooks';

export interface Receiver<T> {
  readonly port: number;
  readonly received: T[];
  close(): Promise<void>;
}

const portOf = (server: { address(): AddressInfo | string | null }) =>
  (server.address() as AddressInfo).port;

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

export async function smtpReceiver(): Promise<Receiver<ParsedMail>> {
  const received: ParsedMail[] = [];
  const smtp = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, _session, done) {
      simpleParser(stream).then((mail) => {
        received.push(mail);
        done();
      }, done);
    },
  });
  await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', resolve));
  return {
    port: portOf(smtp.server),
    received,
    close: () => new Promise((resolve) => smtp.close(() => resolve())),
  };
}

type Handler = (request: IncomingMessage, body: string) => { status: number; body: unknown };

/** One that also tells when the next request was taken. */
export interface HttpReceiver<T> extends Receiver<T> {
  next(): Promise<void>;
}

async function httpReceiver<T>(received: T[], handle: Handler): Promise<HttpReceiver<T>> {
  let tell = () => {};
  const server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      const answer = handle(request, body);
      tell();
      response.writeHead(answer.status, { 'content-type': 'application/json' });
      response.end(answer.body === undefined ? undefined : JSON.stringify(answer.body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: portOf(server),
    received,
    next: () =>
      new Promise((resolve) => {
        tell = resolve;
      }),
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

export interface SlackCall {
  readonly method: string;
  readonly token: string;
  readonly parameters: Record<string, unknown>;
}

/** `auth.test` and `chat.postMessage` as Slack answers them; blocks are parsed. */
export function slackReceiver(token: string): Promise<Receiver<SlackCall>> {
  const received: SlackCall[] = [];
  return httpReceiver(received, (request, body) => {
    const method = request.url?.replace(/^.*\//, '') ?? '';
    const parameters: Record<string, unknown> = Object.fromEntries(new URLSearchParams(body));
    for (const name of ['blocks', 'attachments', 'metadata']) {
      if (typeof parameters[name] === 'string') parameters[name] = JSON.parse(parameters[name]);
    }
    const given = request.headers.authorization?.replace('Bearer ', '') ?? '';
    if (given !== token) return { status: 200, body: { ok: false, error: 'invalid_auth' } };
    received.push({ method, token: given, parameters });
    if (method === 'auth.test')
      return { status: 200, body: { ok: true, team: 'Test', user: 'tocsin' } };
    const ts = `1700000000.${String(received.length).padStart(6, '0')}`;
    return { status: 200, body: { ok: true, channel: parameters['channel'], ts } };
  });
}

export interface WebhookCall {
  readonly id: string;
  readonly payload: unknown;
}

/** Answers 401 unless the Standard Webhooks signature holds. */
export function webhookReceiver(secret: string): Promise<HttpReceiver<WebhookCall>> {
  const received: WebhookCall[] = [];
  const verifier = new Webhook(secret);
  return httpReceiver(received, (request, body) => {
    try {
      const payload = verifier.verify(body, request.headers as Record<string, string>);
      received.push({ id: String(request.headers['webhook-id']), payload });
      return { status: 204, body: undefined };
    } catch (error) {
      return { status: 401, body: { error: String(error) } };
    }
  });
}
