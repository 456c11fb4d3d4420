/** One POST: what was sent, what came back, and what that means for the delivery. */
import { type Dispatcher, request } from 'undici';
import type { Outcome } from '../channel.ts';
import { startDeadline } from '../deadline.ts';
import {
  ambiguous,
  describeError,
  ok,
  parseRetryAfter,
  permanent,
  reasonOfAbort,
  reasonOfCode,
  retry,
} from '../outcome.ts';
import { ConnectError } from './egress.ts';

/** How much of an answer is read, in bytes, and for how long, in milliseconds, where the status alone decides. */
const MAX_ANSWER_BYTES = 4096;
const MAX_ANSWER_MS = 1000;
/** The same where the answer has to be read. */
const MAX_READ_BYTES = 4 * 1024 * 1024;

export interface Post {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly timeoutMs: number;
}

/** What the answer to a POST that was taken (2xx) really means; it is whole, unless it is very long. */
export type ReadAnswer = (answer: string) => Outcome;

/** Makes one attempt. `signal` is the lane's; the timeout of the post ends it earlier. */
export async function post(
  dispatcher: Dispatcher,
  { url, headers, body, timeoutMs }: Post,
  signal: AbortSignal,
  read?: ReadAnswer,
): Promise<Outcome> {
  const deadline = startDeadline([signal], timeoutMs);
  try {
    const response = await request(url, {
      method: 'POST',
      headers,
      body,
      dispatcher,
      signal: deadline.signal,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    if (read && isTaken(response)) return read(await readWhole(response.body));
    const answer = await readBeginning(response.body);
    return readStatus(response, answer);
  } catch (error) {
    return readFailure(error, deadline.signal);
  } finally {
    deadline.release();
  }
}

const isTaken = ({ statusCode }: Pick<Dispatcher.ResponseData, 'statusCode'>): boolean =>
  statusCode >= 200 && statusCode < 300;

/** What a status means (Standard Webhooks: only 2xx is success, redirects are not followed). */
function readStatus({ statusCode, headers }: Dispatcher.ResponseData, answer: string): Outcome {
  const detail = `HTTP ${statusCode}${answer && `: ${answer}`}`;
  if (isTaken({ statusCode })) return ok(detail);
  if (statusCode < 400) return permanent('client_error', `${detail} (redirects are not followed)`);
  const retryAfter = parseRetryAfter([headers['retry-after']].flat()[0], Date.now());
  if (statusCode === 429 || statusCode === 425) return retry('rate_limited', detail, retryAfter);
  if (statusCode === 408) return retry('timeout', detail, retryAfter);
  // Gone for good, says the receiver: nothing more is sent until somebody looks.
  if (statusCode === 410) return permanent('configuration', detail);
  if (statusCode === 401 || statusCode === 403) return permanent('auth', detail);
  if (statusCode === 413) return permanent('rendering', detail);
  if (statusCode < 500) return permanent('client_error', detail);
  // A gateway says that it does not know what became of the request.
  const isGateway = statusCode === 502 || statusCode === 504;
  return (isGateway ? ambiguous : retry)('server_error', detail, retryAfter);
}

function readFailure(error: unknown, signal: AbortSignal): Outcome {
  if (error instanceof ConnectError) {
    if (error.reason) return permanent(error.reason, error.message);
    const { code, message } = describeError(error.cause ?? error);
    return retry(reasonOfCode(code), message);
  }
  if (signal.aborted) {
    const reason = reasonOfAbort(signal);
    return ambiguous(reason, reason === 'timeout' ? 'no answer in time' : 'stopped in mid-request');
  }
  const { code, message } = describeError(error);
  if (code === 'UND_ERR_INVALID_ARG') return permanent('configuration', message);
  return ambiguous(reasonOfCode(code), message);
}

/** The beginning of the answer, for people. A body that drips, floods or breaks does not matter: the connection is dropped. */
async function readBeginning(body: Dispatcher.ResponseData['body']): Promise<string> {
  const chunks: Buffer[] = [];
  const late = setTimeout(() => body.destroy(), MAX_ANSWER_MS);
  body.on('error', () => {});
  await readInto(chunks, body, MAX_ANSWER_BYTES).catch(() => {});
  clearTimeout(late);
  body.destroy();
  return Buffer.concat(chunks).toString('utf8', 0, MAX_ANSWER_BYTES).trim();
}

async function readWhole(body: Dispatcher.ResponseData['body']): Promise<string> {
  const chunks: Buffer[] = [];
  await readInto(chunks, body, MAX_READ_BYTES);
  body.on('error', () => {}).destroy();
  return Buffer.concat(chunks).toString();
}

async function readInto(
  chunks: Buffer[],
  body: Dispatcher.ResponseData['body'],
  maxBytes: number,
): Promise<void> {
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= maxBytes) return;
  }
}
