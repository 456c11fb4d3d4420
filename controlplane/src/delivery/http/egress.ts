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
  readonly blocked: boolean;

  constructor(message: string, options: { blocked?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'ConnectError';
    this.blocked = options.blocked ?? false;
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

/** Through a proxy names are resolved and addresses are judged there. */
function throughProxy(
  { url, authorization }: NonNullable<EgressOptions['proxy']>,
  { tls }: EgressOptions,
): Dispatcher {
  return new ProxyAgent({
    uri: url,
    ...(authorization !== undefined && { token: authorization }),
    ...(tls && { requestTls: tls }),
    proxyTls: { timeout: CONNECT_TIMEOUT_MS, ...(tls?.ca && { ca: tls.ca }) },
    keepAliveTimeout: IDLE_MS,
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
      else callback(new ConnectError(what, { cause: error }), null);
    });
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
    { blocked: true },
  );
