import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Agent, EnrollRequest, EnrollResponse, parseDuration } from '@tocsin/openapi';
import Type from 'typebox';
import { ProblemError } from '../../errors.ts';
import type { Enrollment } from '../../fleet/enrollment.ts';
import { answer, named, noContent, problems } from '../problems.ts';

const MAX_TTL_MS = 30 * 86_400_000;

const JoinTokenRequest = Type.Object(
  {
    ttl: Type.String({
      default: '1h',
      description: 'How long the token can be used: `30m`, `1h`, at most `30d`.',
    }),
  },
  { additionalProperties: false },
);
const JoinToken = Type.Object({
  join_token: Type.String({ description: 'Shown this once; enrols one agent.' }),
  expires_at: Type.String({ format: 'date-time' }),
});
const AgentName = Type.Object({ agent: Type.String({ minLength: 1, maxLength: 64 }) });

/** `POST /v1/agents/enroll`: where a host becomes an agent. The join token is the proof. */
export const enrollRoutes: FastifyPluginAsyncTypebox<{ enrollment: Enrollment }> = async (
  app,
  { enrollment },
) => {
  app.post(
    '/v1/agents/enroll',
    {
      schema: {
        operationId: 'enrollAgent',
        tags: ['agents'],
        summary: 'Enrol an agent with a one-time join token',
        security: [],
        body: EnrollRequest,
        response: {
          201: answer('Enrolled.', named(EnrollResponse)),
          ...problems(
            'bad_request',
            'validation_failed',
            'join_token_invalid',
            'media_type_unsupported',
          ),
        },
      },
    },
    async ({ body }, reply) => reply.status(201).send(await enrollment.enroll(body)),
  );
};

/** `GET /v1/agents`, `DELETE /v1/agents/{agent}` and `POST /v1/join-tokens`. */
export const agentRoutes: FastifyPluginAsyncTypebox<{ enrollment: Enrollment }> = async (
  app,
  { enrollment },
) => {
  app.get(
    '/v1/agents',
    {
      schema: {
        operationId: 'listAgents',
        tags: ['agents'],
        summary: 'List the agents of the fleet',
        security: [{ bearer: [] }],
        response: {
          200: answer('All agents.', Type.Object({ items: Type.Array(named(Agent)) })),
          ...problems('unauthorized', 'forbidden'),
        },
      },
    },
    async () => ({ items: await enrollment.list() }),
  );

  app.delete(
    '/v1/agents/:agent',
    {
      schema: {
        operationId: 'revokeAgent',
        tags: ['agents'],
        summary: 'Revoke an agent at once; it stays listed as revoked',
        security: [{ bearer: [] }],
        params: AgentName,
        response: {
          204: noContent('Revoked.'),
          ...problems('validation_failed', 'unauthorized', 'forbidden', 'not_found'),
        },
      },
    },
    async ({ params }, reply) => {
      await enrollment.revoke(params.agent);
      return reply.status(204).send(null);
    },
  );

  app.post(
    '/v1/join-tokens',
    {
      schema: {
        operationId: 'createJoinToken',
        tags: ['agents'],
        summary: 'Make a join token for one agent',
        security: [{ bearer: [] }],
        body: JoinTokenRequest,
        response: {
          201: answer('The token.', JoinToken),
          ...problems(
            'bad_request',
            'validation_failed',
            'unauthorized',
            'forbidden',
            'media_type_unsupported',
          ),
        },
      },
    },
    async ({ body }, reply) => {
      const ttlMs = parseDuration(body.ttl);
      if (!ttlMs || ttlMs > MAX_TTL_MS) {
        throw new ProblemError('validation_failed', 'The body does not fit the schema.', [
          { pointer: '/ttl', message: 'ttl must be a duration such as 30m or 1h, at most 30d' },
        ]);
      }
      const join_token = await enrollment.createJoinToken(ttlMs);
      const expires_at = new Date(Date.now() + ttlMs).toISOString();
      return reply.status(201).header('cache-control', 'no-store').send({ join_token, expires_at });
    },
  );
};
