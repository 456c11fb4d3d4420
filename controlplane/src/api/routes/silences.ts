import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import {
  parseDuration,
  Silence,
  SilencePreviewRequest,
  SilenceRequest,
  StoredAlert,
} from '@tocsin/openapi';
import Type from 'typebox';
import { ProblemError } from '../../errors.ts';
import {
  readMatcherSets,
  type SilenceDraft,
  type Silences,
  stateOf,
} from '../../silences/silences.ts';
import type { StoredSilence } from '../../store/silences.ts';
import { answer, named, noContent, problems } from '../problems.ts';

export interface SilenceRoutesOptions {
  readonly silences: Silences<StoredAlert>;
}

const Params = Type.Object({ id: Type.String({ maxLength: 64 }) });
const States = Type.Enum(['pending', 'active', 'expired']);
const Preview = Type.Object({
  looked: Type.Integer({ description: 'Recent alerts that were looked at.' }),
  hidden: Type.Integer({ description: 'How many of them it would hide.' }),
  sample: Type.Array(named(StoredAlert), { description: 'Some of those, newest first.' }),
});
const SAMPLE = 20;
const READS = ['unauthorized', 'forbidden', 'validation_failed'] as const;
const WRITES = [...READS, 'bad_request', 'media_type_unsupported'] as const;

/** `/v1/silences` and what is below it. */
export const silenceRoutes: FastifyPluginAsyncTypebox<SilenceRoutesOptions> = async (
  app,
  { silences },
) => {
  const common = { tags: ['silences'], security: [{ bearer: [] }] };

  app.get(
    '/v1/silences',
    {
      schema: {
        ...common,
        operationId: 'listSilences',
        summary: 'List silences, active ones first',
        querystring: Type.Object({ state: Type.Optional(States) }, { additionalProperties: false }),
        response: {
          200: answer('Silences.', Type.Object({ items: Type.Array(named(Silence)) })),
          ...problems(...READS),
        },
      },
    },
    async ({ query }) => {
      const now = Date.now();
      const items = (await silences.list(now)).map((silence) => shown(silence, now));
      return { items: items.filter(({ state }) => [undefined, state].includes(query.state)) };
    },
  );

  app.post(
    '/v1/silences',
    {
      schema: {
        ...common,
        operationId: 'createSilence',
        summary: 'Silence alerts',
        body: SilenceRequest,
        response: { 201: answer('Made.', named(Silence)), ...problems(...WRITES) },
      },
    },
    async ({ body, holder }, reply) => {
      const now = Date.now();
      const silence = await silences.set(draftOf(body, holder?.name ?? '', now), now);
      return reply.status(201).send(shown(silence, now));
    },
  );

  app.post(
    '/v1/silences/preview',
    {
      schema: {
        ...common,
        operationId: 'previewSilence',
        summary: 'Show which of the recent alerts a silence would hide',
        body: SilencePreviewRequest,
        response: { 200: answer('What it would hide.', Preview), ...problems(...WRITES) },
      },
    },
    async ({ body }) => {
      const { looked, hidden } = await silences.preview(readMatcherSets(body.matchers));
      return { looked, hidden: hidden.length, sample: hidden.slice(0, SAMPLE) };
    },
  );

  app.get(
    '/v1/silences/:id',
    {
      schema: {
        ...common,
        operationId: 'getSilence',
        summary: 'Show a silence',
        params: Params,
        response: {
          200: answer('The silence.', named(Silence)),
          ...problems(...READS, 'not_found'),
        },
      },
    },
    async ({ params }) => shown(await silences.get(params.id), Date.now()),
  );

  app.put(
    '/v1/silences/:id',
    {
      schema: {
        ...common,
        operationId: 'updateSilence',
        summary: 'Change a silence',
        description:
          'Other matchers, or a start that an active silence no longer can have, end it and make another one, with an id of its own.',
        params: Params,
        body: SilenceRequest,
        response: {
          200: answer('The silence as it is now.', named(Silence)),
          ...problems(...WRITES, 'not_found'),
        },
      },
    },
    async ({ params, body, holder }) => {
      const now = Date.now();
      const draft = draftOf(body, holder?.name ?? '', now);
      return shown(await silences.set(draft, now, params.id), now);
    },
  );

  app.delete(
    '/v1/silences/:id',
    {
      schema: {
        ...common,
        operationId: 'expireSilence',
        summary: 'End a silence now; it is kept for five days',
        params: Params,
        response: { 204: noContent('Over.'), ...problems(...READS, 'not_found') },
      },
    },
    async ({ params }, reply) => {
      await silences.expire(params.id, Date.now());
      return reply.status(204).send(null);
    },
  );
};

function draftOf(body: SilenceRequest, bearer: string, now: number): SilenceDraft {
  const { starts_at, ends_at, duration, created_by = bearer, comment } = body;
  const startsAt = starts_at === undefined ? undefined : timeOf(starts_at, '/starts_at');
  if ((ends_at === undefined) === (duration === undefined))
    throw invalid('/ends_at', 'either ends_at or duration is needed');
  const endsAt =
    ends_at === undefined
      ? (startsAt ?? now) + (parseDuration(duration ?? '') ?? 0)
      : timeOf(ends_at, '/ends_at');
  const matchers = readMatcherSets(body.matchers);
  return { matchers, startsAt, endsAt, createdBy: created_by, comment };
}

function timeOf(text: string, pointer: string): number {
  const time = /^\d{4}-\d{2}-\d{2}T/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw invalid(pointer, 'must be a time as 2026-01-31T12:00:00Z');
  return time;
}

const invalid = (pointer: string, message: string) =>
  new ProblemError('validation_failed', 'The silence does not fit its schema.', [
    { pointer, message },
  ]);

const shown = (silence: StoredSilence, now: number): Silence => ({
  id: silence.id,
  state: stateOf(silence, now),
  matchers: silence.matchers.map((set) => [...set]),
  starts_at: new Date(silence.starts_at).toISOString(),
  ends_at: new Date(silence.ends_at).toISOString(),
  created_by: silence.created_by,
  comment: silence.comment,
  updated_at: new Date(silence.updated_at).toISOString(),
});
