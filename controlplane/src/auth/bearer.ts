import type { FastifyRequest, onRequestAsyncHookHandler } from 'fastify';
import { ProblemError } from '../errors.ts';
import type { Role, TokenHolder, TokenStore } from '../store/tokens.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who sent the request; set where a bearer token is asked for. */
    holder?: TokenHolder;
  }
}

/** What each role includes, weakest first. */
const RANK: Readonly<Record<Role, number>> = { admin: 3 };

/** A hook for a scope of routes that only bearers of a token of this role, or a stronger one, may use. */
export function requireRole(tokens: TokenStore, role: Role): onRequestAsyncHookHandler {
  return async (request) => {
    const token = bearerOf(request);
    const holder = token === undefined ? undefined : await tokens.find(token);
    if (!holder) {
      throw new ProblemError(
        'unauthorized',
        token === undefined
          ? 'Send the header Authorization: Bearer TOKEN.'
          : 'The bearer token is not known here.',
      );
    }
    if (RANK[holder.role] < RANK[role]) {
      throw new ProblemError('forbidden', `This needs the role ${role}.`);
    }
    request.holder = holder;
  };
}

function bearerOf(request: FastifyRequest): string | undefined {
  return /^Bearer +(\S{1,512})$/i.exec(request.headers.authorization ?? '')?.[1];
}
