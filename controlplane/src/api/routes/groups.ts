import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { StoredAlert } from '@tocsin/openapi';
import type { Redis } from 'ioredis';
import Type from 'typebox';
import type { ChannelRegistry } from '../../channels/registry.ts';
import { ProblemError } from '../../errors.ts';
import type { GroupRunner } from '../../groups/runner.ts';
import { groupTimeline, type TimelineStep, viewGroups } from '../../groups/view.ts';
import type { AlertStore } from '../../store/alerts.ts';
import { OUTCOMES, readLedger } from '../../store/ledger.ts';
import { answer, problems } from '../problems.ts';

export interface GroupRoutesOptions {
  readonly redis: Redis;
  readonly alerts: AlertStore;
  /** Undefined when nothing is grouped. */
  readonly groups: () => GroupRunner | undefined;
  readonly registry: ChannelRegistry;
}

const count = Type.Integer({ minimum: 0 });
const Outcomes = Type.Object(Object.fromEntries(OUTCOMES.map((name) => [name, count])));
const account = { accepted: count, outcomes: Outcomes };
const Ledger = Type.Object(
  {
    ...account,
    agents: Type.Array(Type.Object({ agent: Type.String(), ...account })),
    routes: Type.Array(Type.Object({ route: Type.String(), ...account })),
  },
  { description: '`accepted` is the sum of the outcomes, over all and in each account.' },
);
const nullable = <S extends Parameters<typeof Type.Union>[0][number]>(schema: S) =>
  Type.Union([schema, Type.Null()]);
const time = Type.String({ format: 'date-time' });
const Group = Type.Object({
  id: Type.String(),
  key: Type.String({ description: 'As in Alertmanager: matchers of the route, labels.' }),
  route: nullable(Type.String()),
  channel: nullable(Type.String()),
  labels: Type.Record(Type.String(), Type.String()),
  overflow: Type.Boolean({
    description: 'It takes what its route may not have groups of its own for.',
  }),
  created_at: time,
  last_flush: nullable(time),
  notifications: count,
  last_notification: nullable(
    Type.Object({ id: Type.String(), at: time, reason: Type.String(), fate: Type.String() }),
  ),
  counts: Type.Object({ firing: count, ended: count, held: count }),
  next_flush: time,
  reason: Type.String({ description: 'What it will say then if nothing comes, or why nothing.' }),
});
const Step = Type.Object({
  at: time,
  what: Type.String(),
  route: Type.Optional(Type.String()),
  group: Type.Optional(Type.String()),
  channel: Type.Optional(Type.String()),
  by: Type.Optional(Type.String({ description: 'Silence, source, interval or notification.' })),
  detail: Type.Optional(Type.String()),
});
const Timeline = Type.Object({
  id: Type.String(),
  outcome: nullable(Type.String()),
  past: Type.Array(Step, { description: 'In order.' }),
  next: Type.Array(Step),
});
const READS = ['unauthorized', 'forbidden'] as const;

/** `GET /v1/ledger`, `GET /v1/groups` and `GET /v1/alerts/{id}/timeline`. */
export const groupRoutes: FastifyPluginAsyncTypebox<GroupRoutesOptions> = async (
  app,
  { redis, alerts, groups, registry },
) => {
  const channelsOf = (alert: StoredAlert) => {
    const { channels, router } = registry.table;
    return router.route(alert).flatMap((position) => channels[position]?.name ?? []);
  };
  const common = { tags: ['alerts'], security: [{ bearer: [] }] };

  app.get(
    '/v1/ledger',
    {
      schema: {
        ...common,
        operationId: 'getLedger',
        summary: 'What became of every alert that was accepted',
        response: { 200: answer('The ledger.', Ledger), ...problems(...READS) },
      },
    },
    async () => {
      const ledger = await readLedger(redis);
      const grouping = groups()?.grouping;
      const named = ledger.routes.map((one) => ({
        ...one,
        route: grouping?.route(one.route)?.id ?? one.route,
      }));
      return { ...ledger, routes: named };
    },
  );

  app.get(
    '/v1/groups',
    {
      schema: {
        ...common,
        operationId: 'listGroups',
        summary: 'List groups, those that are looked at next in front',
        querystring: Type.Object(
          { limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })) },
          { additionalProperties: false },
        ),
        response: {
          200: answer('Groups.', Type.Object({ items: Type.Array(Group), total: count })),
          ...problems('validation_failed', ...READS),
        },
      },
    },
    async ({ query }) => {
      const runner = groups();
      if (!runner) return { items: [], total: 0 };
      const items = await viewGroups(runner.view, await runner.now(), query.limit ?? 100);
      return { items, total: await runner.view.store.size() };
    },
  );

  app.get(
    '/v1/alerts/:id/timeline',
    {
      schema: {
        ...common,
        operationId: 'getAlertTimeline',
        summary: 'What happened to an alert, and what will',
        params: Type.Object({ id: Type.String({ maxLength: 64 }) }),
        response: {
          200: answer('The timeline.', Timeline),
          ...problems('validation_failed', 'not_found', ...READS),
        },
      },
    },
    async ({ params }) => {
      const alert = await alerts.get(params.id);
      if (!alert) throw new ProblemError('not_found', `There is no alert ${params.id}.`);
      const received: TimelineStep[] = [
        { at: alert.first_seen, what: 'received', by: alert.agent },
        ...(alert.count > 1
          ? [{ at: alert.last_seen, what: 'deduplicated', detail: `seen ${alert.count} times` }]
          : []),
      ];
      const runner = groups();
      const told = runner
        ? await groupTimeline(runner.view, alert, await runner.now())
        : await alerts.told(alert.id, channelsOf(alert));
      const past = [...received, ...told.past].sort((a, b) =>
        a.at < b.at ? -1 : a.at > b.at ? 1 : 0,
      );
      return { id: alert.id, outcome: told.outcome, past, next: told.next };
    },
  );
};
