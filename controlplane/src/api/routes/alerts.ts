import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { parsePriority, StoredAlert } from '@tocsin/openapi';
import Type from 'typebox';
import { ProblemError } from '../../errors.ts';
import type { AlertStore } from '../../store/alerts.ts';
import { answer, named, problems } from '../problems.ts';

const AlertQuery = Type.Object(
  {
    rule: Type.Optional(Type.String({ minLength: 1, description: 'Exactly this rule.' })),
    priority: Type.Optional(Type.String({ description: 'Exactly this priority, in any case.' })),
    minimum_priority: Type.Optional(
      Type.String({ description: 'This priority or a more severe one.' }),
    ),
    hostname: Type.Optional(Type.String({ minLength: 1, description: 'Exactly this host.' })),
    since: Type.Optional(
      Type.String({
        description: 'RFC 3339 time: only alerts that were last seen at or after it.',
      }),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
    cursor: Type.Optional(
      Type.String({
        pattern: '^[1-9]\\d{0,15}$',
        description: '`next` of the answer before.',
      }),
    ),
  },
  { additionalProperties: false },
);
const AlertList = Type.Object({
  items: Type.Array(named(StoredAlert), { description: 'Newest first.' }),
  next: Type.Union([Type.String(), Type.Null()], {
    description: '`cursor` of the next page; null at the end.',
  }),
});

/** `GET /v1/alerts` and `GET /v1/alerts/{id}`. */
export const alertRoutes: FastifyPluginAsyncTypebox<{ alerts: AlertStore }> = async (
  app,
  { alerts },
) => {
  app.get(
    '/v1/alerts',
    {
      schema: {
        operationId: 'listAlerts',
        tags: ['alerts'],
        summary: 'List alerts, newest first',
        security: [{ bearer: [] }],
        querystring: AlertQuery,
        response: {
          200: answer('A page of alerts.', AlertList),
          ...problems('validation_failed', 'unauthorized', 'forbidden'),
        },
      },
    },
    async ({ query }) => {
      const { rule, hostname, limit = 100, cursor } = query;
      const filter = {
        rule,
        hostname,
        priority: priorityOf(query.priority, 'priority'),
        minimumPriority: priorityOf(query.minimum_priority, 'minimum_priority'),
        since: timeOf(query.since),
      };
      const { items, next } = await alerts.list(filter, limit, cursor ? Number(cursor) : undefined);
      return { items, next: next === null ? null : String(next) };
    },
  );

  app.get(
    '/v1/alerts/:id',
    {
      schema: {
        operationId: 'getAlert',
        tags: ['alerts'],
        summary: 'Show an alert',
        security: [{ bearer: [] }],
        params: Type.Object({ id: Type.String({ maxLength: 64 }) }),
        response: {
          200: answer('The alert.', named(StoredAlert)),
          ...problems('validation_failed', 'unauthorized', 'forbidden', 'not_found'),
        },
      },
    },
    async ({ params }) => {
      const alert = await alerts.get(params.id);
      if (!alert) throw new ProblemError('not_found', `There is no alert ${params.id}.`);
      return alert;
    },
  );
};

function priorityOf(text: string | undefined, parameter: string) {
  if (text === undefined) return undefined;
  const priority = parsePriority(text);
  if (priority) return priority;
  throw invalid(
    parameter,
    'must be one of emergency, alert, critical, error, warning, notice, informational, debug',
  );
}

function timeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const time = /^\d{4}-\d{2}-\d{2}T/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw invalid('since', 'must be a time as 2026-01-31T12:00:00Z');
}

function invalid(parameter: string, message: string): ProblemError {
  return new ProblemError('validation_failed', 'The query does not fit the schema.', [
    { pointer: parameter, message: `${parameter} ${message}` },
  ]);
}
