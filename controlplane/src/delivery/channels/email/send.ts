/**
 * One mail to one server, and what its answers mean (RFC 5321): 4yz may be tried again, 5yz will not change. Recipients that took
 * the mail are not sent it again when others were deferred.
 */
import { createTransport } from 'nodemailer';
import type { NodemailerError } from 'nodemailer/lib/errors';
import type { SMTPPoolOptions } from 'nodemailer/lib/smtp-pool';
import type { Outcome } from '../../channel.ts';
import { ambiguous, ok, permanent, reasonOfAbort, reasonOfCode, retry } from '../../outcome.ts';
import type { Mail } from './render.ts';

/** Replies that only another login can change. */
const AUTH_REPLIES = new Set([530, 534, 535, 538]);
/** The mail is larger than the server or the mailbox takes. */
const TOO_LARGE_REPLY = 552;
const CONNECT_MS = 10_000;
const IDLE_SOCKET_MS = 30_000;

export interface Server {
  readonly host: string;
  readonly port: number;
  readonly tls: 'starttls' | 'implicit' | 'none';
  readonly ca: Buffer | undefined;
  readonly auth: { readonly user: string; readonly pass: string } | undefined;
}

export interface Envelope {
  readonly from: string;
  readonly to: readonly string[];
}

export class Mailer {
  readonly #transport;
  /** Who is settled of the mail that is being tried; a lane tries one at a time. */
  #progress: { readonly id: string; readonly settled: Set<string> } | undefined;

  constructor(server: Server) {
    this.#transport = createTransport(optionsOf(server));
  }

  async send(mail: Mail, { from, to }: Envelope, signal: AbortSignal): Promise<Outcome> {
    const settled = this.#settledOf(mail.messageId);
    const open = to.filter((address) => !settled.has(address));
    try {
      const info = await this.#transport.sendMail({
        ...mail,
        headers: { ...mail.headers },
        from,
        to: [...to],
        envelope: { from, to: open },
        maxRecipients: 50,
        signal,
      });
      for (const address of info.accepted) settled.add(address);
      return readPartial(info.response, info.rejectedErrors ?? [], settled);
    } catch (error) {
      return readError(error as NodemailerError, settled, signal);
    }
  }

  close(): void {
    this.#transport.close();
  }

  #settledOf(id: string): Set<string> {
    if (this.#progress?.id !== id) this.#progress = { id, settled: new Set() };
    return this.#progress.settled;
  }
}

function optionsOf({ host, port, tls, ca, auth }: Server): SMTPPoolOptions & { pool: true } {
  return {
    pool: true,
    host,
    port,
    secure: tls === 'implicit',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'none',
    ...(auth && { auth: { ...auth } }),
    tls: { minVersion: 'TLSv1.2', ...(ca && { ca }) },
    maxConnections: 2,
    maxMessages: 100,
    maxRequeues: 0,
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    dnsTimeout: CONNECT_MS,
    socketTimeout: IDLE_SOCKET_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

/** The mail was taken for somebody. Whoever was deferred is tried again, whoever was refused is named. */
function readPartial(
  response: string,
  rejected: readonly NodemailerError[],
  settled: Set<string>,
): Outcome {
  const deferred = rejected.filter(isDeferred);
  for (const { recipient } of rejected.filter((error) => !isDeferred(error))) {
    if (recipient) settled.add(recipient);
  }
  if (deferred.length > 0) return retry('server_error', `deferred: ${wordsOf(deferred)}`);
  if (rejected.length > 0) return ok(`${response}; not for ${wordsOf(rejected)}`);
  return ok(response);
}

function readError(error: NodemailerError, settled: Set<string>, signal: AbortSignal): Outcome {
  const { code, responseCode, rejectedErrors = [], originalCode } = error;
  if (signal.aborted) return ambiguous(reasonOfAbort(signal), 'stopped before the server answered');
  if (code === 'ETLS') return retry('tls', error.message);
  if (responseCode !== undefined) {
    const words = rejectedErrors.length > 0 ? wordsOf(rejectedErrors) : error.message;
    return readReply(responseCode, rejectedErrors, settled, words);
  }
  if (code === 'EAUTH' || code === 'ENOAUTH') return permanent('auth', error.message);
  if (code === 'EMESSAGE' || code === 'EENVELOPE') return permanent('rendering', error.message);
  if (code === 'EDNS') return retry('dns', error.message);
  const reason = reasonOfCode(originalCode ?? code);
  return isUnconnected(error) ? retry(reason, error.message) : ambiguous(reason, error.message);
}

function readReply(
  reply: number,
  rejected: readonly NodemailerError[],
  settled: Set<string>,
  words: string,
): Outcome {
  if (AUTH_REPLIES.has(reply)) return permanent('auth', words);
  if (reply < 500 || reply === 503 || rejected.some(isDeferred))
    return retry('server_error', words);
  // Only those that were deferred before were left, and they are refused now: the others have the mail.
  if (settled.size > 0) return ok(`not for ${words}`);
  return permanent(reply === TOO_LARGE_REPLY ? 'rendering' : 'client_error', words);
}

const isDeferred = ({ responseCode }: NodemailerError): boolean => (responseCode ?? 0) < 500;
const wordsOf = (errors: readonly NodemailerError[]): string =>
  errors.map(({ recipient, response }) => `${recipient} (${response})`).join(', ');

/** Whether the mail certainly did not leave: no connection, or none that was greeted and secured. */
function isUnconnected({ originalCode, timeoutType }: NodemailerError): boolean {
  if (timeoutType !== undefined) return timeoutType !== 'SOCKET_TIMEOUT';
  if (originalCode === undefined) return false;
  return (
    /^(ECONNREFUSED|E(HOST|NET)UNREACH|ENOTFOUND|EAI_)/.test(originalCode) ||
    reasonOfCode(originalCode) === 'tls'
  );
}
