/** Errors over HTTP: every answer that is not a success is a problem (RFC 9457) with a code of the contract. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import {
  EnvelopeError,
  PROBLEM_CODES,
  Problem,
  type ProblemCode,
  problemOf,
} from '@tocsin/openapi';
import type {
  ConnectionError,
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
} from 'fastify';
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
  const withBody = codes.includes('media_type_unsupported') ? (['body_too_large'] as const) : [];
  for (const code of new Set([...codes, ...withBody, ...alwaysPossible])) {
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

/** Makes every error of the app a problem. Called before the routes are added. */
export function handleProblems(app: FastifyInstance): void {
  const methodsOf = rememberMethods(app);
  app.setErrorHandler((error: FastifyError, request, reply) => sendProblem(error, request, reply));
  app.setNotFoundHandler((request, reply) => {
    const { method } = request;
    const path = request.url.split('?', 1)[0] as string;
    const methods = methodsOf(path);
    if (methods.length > 0) void reply.header('allow', methods.join(', '));
    const problem =
      methods.length > 0
        ? new ProblemError(
            'method_not_allowed',
            `${path} takes ${methods.join(', ')}, not ${method}.`,
          )
        : new ProblemError('not_found', `There is no ${method} ${path}.`);
    return sendProblem(problem, request, reply);
  });
}

/** Remembers the routes that are added from now on; tells the methods that a path takes. */
function rememberMethods(app: FastifyInstance): (path: string) => string[] {
  const routes: { readonly path: RegExp; readonly methods: readonly string[] }[] = [];
  app.addHook('onRoute', ({ url, method }) => {
    const path = new RegExp(`^${url.replaceAll('.', '\\.').replace(/:\w+/g, '[^/]+')}$`);
    routes.push({ path, methods: [method].flat() });
  });
  return (path) => [
    ...new Set(routes.flatMap((route) => (route.path.test(path) ? route.methods : []))),
  ];
}

/** What Node refuses before there is a request, in our codes. */
const CLIENT_ERRORS: Readonly<Record<string, readonly [ProblemCode, string]>> = {
  HPE_HEADER_OVERFLOW: ['headers_too_large', 'The headers of the request are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request_timeout', 'The request did not come whole in time.'],
};

/** Answers with a problem what is not even HTTP, and ends the connection. */
export function refuseConnection(error: ConnectionError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy(error);
    return;
  }
  const [code, detail] = CLIENT_ERRORS[error.code] ?? ['bad_request', 'The request is not HTTP.'];
  const problem = problemOf(code, detail);
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
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
  // One text for two faults, of which it tells one.
  const detail =
    code === 'FST_ERR_CTP_INVALID_JSON_BODY'
      ? 'The body is not valid JSON, or has a key __proto__ or constructor.prototype, which no key may be called.'
      : message;
  if (known) return problemOf(known, detail, more);
  if (statusCode >= 400 && statusCode < 500) return problemOf('bad_request', message, more);
  request.log.error({ err: error }, 'request failed');
  return problemOf('internal', 'The request could not be completed.', more);
}
