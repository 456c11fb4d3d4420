import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import {
  InhibitRuleConfig,
  RoutingDocument,
  RoutingVersionInfo,
  RoutingVersion as ShownVersion,
  TimeIntervalConfig,
} from '@tocsin/openapi';
import type { FastifyReply, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { ProblemError } from '../../errors.ts';
import type { RoutingRegistry } from '../../routes/registry.ts';
import { compileRouting } from '../../routing/compile.ts';
import { groupKey } from '../../routing/tree.ts';
import type { Labels } from '../../routing/types.ts';
import type { RecentAlert } from '../../silences/recent.ts';
import type { RoutingVersion } from '../../store/routing.ts';
import { answer, named, problems } from '../problems.ts';

export interface RoutingRoutesOptions {
  readonly routes: RoutingRegistry;
  readonly recent: () => Promise<readonly RecentAlert[]>;
}

const SAMPLE = 50;
const READS = ['unauthorized', 'forbidden', 'validation_failed'] as const;
const WRITES = [
  ...READS,
  ...(['bad_request', 'media_type_unsupported', 'routing_read_only'] as const),
  ...(['version_conflict', 'version_missing'] as const),
] as const;
const Part = RoutingDocument.properties;
const Comment = Type.Optional(Type.String({ maxLength: 1024, description: 'Why.' }));
const Errors = Type.Array(Type.Object({ pointer: Type.String(), message: Type.String() }));
const DryRun = Type.Object({
  looked: Type.Integer({ description: 'Recent alerts that were looked at.' }),
  changed: Type.Integer({ description: 'How many of them would go another way.' }),
  sample: Type.Array(
    Type.Object({
      alert: Type.String({ description: 'Its id.' }),
      rule: Type.String(),
      before: Type.Array(Type.String(), { description: 'Channel and group of each route.' }),
      after: Type.Array(Type.String()),
    }),
  ),
});
/** What can be changed alone, and under which key of the document. */
const PARTS = [
  { path: '/v1/routes', key: 'route', name: 'Routes', schema: Part.route },
  {
    path: '/v1/inhibitions',
    key: 'inhibit_rules',
    name: 'Inhibitions',
    schema: Type.Array(InhibitRuleConfig),
  },
  {
    path: '/v1/time-intervals',
    key: 'time_intervals',
    name: 'TimeIntervals',
    schema: Type.Array(TimeIntervalConfig),
  },
] as const;

/** `/v1/routing` as a whole, its parts, and its versions. */
export const routingRoutes: FastifyPluginAsyncTypebox<RoutingRoutesOptions> = async (
  app,
  { routes, recent },
) => {
  const common = { tags: ['routing'], security: [{ bearer: [] }] };
  const Whole = Type.Object(
    { ...RoutingDocument.properties, comment: Comment },
    { additionalProperties: false },
  );

  const send = (reply: FastifyReply, version: RoutingVersion) =>
    reply.header('etag', `"${version.version}"`).send({
      ...shown(version),
      authority: routes.authority,
      ...version.document,
    });
  const change = async (
    request: FastifyRequest,
    reply: FastifyReply,
    document: RoutingDocument,
    comment = '',
  ) => {
    const maker = request.holder?.name ?? '';
    return send(reply, await routes.change(document, expectedOf(request), maker, comment));
  };

  app.get(
    '/v1/routing',
    {
      schema: {
        ...common,
        operationId: 'getRouting',
        summary: 'Show the routing as a whole; its version is the ETag',
        response: { 200: answer('The routing.', named(ShownVersion)), ...problems(...READS) },
      },
    },
    async (_request, reply) => send(reply, routes.current),
  );

  app.put(
    '/v1/routing',
    {
      schema: {
        ...common,
        operationId: 'putRouting',
        summary: 'Replace the routing; If-Match names the version that was read',
        body: Whole,
        response: { 200: answer('As it is now.', named(ShownVersion)), ...problems(...WRITES) },
      },
    },
    async (request, reply) => {
      const { comment, ...document } = request.body;
      return change(request, reply, document, comment);
    },
  );

  for (const { path, key, name, schema } of PARTS) {
    app.get(
      path,
      {
        schema: {
          ...common,
          operationId: `get${name}`,
          summary: `Show \`${key}\`; the version of the routing is the ETag`,
          response: { 200: answer('The routing.', named(ShownVersion)), ...problems(...READS) },
        },
      },
      async (_request, reply) => send(reply, routes.current),
    );
    app.put(
      path,
      {
        schema: {
          ...common,
          operationId: `put${name}`,
          summary: `Replace \`${key}\`; If-Match names the version that was read`,
          body: Type.Object({ [key]: schema, comment: Comment }, { additionalProperties: false }),
          response: { 200: answer('As it is now.', named(ShownVersion)), ...problems(...WRITES) },
        },
      },
      async (request, reply) => {
        const { comment, ...part } = request.body as { comment?: string };
        return change(request, reply, { ...routes.current.document, ...part }, comment);
      },
    );
  }

  app.post(
    '/v1/routing/validate',
    {
      schema: {
        ...common,
        operationId: 'validateRouting',
        summary: 'Tell what is wrong with a routing, without using it',
        body: Whole,
        response: {
          200: answer(
            'What is wrong with it.',
            Type.Object({ valid: Type.Boolean(), errors: Errors }),
          ),
          ...problems(...READS, 'bad_request', 'media_type_unsupported'),
        },
      },
    },
    async ({ body: { comment: _, ...document } }) => {
      const errors = routes.check(document);
      return { valid: errors.length === 0, errors };
    },
  );

  app.post(
    '/v1/routing/dry-run',
    {
      schema: {
        ...common,
        operationId: 'dryRunRouting',
        summary: 'Tell which of the recent alerts would go another way',
        body: Whole,
        response: {
          200: answer('What would change.', DryRun),
          ...problems(...READS, 'bad_request', 'media_type_unsupported'),
        },
      },
    },
    async ({ body: { comment: _, ...document } }) => {
      const errors = routes.check(document);
      if (errors.length > 0)
        throw new ProblemError('validation_failed', 'The routing cannot be used.', errors);
      const next = compileRouting(document);
      const before = routes.routing;
      const all = await recent();
      const moved = all.flatMap(({ labels, alert }) => {
        const ways = [before, next].map(({ tree }) => waysOf(tree, labels)) as [string[], string[]];
        if (ways[0].join('\n') === ways[1].join('\n')) return [];
        return [{ alert: alert.id, rule: alert.rule, before: ways[0], after: ways[1] }];
      });
      return { looked: all.length, changed: moved.length, sample: moved.slice(0, SAMPLE) };
    },
  );

  app.get(
    '/v1/routing/versions',
    {
      schema: {
        ...common,
        operationId: 'listRoutingVersions',
        summary: 'List the versions that are kept, newest first',
        response: {
          200: answer('Versions.', Type.Object({ items: Type.Array(RoutingVersionInfo) })),
          ...problems(...READS),
        },
      },
    },
    async () => ({ items: (await routes.versions()).map(shown) }),
  );

  app.get(
    '/v1/routing/versions/:version',
    {
      schema: {
        ...common,
        operationId: 'getRoutingVersion',
        summary: 'Show a version',
        params: Type.Object({ version: Type.Integer({ minimum: 1 }) }),
        response: {
          200: answer('The version.', named(ShownVersion)),
          ...problems(...READS, 'not_found'),
        },
      },
    },
    async ({ params }, reply) => send(reply, await routes.version(params.version)),
  );

  app.post(
    '/v1/routing/rollback',
    {
      schema: {
        ...common,
        operationId: 'rollBackRouting',
        summary: 'Make an earlier version the current one again, as a new version',
        body: Type.Object(
          { version: Type.Integer({ minimum: 1 }), comment: Comment },
          { additionalProperties: false },
        ),
        response: {
          200: answer('As it is now.', named(ShownVersion)),
          ...problems(...WRITES, 'not_found'),
        },
      },
    },
    async (request, reply) => {
      const { version, comment = `back to version ${version}` } = request.body;
      return change(request, reply, (await routes.version(version)).document, comment);
    },
  );
};

const shown = ({ version, made_at, made_by, comment }: RoutingVersion) => ({
  version,
  made_at: new Date(made_at).toISOString(),
  made_by,
  comment,
});

/** The version that a change is made of. */
function expectedOf({ headers }: FastifyRequest): number {
  const given = headers['if-match'];
  if (given === undefined)
    throw new ProblemError(
      'version_missing',
      'Send the header If-Match with the ETag of the version that was read.',
    );
  const version = /^(?:W\/)?"?(\d{1,15})"?$/.exec(given)?.[1];
  if (version === undefined)
    throw new ProblemError('version_conflict', 'If-Match does not name a version of the routing.');
  return Number(version);
}

const waysOf = (tree: ReturnType<typeof compileRouting>['tree'], labels: Labels): string[] =>
  (tree?.match(labels) ?? []).map((route) => `${route.channel} ${groupKey(route, labels)}`);
