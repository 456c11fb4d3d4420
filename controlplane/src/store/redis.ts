import { Redis, type RedisOptions } from 'ioredis';
import { StartupError } from '../errors.ts';

/** Where Redis is: a Unix socket of the embedded one, or a URL. */
export type RedisAddress = { readonly socket: string } | { readonly url: string };

/** Options for a client of this address; BullMQ takes them too. */
function optionsOf(address: RedisAddress): RedisOptions {
  if ('socket' in address) return { path: address.socket };
  const url = new URL(address.url);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 6379),
    db: Number(url.pathname.slice(1) || 0),
    ...(url.username && { username: decodeURIComponent(url.username) }),
    ...(url.password && { password: decodeURIComponent(url.password) }),
    ...(url.protocol === 'rediss:' && { tls: {} }),
  };
}

/** A connection that does not end by itself is cut then; the process must not wait for it. */
const DISCONNECT_MS = 100;

/** A client for requests: it fails at once when Redis is away, so that callers can answer 503. */
export function requestClient(address: RedisAddress): Redis {
  const client = new Redis({
    ...optionsOf(address),
    lazyConnect: true,
    enableOfflineQueue: false,
    enableAutoPipelining: true,
    maxRetriesPerRequest: 1,
    connectTimeout: 3000,
    disconnectTimeout: DISCONNECT_MS,
    commandTimeout: 5000,
    retryStrategy: (attempt) => Math.min(attempt * 50, 1000),
  });
  // Each command reports its own failure; without a listener the event would end the process.
  client.on('error', () => {});
  return client;
}

/** Redis reads some of these at once. */
const SMALL_BYTES = 8192;

/**
 * Several clients for requests. Redis looks at all connections, does what came whole over each, and then syncs its append-only file
 * once; over a single connection, every large command would wait for a sync of its own.
 */
export class RequestPool {
  readonly #clients: readonly [Redis, ...Redis[]];
  #turn = 0;

  /** They are connected by the caller. */
  constructor(clients: readonly [Redis, ...Redis[]]) {
    this.#clients = clients;
  }

  static async connect(address: RedisAddress, size: number): Promise<RequestPool> {
    const clients = Array.from({ length: size - 1 }, () => requestClient(address));
    const pool = new RequestPool([requestClient(address), ...clients]);
    try {
      await Promise.all(pool.#clients.map((client) => client.connect()));
    } catch (error) {
      pool.disconnect();
      throw error;
    }
    return pool;
  }

  /** The client for a command of so many bytes: small ones go together over one. */
  for(bytes: number): Redis {
    if (bytes < SMALL_BYTES) return this.#clients[0];
    this.#turn = (this.#turn + 1) % this.#clients.length;
    return this.#clients[this.#turn] as Redis;
  }

  disconnect(): void {
    for (const client of this.#clients) client.disconnect();
  }
}

/** A client for workers: it waits until Redis is back. */
export function workerClient(address: RedisAddress): Redis {
  const client = new Redis({
    ...optionsOf(address),
    lazyConnect: true,
    maxRetriesPerRequest: null,
    disconnectTimeout: DISCONNECT_MS,
    retryStrategy: (attempt) => Math.min(attempt * 50, 1000),
  });
  client.on('error', () => {});
  return client;
}

/** What Redis answers when it cannot take a command now, though nothing is wrong with the command. */
const UNAVAILABLE_REPLIES =
  /^(OOM|READONLY|MISCONF|LOADING|MASTERDOWN|NOREPLICAS|CLUSTERDOWN|TRYAGAIN|BUSY|NOAUTH|WRONGPASS|NOPERM|UNKILLABLE)\b/;
const CONNECTION_FAILURES =
  /Connection is closed|Stream isn't writeable|Command timed out|max retries per request|Connection is in|connect ETIMEDOUT/;

/** Whether the error says that Redis is away, full or read-only. */
export function isStoreUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, previousErrors } = error as NodeJS.ErrnoException & { previousErrors?: unknown[] };
  // A transaction is discarded because of what its commands were answered.
  if (previousErrors?.some(isStoreUnavailable)) return true;
  if (error.name === 'ReplyError') {
    // A script reports the reply of the command that failed within it.
    return (
      UNAVAILABLE_REPLIES.test(error.message) || /-(OOM|READONLY|MISCONF)\b/.test(error.message)
    );
  }
  if (error.name === 'MaxRetriesPerRequestError' || error.name === 'AbortError') return true;
  if (
    typeof code === 'string' &&
    /^E(CONN|PIPE|NOENT|NOTFOUND|TIMEDOUT|HOST|NET|AI_AGAIN|ACCES)/.test(code)
  )
    return true;
  return CONNECTION_FAILURES.test(error.message);
}

const MINIMUM_MAJOR = 7;

/** Connects and refuses a Redis that would lose or forget. Throws StartupError. */
export async function connectChecked(client: Redis, shown: string): Promise<void> {
  let lastError: Error | undefined;
  const remember = (error: Error) => {
    lastError = error;
  };
  client.on('error', remember);
  let info: string;
  try {
    await client.connect();
    info = await client.info();
  } catch (error) {
    // That the connection is closed says less than the failure before it.
    throw new StartupError(`Redis at ${shown} cannot be used: ${reasonOf(lastError ?? error)}.`, {
      cause: error,
    });
  } finally {
    client.off('error', remember);
  }
  const version = /^redis_version:(\d+)\.(\S+)/m.exec(info);
  if (version && Number(version[1]) < MINIMUM_MAJOR) {
    throw new StartupError(
      `Redis at ${shown} is version ${version[1]}.${version[2]}; ${MINIMUM_MAJOR}.0 or newer is needed.`,
    );
  }
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  if (policy !== undefined && policy !== 'noeviction') {
    throw new StartupError(
      `Redis at ${shown} has maxmemory-policy ${policy} and would throw alerts away; set it to noeviction (CONFIG SET maxmemory-policy noeviction).`,
    );
  }
}

function reasonOf(error: unknown): string {
  const { message } = error as Error;
  if (/WRONGPASS|NOAUTH|AUTH/.test(message)) {
    return `it refuses the user name or password (${message.replace(/\.$/, '')})`;
  }
  return message || 'it does not answer';
}

/** A Redis address as it may be shown: without its password. */
export function shownAddress(address: RedisAddress): string {
  if ('socket' in address) return address.socket;
  const url = new URL(address.url);
  url.username = '';
  url.password = '';
  return url.href;
}
