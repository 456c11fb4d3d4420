import type { FastifyRequest, onRequestAsyncHookHandler } from 'fastify';
import { ProblemError } from '../errors.ts';
import type { Role, TokenHolder, TokenStore } from '../store/tokens.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who sent the request; set where a bearer token is asked for. */
    holder?: TokenHolder;
  }
}

/** What each role includes. */
const INCLUDED: Readonly<Record<Role, readonly Role[]>> = {
  intake: ['intake'],
  reader: ['reader'],
  operator: ['intake', 'reader', 'operator'],
  admin: ['intake', 'reader', 'operator', 'admin'],
};

/** A hook for a scope of routes that only bearers of a token of this role, or a stronger one, may use; `reading` is enough to GET. */
export function requireRole(
  tokens: TokenStore,
  { role: writing, reading = writing }: { readonly role: Role; readonly reading?: Role },
  findToken: (request: FastifyRequest) => string | undefined = bearerOf,
): onRequestAsyncHookHandler {
  return async (request) => {
    const token = findToken(request);
    const holder = token === undefined ? undefined : await tokens.find(token);
    if (!holder) {
      throw new ProblemError(
        'unauthorized',
        token === undefined
          ? 'Send the header Authorization: Bearer TOKEN.'
          : 'The bearer token is not known here.',
      );
    }
    const role = ['GET', 'HEAD'].includes(request.method) ? reading : writing;
    if (!INCLUDED[holder.role].includes(role)) {
      throw new ProblemError('forbidden', `This needs the role ${role}.`);
    }
    request.holder = holder;
  };
}

/** The token of a program that was made for other servers: as a bearer token, as a password, or as `token` in the URL. */
export function tokenOfProgram(request: FastifyRequest): string | undefined {
  const { token } = request.query as { token?: unknown };
  return (
    bearerOf(request) ??
    passwordOf(request) ??
    (typeof token === 'string' && token.length <= 512 ? token : undefined)
  );
}

function passwordOf(request: FastifyRequest): string | undefined {
  const encoded = /^Basic +([\w+/=-]{1,1024})$/i.exec(request.headers.authorization ?? '')?.[1];
  const pair = encoded && Buffer.from(encoded, 'base64').toString();
  return pair ? pair.slice(pair.indexOf(':') + 1) : undefined;
}

const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'];

/**
 * Whether a program on this machine sent the request itself. Not one that a proxy passed on, and not a browser, which any page can make
 * send.
 */
export function isLocalProgram(request: FastifyRequest): boolean {
  const { headers, socket } = request;
  const local = /^(127\.|::1$|::ffff:127\.)/.test(socket.remoteAddress ?? '');
  const browser = headers.origin !== undefined || headers['sec-fetch-site'] !== undefined;
  return local && !browser && !FORWARDED.some((name) => headers[name] !== undefined);
}

function bearerOf(request: FastifyRequest): string | undefined {
  return /^Bearer +(\S{1,512})$/i.exec(request.headers.authorization ?? '')?.[1];
}
