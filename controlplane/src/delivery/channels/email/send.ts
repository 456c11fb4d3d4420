/**
 * One mail to one server, and what its answers mean (RFC 5321): 4yz may be tried again, 5yz will not change. Recipients that took
 * the mail are not sent it again when others were deferred.
 */
import { createTransport } from 'nodemailer';
import type { NodemailerError } from 'nodemailer/lib/errors';
import type { SMTPPoolOptions } from 'nodemailer/lib/smtp-pool';
import type { Outcome } from '../../channel.ts';
import {
  ambiguous,
  ok,
  partly,
  permanent,
  reasonOfAbort,
  reasonOfCode,
  retry,
} from '../../outcome.ts';
import type { Mail } from './render.ts';

/** Replies that only another login can change. */
const AUTH_REPLIES = new Set([530, 534, 535, 538]);
/** The mail is larger than the server or the mailbox takes. */
const TOO_LARGE_REPLY = 552;
const CONNECT_MS = 10_000;
const IDLE_SOCKET_MS = 30_000;
/** Mails whose progress is kept. Of one that is forgotten, those who have it get it again. */
const MAX_PROGRESS = 1000;

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

interface Progress {
  /** Who took it. */
  readonly taken: Set<string>;
  /** Who refused it for good, with the words of the server. */
  readonly refused: Map<string, string>;
}

export class Mailer {
  readonly #transport;
  /** By Message-ID, how far the mails came of which somebody has still to be tried; each lane tries one at a time. */
  readonly #progress = new Map<string, Progress>();

  constructor(server: Server) {
    this.#transport = createTransport(optionsOf(server));
  }

  async send(mail: Mail, { from, to }: Envelope, signal: AbortSignal): Promise<Outcome> {
    const progress = this.#progressOf(mail.messageId);
    const { taken, refused } = progress;
    const open = to.filter((address) => !taken.has(address) && !refused.has(address));
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
      for (const address of info.accepted) taken.add(address);
      return this.#keep(
        mail.messageId,
        progress,
        readPartial(info.response, info.rejectedErrors ?? [], progress),
      );
    } catch (error) {
      return this.#keep(
        mail.messageId,
        progress,
        readError(error as NodemailerError, progress, signal),
      );
    }
  }

  close(): void {
    this.#transport.close();
  }

  #progressOf(id: string): Progress {
    return this.#progress.get(id) ?? { taken: new Set(), refused: new Map() };
  }

  /** Remembers what the next attempt must know. */
  #keep(id: string, progress: Progress, outcome: Outcome): Outcome {
    this.#progress.delete(id);
    const isOver = outcome.result === 'ok' || progress.taken.size + progress.refused.size === 0;
    if (isOver) return outcome;
    this.#progress.set(id, progress);
    const [oldest] = this.#progress.keys();
    if (this.#progress.size > MAX_PROGRESS && oldest !== undefined) this.#progress.delete(oldest);
    // This process may end, and the next one sends to all.
    return progress.taken.size > 0 ? partly(outcome) : outcome;
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
  progress: Progress,
): Outcome {
  const deferred = rejected.filter(isDeferred);
  remember(progress, rejected);
  if (deferred.length > 0) return retry('server_error', `deferred: ${wordsOf(deferred)}`);
  return done(response, progress);
}

function remember({ refused }: Progress, rejected: readonly NodemailerError[]): void {
  for (const error of rejected) {
    if (error.recipient && !isDeferred(error)) refused.set(error.recipient, wordsOf([error]));
  }
}

/** Nobody is left to be tried. Whoever does not get the mail is named, at whatever attempt that was decided. */
function done(response: string, { refused }: Progress): Outcome {
  if (refused.size === 0) return ok(response);
  const words = [...refused.values()].join(', ');
  return ok(`${response}; not for ${words}`, refused.size);
}

function readError(error: NodemailerError, progress: Progress, signal: AbortSignal): Outcome {
  const { code, response, responseCode, rejectedErrors = [], originalCode } = error;
  if (signal.aborted) return ambiguous(reasonOfAbort(signal), 'stopped before the server answered');
  if (code === 'ETLS') return retry('tls', error.message);
  if (responseCode !== undefined) {
    const words = rejectedErrors.length > 0 ? wordsOf(rejectedErrors) : error.message;
    return readReply(responseCode, error, progress, words);
  }
  // No reply of a mail server. What came before the mail was sent refused it, whatever it means.
  if (code === 'EPROTOCOL' || (response !== undefined && code !== 'EAUTH'))
    return (code === 'EENVELOPE' ? retry : ambiguous)('server_error', error.message);
  if (code === 'EAUTH' || code === 'ENOAUTH') return permanent('auth', error.message);
  if (code === 'EMESSAGE' || code === 'EENVELOPE') return permanent('rendering', error.message);
  if (code === 'EDNS') return retry('dns', error.message);
  const reason = reasonOfCode(originalCode ?? code);
  return isUnconnected(error) ? retry(reason, error.message) : ambiguous(reason, error.message);
}

function readReply(
  reply: number,
  { command = '', rejectedErrors: rejected = [] }: NodemailerError,
  progress: Progress,
  words: string,
): Outcome {
  if (AUTH_REPLIES.has(reply) || (reply >= 500 && command.startsWith('AUTH')))
    return permanent('auth', words);
  if (reply < 500 || reply === 503 || rejected.some(isDeferred))
    return retry('server_error', words);
  // Only those that were deferred before were left, and they are refused now: the others have the mail.
  if (progress.taken.size > 0 && rejected.length > 0) {
    remember(progress, rejected);
    return done('taken before', progress);
  }
  if (reply === TOO_LARGE_REPLY) return permanent('rendering', words);
  const isPolicy = rejected.length > 0 && rejected.every(isRefusedByPolicy);
  return permanent(isPolicy || REFUSES_US.test(command) ? 'configuration' : 'client_error', words);
}

/** Commands whose refusal is about who we are, and not about this mail: others would be refused as well, until somebody mends it. */
const REFUSES_US = /^(CONN|EHLO|HELO|MAIL FROM)$/;
/** Enhanced status codes of class 7, security and policy (RFC 3463): relaying denied, a blocked address. */
const isRefusedByPolicy = ({ response = '' }: NodemailerError): boolean =>
  /^5\d\d[ -]5\.7\./.test(response);
/** Of a recipient, 552 says that there is no room now: too many recipients (RFC 5321, 4.5.3.1.10), or a full mailbox. */
const isDeferred = ({ responseCode = 0 }: NodemailerError): boolean =>
  responseCode < 500 || responseCode === TOO_LARGE_REPLY;
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
