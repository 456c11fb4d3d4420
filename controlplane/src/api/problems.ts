/** Errors over HTTP: every answer that is not a success is a problem (RFC 9457) with a code of the contract. */
import {
  EnvelopeError,
  PROBLEM_CODES,
  Problem,
  type ProblemCode,
  problemOf,
} from '@tocsin/openapi';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import Type, { type TSchema } from 'typebox';
import { ProblemError } from '../errors.ts';
import { isStoreUnavailable } from '../store/redis.ts';

const RETRY_AFTER_SECONDS = '2';

/** What Fastify itself refuses, in our codes. */
const FASTIFY_CODES: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'media_type_unsupported',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'bad_request',
  FST_ERR_CTP_INVALID_JSON_BODY: 'bad_request',
  FST_ERR_VALIDATION: 'validation_failed',
  FST_ERR_NOT_FOUND: 'not_found',
};

/** A schema by name, for answers: it becomes a component of the OpenAPI document. */
export const named = <S extends TSchema>(schema: S) =>
  Type.Unsafe<Type.Static<S>>({ $ref: `${(schema as { $id?: string }).$id}#` });

/** A successful answer with its description. */
export const answer = <S extends TSchema>(description: string, schema: S) => ({
  description,
  content: { 'application/json': { schema } },
});

/** An answer without a body. */
export const noContent = (description: string) => Type.Null({ description });

const alwaysPossible: readonly ProblemCode[] = ['internal', 'store_unavailable'];

/** The answers of a route that are problems: those given, and what any route can answer. */
export function problems(...codes: ProblemCode[]): Record<number, unknown> {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of [...codes, ...alwaysPossible]) {
    const [status] = PROBLEM_CODES[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, list]) => [
      status,
      {
        description: list.map((code) => `\`${code}\`: ${PROBLEM_CODES[code][1]}`).join('\n'),
        content: { 'application/problem+json': { schema: named(Problem) } },
      },
    ]),
  );
}

/** Makes every error of the app a problem. */
export function handleProblems(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError, request, reply) => sendProblem(error, request, reply));
  app.setNotFoundHandler((request, reply) =>
    sendProblem(
      new ProblemError('not_found', `There is no ${request.method} ${request.url.split('?')[0]}.`),
      request,
      reply,
    ),
  );
}

/** Answers with a problem. */
export function sendProblem(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const problem = toProblem(error, request);
  if (problem.status === 503) void reply.header('retry-after', RETRY_AFTER_SECONDS);
  if (problem.status === 401) void reply.header('www-authenticate', 'Bearer');
  return reply.status(problem.status).type('application/problem+json').send(problem);
}

function toProblem(error: unknown, request: FastifyRequest): Problem {
  const more = { request_id: request.id };
  if (error instanceof ProblemError) {
    const { code, message, errors } = error;
    return problemOf(code, message, errors ? { ...more, errors } : more);
  }
  if (error instanceof EnvelopeError) return problemOf(error.code, error.message, more);
  if (isStoreUnavailable(error)) {
    request.log.warn({ err: error }, 'store is unavailable');
    return problemOf(
      'store_unavailable',
      'Redis does not answer or does not take writes; try again.',
      more,
    );
  }
  const { code, statusCode = 500, message } = error as FastifyError;
  const known = FASTIFY_CODES[code];
  if (known) return problemOf(known, message, more);
  if (statusCode >= 400 && statusCode < 500) return problemOf('bad_request', message, more);
  request.log.error({ err: error }, 'request failed');
  return problemOf('internal', 'The request could not be completed.', more);
}
