/** What an error of the client means for the delivery. */
import type { Outcome } from '../../channel.ts';
import { ambiguous, permanent, reasonOfCode, retry } from '../../outcome.ts';

/** An error of the client: of one try, or of several. */
interface KafkaError extends Error {
  readonly code?: string;
  /** What a broker calls its error; undefined of others. */
  readonly apiId?: string;
  readonly serverErrorMessage?: string | null;
  readonly errors?: readonly unknown[];
}

const AUTH = new Set([
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'ILLEGAL_SASL_STATE',
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
]);
const CONFIGURATION = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'INVALID_TOPIC_EXCEPTION',
  'POLICY_VIOLATION',
  'UNSUPPORTED_VERSION',
  'UNSUPPORTED_COMPRESSION_TYPE',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT',
  'INVALID_REQUIRED_ACKS',
]);
const RENDERING = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
]);
/** The leader has the records; whether all replicas have is not known. */
const PERHAPS_WRITTEN = new Set(['REQUEST_TIMED_OUT', 'NOT_ENOUGH_REPLICAS_AFTER_APPEND']);

/** Why a connection did not come about, as the client says it. */
const NOT_CONNECTED =
  /^Connection (to .* (failed|timed out)\.|ready timed out|closed while waiting)/;

/** `begun`: records were handed to the client, so that an error that says nothing of them leaves it open whether they were written. */
export function readFailure(error: unknown, begun: boolean): Outcome {
  const all = flatten(error);
  const told = all.findLast(({ apiId }) => apiId !== undefined);
  const unsure = begun && !isCertain(error);
  if (told && !unsure) return readAnswer(told);
  const last = all.at(-1) as KafkaError;
  const detail = last.message || (last.code ?? 'unknown error');
  if (unsure) return ambiguous(/timed out/.test(detail) ? 'timeout' : 'connection', detail);
  const isNetwork = all.some(({ code = '', errors }) => !errors && isNetworkCode(code));
  if (!isNetwork && all.some(({ code }) => code === 'PLT_KFK_AUTHENTICATION'))
    return permanent('auth', detail);
  if (/^Unknown topic /.test(detail))
    return permanent('configuration', `${detail} It is not made; create it first.`);
  if (all.some(({ code }) => code === 'PLT_KFK_UNSUPPORTED_API'))
    return permanent('configuration', `${detail} Kafka 2.5 or later is needed.`);
  if (all.some(({ message }) => /^TLS handshake failed/.test(message))) return retry('tls', detail);
  return retry(/timed out/.test(detail) ? 'timeout' : reasonOfCode(last.code), detail);
}

function readAnswer({ apiId = '', message, serverErrorMessage }: KafkaError): Outcome {
  const detail = `${apiId}: ${serverErrorMessage || message}`;
  if (AUTH.has(apiId)) return permanent('auth', detail);
  if (CONFIGURATION.has(apiId)) return permanent('configuration', detail);
  if (RENDERING.has(apiId)) return permanent('rendering', detail);
  if (PERHAPS_WRITTEN.has(apiId)) return ambiguous('server_error', detail);
  return retry(apiId === 'THROTTLING_QUOTA_EXCEEDED' ? 'rate_limited' : 'server_error', detail);
}

/** Whether it is certain that nothing was written: each try ended before its connection came about, or with an answer. */
function isCertain(error: unknown): boolean {
  const { apiId, message, errors } = error as KafkaError;
  if (apiId !== undefined) return true;
  return errors && errors.length > 0 ? errors.every(isCertain) : NOT_CONNECTED.test(message);
}

const isNetworkCode = (code: string): boolean => /^E[A-Z_]+$|^PLT_KFK_NETWORK$/.test(code);

/** An error, what several tries ended with, and what caused it, the innermost last. */
function flatten(error: unknown, depth = 0): KafkaError[] {
  if (!(error instanceof Error) || depth > 8) return [];
  const { errors = [], cause } = error as KafkaError;
  return [error, ...[...errors, cause].flatMap((inner) => flatten(inner, depth + 1))];
}
