/** One `chat.postMessage` and what its answer means. */
import {
  type FetchFunction,
  WebAPIHTTPError,
  WebAPIPlatformError,
  WebAPIRateLimitedError,
  WebAPIRequestError,
  WebClient,
} from '@slack/web-api';
import type { Outcome } from '../../channel.ts';
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
const AUTH =
  /^(not_authed|invalid_auth|account_inactive|token_revoked|token_expired|missing_scope|no_permission|not_allowed_token_type|ekm_access_denied|org_login_required|two_factor_setup_required|access_denied)$/;
const CONFIGURATION =
  /^(channel_not_found|not_in_channel|is_archived|restricted_action.*|team_access_not_granted|cannot_reply_to_message)$/;
const RENDERING =
  /^(msg_too_long|msg_blocks_too_long|invalid_blocks.*|no_text|too_many_attachments|invalid_attachments|invalid_metadata_.*|metadata_too_large)$/;

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
  post(message: Record<string, unknown>, signal: AbortSignal): Promise<Outcome>;
  close(): Promise<void>;
}

export interface Account {
  readonly token: string;
  readonly baseUrl: string | undefined;
}

/** Posts and classifies; never sleeps or retries, that is the lane's. */
export async function postMessage(
  { token, baseUrl }: Account,
  message: Record<string, unknown>,
  signal: AbortSignal,
): Promise<Outcome> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const client = new WebClient(token, {
    ...(baseUrl && { slackApiUrl: baseUrl }),
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    allowAbsoluteUrls: false,
    logger: SILENT,
    fetch: fetchWithin(bounded),
  });
  try {
    const { channel, ts } = await client
      .apiCall('chat.postMessage', message)
      .then((answer) => answer as { channel?: string; ts?: string });
    return ok(`posted to ${channel} as ${ts}`);
  } catch (error) {
    return readError(error, bounded);
  }
}

function readError(error: unknown, signal: AbortSignal): Outcome {
  if (error instanceof WebAPIRateLimitedError)
    return retry('rate_limited', 'Slack: rate limited', error.retryAfter * 1000);
  if (error instanceof WebAPIPlatformError) return readPlatformError(error);
  if (error instanceof WebAPIHTTPError) return readHttpError(error);
  const cause = error instanceof WebAPIRequestError ? error.original : error;
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
  if (!/^[a-z0-9_]+$/.test(error))
    return ambiguous('server_error', `not an answer of Slack: ${error}`);
  if (RATE.test(error)) return retry('rate_limited', words);
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
  return statusCode >= 500 ? ambiguous('server_error', words) : permanent('client_error', words);
}

/** `fetch` that ends with the attempt and never holds more of an answer than Slack would send. */
function fetchWithin(signal: AbortSignal): FetchFunction {
  return async (url, init) => {
    const response = await fetch(url, { ...(init as RequestInit), signal });
    const body = await readBounded(response.body, MAX_ANSWER_BYTES);
    const { status, statusText, headers } = response;
    return new Response(body.length > 0 ? body : null, { status, statusText, headers });
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
