/** `/v1/tokens`: who may use the API, and for what. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { parseDuration } from '@tocsin/openapi';
import Type from 'typebox';
import type { Tokens } from '../../auth/tokens.ts';
import { ProblemError } from '../../errors.ts';
import { ROLES, type TokenInfo } from '../../store/tokens.ts';
import { answer, noContent, problems } from '../problems.ts';

const Role = Type.Enum([...ROLES], {
  description:
    '`intake` hands in alerts, `reader` reads them, `operator` does both and silences them, `admin` may do everything.',
});
const NAME = '^[A-Za-z0-9]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?$';

const TokenRequest = Type.Object(
  {
    name: Type.String({
      pattern: NAME,
      description: 'Alerts that come with the token are told to be from this source.',
    }),
    role: Role,
    ttl: Type.Optional(
      Type.String({ description: 'How long it is known: `30d`; without it, until it is revoked.' }),
    ),
  },
  { additionalProperties: false },
);
const time = () => Type.Union([Type.String({ format: 'date-time' }), Type.Null()]);
const TokenShape = Type.Object({
  name: Type.String(),
  role: Role,
  origin: Type.Enum(['file', 'api']),
  made_by: Type.Union([Type.String(), Type.Null()]),
  made_at: time(),
  expires_at: time(),
});
const MadeToken = Type.Object({
  token: Type.String({ description: 'Shown this once.' }),
  ...TokenShape.properties,
});

const iso = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
const shown = ({ name, role, made }: TokenInfo) => ({
  ...{ name, role },
  origin: made ? ('api' as const) : ('file' as const),
  made_by: made?.by ?? null,
  made_at: iso(made?.at),
  expires_at: iso(made?.expires),
});

export const tokenRoutes: FastifyPluginAsyncTypebox<{ issuer: Tokens }> = async (
  app,
  { issuer },
) => {
  const common = { tags: ['tokens'], security: [{ bearer: [] }] };

  app.get(
    '/v1/tokens',
    {
      schema: {
        ...common,
        operationId: 'listTokens',
        summary: 'List the tokens of people and programs, without what proves them',
        response: {
          200: answer('All tokens.', Type.Object({ items: Type.Array(TokenShape) })),
          ...problems('unauthorized', 'forbidden'),
        },
      },
    },
    async () => ({ items: (await issuer.list()).map(shown) }),
  );

  app.post(
    '/v1/tokens',
    {
      schema: {
        ...common,
        operationId: 'createToken',
        summary: 'Make a token',
        body: TokenRequest,
        response: {
          201: answer('The token.', MadeToken),
          ...problems(
            ...(['bad_request', 'validation_failed', 'unauthorized', 'forbidden'] as const),
            ...(['token_exists', 'media_type_unsupported'] as const),
          ),
        },
      },
    },
    async ({ body: { name, role, ttl }, holder }, reply) => {
      const ttlMs = ttl === undefined ? undefined : parseDuration(ttl);
      if (ttl !== undefined && !ttlMs)
        throw new ProblemError('validation_failed', 'The body does not fit the schema.', [
          { pointer: '/ttl', message: 'ttl must be a duration such as 12h or 30d' },
        ]);
      const made = await issuer.create(name, role, ttlMs, holder?.name ?? '');
      reply.status(201).header('cache-control', 'no-store');
      return { token: made.token, ...shown(made) };
    },
  );

  app.delete(
    '/v1/tokens/:name',
    {
      schema: {
        ...common,
        operationId: 'revokeToken',
        summary: 'Revoke a token at once',
        params: Type.Object({ name: Type.String({ minLength: 1, maxLength: 512 }) }),
        response: {
          204: noContent('Revoked.'),
          ...problems(
            ...(['validation_failed', 'unauthorized', 'forbidden', 'not_found'] as const),
            'token_read_only',
          ),
        },
      },
    },
    async ({ params }, reply) => {
      await issuer.revoke(params.name);
      return reply.status(204).send(null);
    },
  );
};
