/** The connections of channels that speak HTTP: checked addresses only, and a clear line between "never connected" and "perhaps received". */
import type { LookupAddress } from 'node:dns';
import { lookup as resolveName } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { Agent, buildConnector, type Dispatcher, Pool, ProxyAgent } from 'undici';
import { isPublicAddress } from './address.ts';

const CONNECT_TIMEOUT_MS = 5000;
const IDLE_MS = 10_000;

/** No connection came about: the request was certainly not received. */
export class ConnectError extends Error {
  /** What only a person can mend: an address that is not allowed, or a proxy that refuses. */
  readonly reason: 'blocked' | 'auth' | undefined;

  constructor(message: string, options: { reason?: 'blocked' | 'auth'; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'ConnectError';
    this.reason = options.reason;
  }
}

export interface EgressOptions {
  readonly allowPrivate: boolean;
  /** Authorities to trust instead of the usual ones, and the certificate to show, in PEM. */
  readonly tls?: Pick<ConnectionOptions, 'ca' | 'cert' | 'key'>;
  readonly proxy?: { readonly url: string; readonly authorization: string | undefined };
}

/** The dispatcher of a channel. */
export function createEgress(options: EgressOptions): Dispatcher {
  return options.proxy ? throughProxy(options.proxy, options) : directly(options);
}

/** What a proxy that lets nothing through answers, in the words of undici. */
const REFUSED_BY_PROXY = /^Proxy response \((\d+)\)/;

/** Through a proxy names are resolved and addresses are judged there. */
function throughProxy(
  { url, authorization }: NonNullable<EgressOptions['proxy']>,
  { tls }: EgressOptions,
): Dispatcher {
  return new ProxyAgent({
    uri: url,
    ...(authorization !== undefined && { token: authorization }),
    requestTls: { timeout: CONNECT_TIMEOUT_MS, ...tls },
    proxyTls: { timeout: CONNECT_TIMEOUT_MS, ...(tls?.ca && { ca: tls.ca }) },
    keepAliveTimeout: IDLE_MS,
    // A request that has no connection yet cannot be stopped: the proxy has to say something in time.
    clientFactory: (origin, options) =>
      new Pool(origin, { ...options, headersTimeout: CONNECT_TIMEOUT_MS }),
    factory(origin, { connect, ...rest }: Pool.Options) {
      const tunnel = connect as buildConnector.connector;
      return new Pool(origin, { ...rest, connect: telling(tunnel, 'cannot connect by the proxy') });
    },
  });
}

/** A connector whose failures are known to be such. */
function telling(connect: buildConnector.connector, what: string): buildConnector.connector {
  return (target, callback) =>
    connect(target, (error, socket) => {
      if (socket) callback(null, socket);
      else if (error instanceof ConnectError) callback(error, null);
      else callback(refusedByProxy(error) ?? new ConnectError(what, { cause: error }), null);
    });
}

/** The answer of a proxy, when it is one that stays the same until somebody mends it. */
function refusedByProxy({ message }: Error): ConnectError | undefined {
  const status = Number(REFUSED_BY_PROXY.exec(message)?.[1]);
  if (status === 407)
    return new ConnectError('the proxy wants other credentials: HTTP 407', { reason: 'auth' });
  return status === 403
    ? new ConnectError('the proxy lets nothing through to there: HTTP 403', { reason: 'blocked' })
    : undefined;
}

/** An undici dispatcher that connects only to public addresses, unless private ones are allowed. */
function directly(options: EgressOptions): Agent {
  const isAllowed = (address: string) => options.allowPrivate || isPublicAddress(address);
  const connect = telling(
    buildConnector({
      timeout: CONNECT_TIMEOUT_MS,
      lookup: checkedLookup(isAllowed),
      autoSelectFamily: true,
      ...options.tls,
    }),
    'cannot connect',
  );
  return new Agent({
    pipelining: 1,
    keepAliveTimeout: IDLE_MS,
    connect(target, callback) {
      // An address in the URL is never looked up, so it is checked here.
      const host = target.hostname.replace(/^\[|\]$/g, '');
      if (isIP(host) !== 0 && !isAllowed(host)) {
        callback(blockedError(host, host), null);
        return;
      }
      connect(target, callback);
    },
  });
}

/** Resolves and hands only allowed addresses to the connection. */
function checkedLookup(isAllowed: (address: string) => boolean): LookupFunction {
  return (hostname, options, callback) => {
    resolveName(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error) {
        callback(error, '');
        return;
      }
      const allowed = addresses.filter(({ address }) => isAllowed(address));
      const [first] = allowed;
      if (!first) callback(blockedError(hostname, addresses[0]?.address ?? 'nothing'), '');
      else if (options.all) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}

const blockedError = (host: string, address: string) =>
  new ConnectError(
    `${host} is ${host === address ? '' : `${address}, `}not a public address; set allow_private_addresses if that is meant`,
    { reason: 'blocked' },
  );
