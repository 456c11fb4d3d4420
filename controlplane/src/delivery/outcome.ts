/** How an attempt ended, built so that details stay short and printable, and the reading of errors that every kind shares. */
import type { FailureReason, Outcome } from './channel.ts';
import { printable } from './text.ts';

const MAX_DETAIL = 500;
/** No provider silences a channel for longer than this. */
const MAX_RETRY_AFTER_MS = 24 * 3_600_000;

/** `refused`: how many recipients will not get it though others did. */
export const ok = (detail: string, refused = 0): Outcome => ({
  result: 'ok',
  detail: printable(detail, MAX_DETAIL),
  ...(refused > 0 && { refused }),
});

export const permanent = (reason: FailureReason, detail: string): Outcome => ({
  result: 'permanent',
  reason,
  detail: printable(detail, MAX_DETAIL),
});

/** `retryAfterMs` is when the provider said to come back; without it the lane backs off. */
const again =
  (result: 'retry' | 'ambiguous') =>
  (reason: FailureReason, detail: string, retryAfterMs?: number): Outcome => ({
    result,
    reason,
    detail: printable(detail, MAX_DETAIL),
    ...(retryAfterMs !== undefined && { retryAfterMs: Math.min(retryAfterMs, MAX_RETRY_AFTER_MS) }),
  });

export const ambiguous = again('ambiguous');
export const retry = again('retry');

/** The outcome when messages before this one were taken. */
export const partly = (outcome: Outcome): Outcome =>
  outcome.result === 'retry' || outcome.result === 'permanent'
    ? { ...outcome, partly: true }
    : outcome;

/** Whether the receiver may have the notification, or some of it, though the attempt failed. */
export const mayBeThere = (outcome: Outcome): boolean =>
  outcome.result === 'ambiguous' || ('partly' in outcome && outcome.partly === true);

/** Settings that fit the schema and still cannot be used: a secret that is not there, a key of the wrong length. */
export class ChannelSettingsError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ChannelSettingsError';
  }
}

/**
 * Milliseconds of a `Retry-After` header: seconds, for some with a fraction, or a date in one of the three forms of RFC 9110; undefined
 * when it is neither.
 */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (/^\d+(\.\d+)?$/.test(text)) return Math.ceil(Number(text) * 1000);
  // The oldest form, of asctime, names no zone and means this one.
  const zoned = /^[A-Z][a-z]{2} [A-Z][a-z]{2} .*\d{4}$/.test(text) ? `${text} GMT` : text;
  const date = /^[A-Z][a-z]{2,8},? .*GMT$/.test(zoned) ? Date.parse(zoned) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

/** Whether an aborted attempt ran out of time or was told to stop. */
export function reasonOfAbort(signal: AbortSignal): 'timeout' | 'aborted' {
  return (signal.reason as Error | undefined)?.name === 'TimeoutError' ? 'timeout' : 'aborted';
}

/** The reason behind a system or TLS error code. */
export function reasonOfCode(code: string | undefined): 'dns' | 'tls' | 'timeout' | 'connection' {
  if (code === undefined) return 'connection';
  if (/^(ENOTFOUND|EAI_|EDNS|ENODATA|ESERVFAIL)/.test(code)) return 'dns';
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_|EPROTO/.test(code)) return 'tls';
  return /TIMEOUT|ETIMEDOUT/.test(code) ? 'timeout' : 'connection';
}

/** The code of an error or of what caused it, and its words. */
export function describeError(error: unknown): { code: string | undefined; message: string } {
  const { code, message, cause, errors } = error as NodeJS.ErrnoException & {
    cause?: unknown;
    errors?: unknown[];
  };
  const inner = errors?.[0] ?? cause;
  if (inner instanceof Error && (code === undefined || !message)) return describeError(inner);
  return { code, message: message || code || String(error) };
}
