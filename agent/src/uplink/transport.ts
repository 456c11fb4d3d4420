import { PROBLEM_CODES, type ProblemCode } from '@tocsin/openapi';
import { Pool } from 'undici';
import { withinTime } from '../time-limit.ts';

const ANSWER_BYTES = 64 * 1024;
const MAX_RETRY_AFTER_MS = 300_000;

/** An answer that is no success. */
export interface Refusal {
  readonly kind: 'refused';
  readonly status: number;
  /** Undefined when the answer is no problem of the control plane: a proxy, or another server. */
  readonly code: ProblemCode | undefined;
  readonly detail: string;
  readonly retryAfterMs: number | undefined;
  /** Clock of the control plane, milliseconds since the epoch. */
  readonly serverTimeMs: number | undefined;
}

/** What the control plane said, or that nothing was heard. */
export type Answer =
  | { readonly kind: 'accepted'; readonly status: number; readonly body: unknown }
  | Refusal
  | { readonly kind: 'unreachable'; readonly detail: string };

export interface Post {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

export interface TransportTimeouts {
  readonly connectMs: number;
  /** Until the whole answer is there. */
  readonly answerMs: number;
}

const DEFAULT_TIMEOUTS: TransportTimeouts = { connectMs: 5000, answerMs: 15_000 };

/** One kept-alive connection to the control plane. */
export class Transport {
  readonly #pool: Pool;
  readonly #prefix: string;
  readonly #wholeMs: number;

  constructor(server: string, timeouts: TransportTimeouts = DEFAULT_TIMEOUTS) {
    const url = new URL(server);
    this.#wholeMs = timeouts.connectMs + timeouts.answerMs;
    this.#prefix = url.pathname.replace(/\/$/, '');
    this.#pool = new Pool(url.origin, {
      connections: 1,
      connect: { timeout: timeouts.connectMs },
      headersTimeout: timeouts.answerMs,
      bodyTimeout: timeouts.answerMs,
      keepAliveTimeout: 60_000,
      maxResponseSize: ANSWER_BYTES,
    });
  }

  /** The pool's own limits are between two pieces: an answer that drips would never end. */
  post(post: Post, signal?: AbortSignal): Promise<Answer> {
    return withinTime(this.#wholeMs, signal, (limit) => this.#post(post, limit));
  }

  async #post({ path, headers, body }: Post, signal: AbortSignal): Promise<Answer> {
    try {
      const response = await this.#pool.request({
        method: 'POST',
        path: `${this.#prefix}${path}`,
        headers: { accept: 'application/json, application/problem+json', ...headers },
        body: body as Buffer,
        signal,
      });
      const content = parseJson(await response.body.text());
      const { statusCode } = response;
      if (statusCode >= 200 && statusCode < 300) {
        return { kind: 'accepted', status: statusCode, body: content };
      }
      return refusal(statusCode, content, response.headers);
    } catch (error) {
      return { kind: 'unreachable', detail: reasonOf(error as Error) };
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

type Headers = Record<string, string | string[] | undefined>;

function refusal(status: number, content: unknown, headers: Headers): Refusal {
  const { code, detail, errors } = (content ?? {}) as Record<string, unknown>;
  const [first] = Array.isArray(errors) ? errors : [];
  const told = [detail, first?.message].filter((text) => typeof text === 'string').join(' ');
  const isKnown = typeof code === 'string' && Object.hasOwn(PROBLEM_CODES, code);
  const { date, 'retry-after': retryAfter } = headers;
  const serverTimeMs = Date.parse(String(date));
  return {
    kind: 'refused',
    status,
    code: isKnown ? (code as ProblemCode) : undefined,
    detail: told.slice(0, 500) || `HTTP status ${status}`,
    retryAfterMs: parseRetryAfter(retryAfter, Date.now()),
    serverTimeMs: Number.isNaN(serverTimeMs) ? undefined : serverTimeMs,
  };
}

/** Milliseconds from a Retry-After header (seconds or an HTTP date), at most five minutes. */
export function parseRetryAfter(
  header: string | string[] | undefined,
  nowMs: number,
): number | undefined {
  if (typeof header !== 'string' || header === '') return undefined;
  const wait = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(wait, 0), MAX_RETRY_AFTER_MS);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function reasonOf(error: Error): string {
  const { code, cause } = error as NodeJS.ErrnoException & { cause?: unknown };
  const told = error.message || (cause as Error | undefined)?.message || error.name;
  return code && !told.includes(code) ? `${code}: ${told}` : told;
}
