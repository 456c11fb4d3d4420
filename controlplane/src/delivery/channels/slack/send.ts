/** One call of the Web API and what its answer means. */
import {
  type FetchFunction,
  WebAPIHTTPError,
  WebAPIPlatformError,
  WebAPIRateLimitedError,
  WebAPIRequestError,
  WebClient,
} from '@slack/web-api';
import { type Dispatcher, fetch, type RequestInit } from 'undici';
import type { Outcome } from '../../channel.ts';
import { startDeadline } from '../../deadline.ts';
import { ConnectError } from '../../http/egress.ts';
import {
  ambiguous,
  describeError,
  ok,
  parseRetryAfter,
  permanent,
  reasonOfAbort,
  reasonOfCode,
  retry,
} from '../../outcome.ts';

const TIMEOUT_MS = 10_000;
/** Slack's answers are a few kilobytes; what is longer is not Slack. */
const MAX_ANSWER_BYTES = 256 * 1024;

/** Errors by what they call for. Names are Slack's; what is not here is a refusal of this message. */
const TRANSIENT =
  /^(internal_error|fatal_error|service_unavailable|request_timeout|team_added_to_org|accesslimited)$/;
const RATE = /^(rate_?limited|message_limit_exceeded)$/;
/** Nothing was taken, and later it may be. */
const LATER = /^(external_channel_migrating|update_failed)$/;
const AUTH =
  /^(not_authed|invalid_auth|account_inactive|token_revoked|token_expired|missing_scope|no_permission|not_allowed_token_type|ekm_access_denied|org_login_required|two_factor_setup_required|access_denied)$/;
const CONFIGURATION =
  /^(channel_not_found|not_in_channel|is_archived|restricted_action.*|team_access_not_granted|team_not_found|enterprise_is_restricted|messages_tab_disabled|as_user_not_supported|method_deprecated|deprecated_endpoint|cannot_reply_to_message)$/;
const RENDERING =
  /^(msg_too_long|msg_blocks_too_long|invalid_blocks.*|no_text|too_many_attachments|invalid_attachments|attachment_payload_limit_exceeded|block_mismatch|markdown_text_conflict|too_many_contact_cards|invalid_metadata_.*|metadata_too_large|metadata_must_be_sent_from_app)$/;

const SILENT = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  setLevel() {},
  setName() {},
  getLevel: () => 'error' as never,
};

/** Where messages are posted. */
export interface Poster {
  call(method: Method, message: Record<string, unknown>, signal: AbortSignal): Promise<Answered>;
  close(): Promise<void>;
}

export type Method = 'chat.postMessage' | 'chat.update';

/** What came of a call. */
export interface Answered {
  readonly outcome: Outcome;
  /** The message, when it was taken: id of its channel, and its time stamp. */
  readonly message?: { readonly channel: string; readonly ts: string };
  /** Slack's name of the error. */
  readonly error?: string;
}

export interface Account {
  readonly token: string;
  readonly baseUrl: string | undefined;
  readonly egress: Dispatcher;
}

/** Calls and classifies; never sleeps or retries, that is the lane's. */
export async function callSlack(
  { token, baseUrl, egress }: Account,
  method: Method,
  message: Record<string, unknown>,
  signal: AbortSignal,
): Promise<Answered> {
  const { signal: bounded, release } = startDeadline([signal], TIMEOUT_MS);
  const client = new WebClient(token, {
    ...(baseUrl && { slackApiUrl: baseUrl }),
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    allowAbsoluteUrls: false,
    logger: SILENT,
    fetch: fetchWithin(bounded, egress),
  });
  try {
    const { channel, ts } = await client
      .apiCall(method, message)
      .then((answer) => answer as { channel?: string; ts?: string });
    const outcome = ok(
      `${method === 'chat.update' ? 'updated in' : 'posted to'} ${channel} as ${ts}`,
    );
    return { outcome, ...(channel && ts && { message: { channel, ts } }) };
  } catch (error) {
    const outcome = readError(error, bounded);
    return error instanceof WebAPIPlatformError
      ? { outcome, error: error.data.error }
      : { outcome };
  } finally {
    release();
  }
}

function readError(error: unknown, signal: AbortSignal): Outcome {
  if (error instanceof WebAPIRateLimitedError)
    return retry('rate_limited', 'Slack: rate limited', error.retryAfter * 1000);
  if (error instanceof WebAPIPlatformError) return readPlatformError(error);
  if (error instanceof WebAPIHTTPError) return readHttpError(error);
  const cause = error instanceof WebAPIRequestError ? error.original : error;
  const refused = (cause as Error).cause;
  if (refused instanceof ConnectError && refused.reason)
    return permanent(refused.reason, refused.message);
  const { code, message } = describeError(cause);
  if (/Retry header did not contain/.test(message))
    return retry('rate_limited', 'Slack: rate limited, without a Retry-After that can be read');
  if (signal.aborted) return ambiguous(reasonOfAbort(signal), 'no answer from Slack in time');
  if (/redirect/.test(message))
    return permanent('client_error', 'redirected, which Slack never does: check base_url');
  const reason = reasonOfCode(code);
  const unsent =
    reason === 'dns' ||
    reason === 'tls' ||
    /^(ECONNREFUSED|E(HOST|NET)UNREACH|UND_ERR_CONNECT)/.test(code ?? '');
  return unsent ? retry(reason, message) : ambiguous(reason, message);
}

function readPlatformError({ data }: WebAPIPlatformError): Outcome {
  const { error } = data;
  const words = `Slack: ${[error, ...(data.response_metadata?.messages ?? [])].join('; ')}`;
  if (typeof error !== 'string' || !/^[a-z0-9_]+$/.test(error))
    return ambiguous('server_error', `not an answer of Slack: ${String(error)}`);
  if (RATE.test(error)) return retry('rate_limited', words);
  if (LATER.test(error)) return retry('server_error', words);
  if (TRANSIENT.test(error)) return ambiguous('server_error', words);
  if (AUTH.test(error)) return permanent('auth', words);
  if (CONFIGURATION.test(error)) return permanent('configuration', words);
  return permanent(RENDERING.test(error) ? 'rendering' : 'client_error', words);
}

function readHttpError({ statusCode, headers, body }: WebAPIHTTPError): Outcome {
  const words = `HTTP ${statusCode}: ${String(body ?? '').slice(0, 300)}`;
  const retryAfter = parseRetryAfter(headers['retry-after'], Date.now());
  if (statusCode === 503 && retryAfter !== undefined)
    return retry('server_error', words, retryAfter);
  return statusCode >= 500
    ? ambiguous('server_error', words, retryAfter)
    : permanent('client_error', words);
}

/** `fetch` that ends with the attempt and never holds more of an answer than Slack would send. */
function fetchWithin(signal: AbortSignal, dispatcher: Dispatcher): FetchFunction {
  return async (url, init) => {
    const response = await fetch(url, { ...(init as RequestInit), signal, dispatcher });
    const body = await readBounded(response.body, MAX_ANSWER_BYTES);
    const { status, statusText, headers } = response;
    const known = new Headers([...headers]);
    return new Response(body.length > 0 ? body : null, { status, statusText, headers: known });
  };
}

/** Reads a body whole, or fails once it is longer than `max` bytes. */
async function readBounded(body: AsyncIterable<Uint8Array> | null, max: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > max) throw new Error(`the answer is longer than ${max} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
