import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { ChannelName } from '@tocsin/openapi';
import type { Redis } from 'ioredis';
import Type from 'typebox';
import type { ChannelRegistry } from '../../channels/registry.ts';
import { FAILURE_REASONS } from '../../delivery/channel.ts';
import { ProblemError } from '../../errors.ts';
import { pauseChannel, readChannelState } from '../../store/channel-state.ts';
import { type DeadLetter, DeadLetters, rulesOf } from '../../store/dead-letters.ts';
import { readDeliveryLog, readStatistics } from '../../store/delivery-log.ts';
import { channelKeys } from '../../store/keys.ts';
import type { Outbox } from '../../store/outbox.ts';
import { answer, problems } from '../problems.ts';

export interface DeliveryRoutesOptions {
  readonly redis: Redis;
  readonly registry: ChannelRegistry;
  readonly outbox: Outbox;
  readonly delivery: {
    /** Looks at once whether a channel has something to tell. */
    wake(channel: string): void;
  };
}

const MOST = 10_000;
const count = Type.Integer({ minimum: 0 });
const time = Type.String({ format: 'date-time' });
const orNull = <S extends Parameters<typeof Type.Union>[0][number]>(schema: S) =>
  Type.Union([schema, Type.Null()]);
const Params = Type.Object({ name: ChannelName });
const Reason = Type.Enum([...FAILURE_REASONS]);
const Status = Type.Object({
  state: Type.Enum(['working', 'paused', 'quiet', 'broken'], {
    description:
      '`paused`: until `paused_until`, or until it is resumed. `quiet`: the provider asked for a pause. `broken`: probed one send at a time.',
  }),
  paused_until: orNull(time),
  quiet_until: orNull(time),
  broken: orNull(
    Type.Object({
      since: time,
      next_probe: time,
      probes: count,
      reason: Reason,
      detail: Type.String(),
      told_at: orNull(Type.String({ description: 'Channel where it was told.' })),
    }),
  ),
  waiting: Type.Object({ groups: count, notifications: count, oldest: orNull(time) }),
  ledger: Type.Record(Type.String(), Type.Integer(), {
    description: 'Alerts and notifications of groups by what became of them here.',
  }),
  attempts: Type.Array(
    Type.Object({ result: Type.String(), reason: orNull(Type.String()), count }),
  ),
  last_delivered: orNull(time),
  last_failure: orNull(time),
  dead_letters: count,
});
const LoggedAttempt = Type.Object({
  notification: Type.String(),
  time,
  ms: count,
  result: Type.String(),
  reason: orNull(Type.String()),
  detail: Type.String({ description: 'What the provider really answered.' }),
  entries: Type.Integer({ description: 'Alerts or updates of a group that it told together.' }),
  failures: Type.Integer({ description: 'Attempts that failed before.' }),
  repeated: Type.Boolean({ description: 'It may have been told before.' }),
  next: Type.Enum(['done', 'again', 'dead_lettered']),
});
const Letter = Type.Object({
  id: Type.String({ description: 'Of the notification.' }),
  time,
  decided_at: time,
  reason: Reason,
  detail: Type.String({ description: 'What the provider answered last.' }),
  repeated: Type.Boolean({ description: 'It may have been told.' }),
  rules: Type.Array(Type.String()),
  alert: orNull(Type.String({ description: 'Id of its alert.' })),
  group: orNull(Type.String({ description: 'Key of the group that it is an update of.' })),
});
const WholeLetter = Type.Object({
  ...Letter.properties,
  entry: Type.Record(Type.String(), Type.Unknown(), { description: 'As it was queued.' }),
});
const filters = {
  reason: Type.Optional(Reason),
  rule: Type.Optional(
    Type.String({ minLength: 1, maxLength: 1000, description: 'One of its alerts has it.' }),
  ),
  since: Type.Optional(
    Type.String({ format: 'date-time', description: 'Given up then or later.' }),
  ),
  until: Type.Optional(Type.String({ format: 'date-time' })),
};
const limit = (most: number, usual: number) =>
  Type.Optional(Type.Integer({ minimum: 1, maximum: most, default: usual }));
const closed = { additionalProperties: false } as const;
const LetterQuery = Type.Object(
  {
    ...filters,
    limit: limit(1000, 100),
    offset: Type.Optional(Type.Integer({ minimum: 0, maximum: MOST })),
  },
  closed,
);
const Selection = Type.Object(
  {
    ...filters,
    ids: Type.Optional(
      Type.Array(Type.String({ maxLength: 400 }), { minItems: 1, maxItems: 1000 }),
    ),
    limit: limit(MOST, MOST),
  },
  { ...closed, description: 'All that is given must fit; nothing given takes all.' },
);
const PauseRequest = Type.Object(
  { until: Type.Optional(Type.String({ format: 'date-time' })) },
  { ...closed, description: 'Without `until`, until it is resumed.' },
);
const Count = Type.Object({ count });

const READS = ['unauthorized', 'forbidden', 'validation_failed', 'not_found'] as const;
const WRITES = [...READS, 'bad_request', 'media_type_unsupported'] as const;

/** How a channel is doing, what it was sent, and what was given up: below `/v1/channels/{name}`. */
export const deliveryRoutes: FastifyPluginAsyncTypebox<DeliveryRoutesOptions> = async (
  app,
  { redis, registry, outbox, delivery },
) => {
  const common = { tags: ['channels'], security: [{ bearer: [] }] };
  const letters = () => new DeadLetters(redis);

  app.get(
    '/v1/channels/:name/status',
    {
      schema: {
        ...common,
        operationId: 'getChannelStatus',
        summary: 'How a channel is doing: what holds it back, what waits, what became of the rest',
        params: Params,
        response: { 200: answer('Its status.', Status), ...problems(...READS) },
      },
    },
    async ({ params: { name } }) => {
      registry.show(name);
      return readStatus(redis, outbox, name);
    },
  );

  app.post(
    '/v1/channels/:name/pause',
    {
      schema: {
        ...common,
        operationId: 'pauseChannel',
        summary: 'Tell nothing on a channel for a while; what waits is kept',
        params: Params,
        body: orNull(PauseRequest),
        response: { 200: answer('Its status.', Status), ...problems(...WRITES) },
      },
    },
    async ({ params: { name }, body }) => {
      registry.show(name);
      const until = timeOf(body?.until) ?? Number.POSITIVE_INFINITY;
      await pauseChannel(redis, name, until);
      return readStatus(redis, outbox, name);
    },
  );

  app.post(
    '/v1/channels/:name/resume',
    {
      schema: {
        ...common,
        operationId: 'resumeChannel',
        summary: 'End the pause of a channel',
        params: Params,
        response: { 200: answer('Its status.', Status), ...problems(...READS) },
      },
    },
    async ({ params: { name } }) => {
      registry.show(name);
      await pauseChannel(redis, name, undefined);
      delivery.wake(name);
      return readStatus(redis, outbox, name);
    },
  );

  app.get(
    '/v1/channels/:name/deliveries',
    {
      schema: {
        ...common,
        operationId: 'listDeliveries',
        summary: 'The last attempts on a channel, newest first; 200 are kept',
        params: Params,
        querystring: Type.Object({ limit: limit(200, 50) }, closed),
        response: {
          200: answer('Attempts.', Type.Object({ items: Type.Array(LoggedAttempt) })),
          ...problems(...READS),
        },
      },
    },
    async ({ params: { name }, query }) => {
      registry.show(name);
      const log = await readDeliveryLog(redis, name, query.limit ?? 50);
      return {
        items: log.map((one) => ({
          ...one,
          time: iso(one.time),
          reason: one.reason ?? null,
          next: one.next as 'done',
        })),
      };
    },
  );

  app.get(
    '/v1/channels/:name/dead-letters',
    {
      schema: {
        ...common,
        operationId: 'listDeadLetters',
        summary: 'List what was given up on a channel, newest first',
        params: Params,
        querystring: LetterQuery,
        response: {
          200: answer('Dead letters.', Type.Object({ items: Type.Array(Letter), total: count })),
          ...problems(...READS),
        },
      },
    },
    async ({ params: { name }, query }) => {
      registry.show(name);
      const found = await letters().list(name, filterOf(query), query.limit ?? 100, query.offset);
      return { items: found.map(shown), total: await letters().count(name) };
    },
  );

  app.get(
    '/v1/channels/:name/dead-letters/:id',
    {
      schema: {
        ...common,
        operationId: 'getDeadLetter',
        summary: 'Show what was given up, whole',
        params: Type.Object({ name: ChannelName, id: Type.String({ maxLength: 400 }) }),
        response: { 200: answer('The dead letter.', WholeLetter), ...problems(...READS) },
      },
    },
    async ({ params: { name, id } }) => {
      registry.show(name);
      const letter = await letters().get(name, id);
      if (!letter) throw new ProblemError('not_found', `There is no dead letter ${id}.`);
      return { ...shown(letter), entry: { ...letter.entry } };
    },
  );

  app.post(
    '/v1/channels/:name/dead-letters/redrive',
    {
      schema: {
        ...common,
        operationId: 'redriveDeadLetters',
        summary: 'Send again what was given up',
        params: Params,
        body: Selection,
        response: { 200: answer('How many are sent again.', Count), ...problems(...WRITES) },
      },
    },
    async ({ params: { name }, body }) => {
      registry.show(name);
      const sent = await letters().redrive(name, filterOf(body), body.limit ?? MOST);
      if (sent > 0) delivery.wake(name);
      return { count: sent };
    },
  );

  app.post(
    '/v1/channels/:name/dead-letters/discard',
    {
      schema: {
        ...common,
        operationId: 'discardDeadLetters',
        summary: 'Throw away what was given up; the ledger keeps its count',
        params: Params,
        body: Selection,
        response: { 200: answer('How many are gone.', Count), ...problems(...WRITES) },
      },
    },
    async ({ params: { name }, body }) => {
      registry.show(name);
      return { count: await letters().discard(name, filterOf(body), body.limit ?? MOST) };
    },
  );
};

const iso = (ms: number) => new Date(ms).toISOString();
const isoOrNull = (ms: number | undefined) => (ms === undefined ? null : iso(ms));
const timeOf = (text: string | undefined) => (text === undefined ? undefined : Date.parse(text));

interface Filters {
  readonly ids?: string[];
  readonly reason?: string;
  readonly rule?: string;
  readonly since?: string;
  readonly until?: string;
}
const filterOf = ({ ids, reason, rule, since, until }: Filters) => ({
  ...{ ids, reason, rule },
  since: timeOf(since),
  until: timeOf(until),
});

const shown = ({ time: at, reason, detail, repeated, entry }: DeadLetter) => ({
  id: entry.id,
  time: iso(at),
  decided_at: iso(entry.time),
  reason: reason as (typeof FAILURE_REASONS)[number],
  ...{ detail, repeated },
  rules: rulesOf(entry),
  alert: entry.alert ?? null,
  group: entry.group?.key ?? null,
});

function nameOf(paused: boolean, broken: boolean, quiet: boolean) {
  if (paused) return 'paused' as const;
  if (broken) return 'broken' as const;
  return quiet ? ('quiet' as const) : ('working' as const);
}

async function readStatus(redis: Redis, outbox: Outbox, name: string) {
  const [state, backlog, ledger, statistics, dead] = await Promise.all([
    readChannelState(redis, name),
    outbox.backlog(name),
    redis.hgetall(channelKeys(name).ledger),
    readStatistics(redis, name),
    new DeadLetters(redis).count(name),
  ]);
  const { pausedUntil = 0, quietUntil = 0, broken } = state;
  const now = Date.now();
  const paused = pausedUntil > now;
  const quiet = quietUntil > now;
  return {
    state: nameOf(paused, broken !== undefined, quiet),
    paused_until: paused && Number.isFinite(pausedUntil) ? iso(pausedUntil) : null,
    quiet_until: quiet ? iso(quietUntil) : null,
    broken: broken
      ? {
          since: iso(broken.since),
          next_probe: iso(Math.max(broken.until, now)),
          probes: broken.opens - 1,
          reason: broken.reason as (typeof FAILURE_REASONS)[number],
          detail: broken.detail,
          told_at: broken.toldAt ?? null,
        }
      : null,
    waiting: {
      groups: backlog.lanes,
      notifications: backlog.depth,
      oldest: backlog.depth > 0 ? iso(backlog.oldest) : null,
    },
    ledger: Object.fromEntries(Object.entries(ledger).map(([key, value]) => [key, Number(value)])),
    attempts: statistics.attempts.map((one) => ({ ...one })),
    last_delivered: isoOrNull(statistics.lastOk),
    last_failure: isoOrNull(statistics.lastFailure),
    dead_letters: dead,
  };
}
