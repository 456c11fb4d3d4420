/** The connections of channels that speak HTTP: checked addresses only, and a clear line between "never connected" and "perhaps received". */
import type { LookupAddress } from 'node:dns';
import { lookup as resolveName } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { Agent, buildConnector } from 'undici';
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
}

/** An undici dispatcher that connects only to public addresses, unless private ones are allowed. */
export function createEgress(options: EgressOptions): Agent {
  const isAllowed = (address: string) => options.allowPrivate || isPublicAddress(address);
  const connect = buildConnector({
    timeout: CONNECT_TIMEOUT_MS,
    lookup: checkedLookup(isAllowed),
    autoSelectFamily: true,
    ...options.tls,
  });
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
      connect(target, (error, socket) => {
        if (socket) callback(null, socket);
        else if (error instanceof ConnectError) callback(error, null);
        else callback(new ConnectError('cannot connect', { cause: error }), null);
      });
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
