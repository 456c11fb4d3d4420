import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Channel, ChannelName, ShownChannel } from '@tocsin/openapi';
import Type from 'typebox';
import type { ChannelRegistry } from '../../channels/registry.ts';
import { FAILURE_REASONS, type Outcome, type Preview } from '../../delivery/channel.ts';
import { ChannelSettingsError } from '../../delivery/outcome.ts';
import { TemplateError } from '../../delivery/template.ts';
import { ProblemError } from '../../errors.ts';
import { answer, named, noContent, problems } from '../problems.ts';

/** What delivery does for the API. */
export interface ChannelDelivery {
  /** Sends a test notification now, and tells how it ended. */
  testSend(channel: Channel, signal: AbortSignal): Promise<Outcome>;
  /** Whether its settings can be used here. Throws ChannelSettingsError. */
  trySender(channel: Channel): Promise<void>;
  /** What would be sent of an alert, or of a sample; undefined when there is no such alert. */
  preview(channel: Channel, alert: string | undefined): Promise<readonly Preview[] | undefined>;
  /** Tries again at once what waits for a channel that was changed. */
  retryNow(channel: string): Promise<void>;
}

export interface ChannelRoutesOptions {
  readonly registry: ChannelRegistry;
  readonly delivery: ChannelDelivery;
  /** Where the routing in force names a channel: a JSON pointer. */
  readonly routesTo: (channel: string) => string | undefined;
}

const TEST_MS = 30_000;
const { properties } = Channel;
const Params = Type.Object({ name: ChannelName });
const ChannelRequest = Type.Object(
  { ...properties, minimum_priority: Type.Optional(properties.minimum_priority) },
  { additionalProperties: false },
);
const ChannelPatch = Type.Object(
  {
    minimum_priority: Type.Optional(properties.minimum_priority),
    throttle: Type.Optional(Type.Union([properties.throttle, Type.Null()])),
    fallback: Type.Optional(Type.Union([properties.fallback, Type.Null()])),
    send_resolved: properties.send_resolved,
    mode: properties.mode,
    digest_interval: Type.Optional(Type.Union([properties.digest_interval, Type.Null()])),
    settings: Type.Optional(properties.settings),
  },
  {
    additionalProperties: false,
    description:
      'What is given is changed, key by key; null takes a setting, the throttle, the fallback or the interval of digests away.',
  },
);
const TestOutcome = Type.Object({
  result: Type.Enum(['ok', 'retry', 'permanent', 'ambiguous']),
  reason: Type.Optional(Type.Enum([...FAILURE_REASONS])),
  detail: Type.String({ description: 'What the provider really answered.' }),
});

const PreviewRequest = Type.Object(
  {
    alert: Type.Optional(
      Type.String({ maxLength: 64, description: 'Id of a stored alert; without it, a sample.' }),
    ),
  },
  { additionalProperties: false },
);
const PreviewPart = Type.Object({
  part: Type.Optional(
    Type.String({ description: 'Of a message with several: `subject`, `text`, `html`.' }),
  ),
  content_type: Type.String(),
  body: Type.String({ description: 'As it would be sent; secrets are hidden.' }),
});

const READS = ['unauthorized', 'forbidden'] as const;
const WRITES = [
  ...READS,
  'bad_request',
  'validation_failed',
  'media_type_unsupported',
  'channel_kind_file_only',
] as const;

/** `/v1/channels` and what is below it. */
export const channelRoutes: FastifyPluginAsyncTypebox<ChannelRoutesOptions> = async (
  app,
  { registry, delivery, routesTo },
) => {
  const common = { tags: ['channels'], security: [{ bearer: [] }] };

  app.get(
    '/v1/channels',
    {
      schema: {
        ...common,
        operationId: 'listChannels',
        summary: 'List channels',
        response: {
          200: answer('All channels.', Type.Object({ items: Type.Array(named(ShownChannel)) })),
          ...problems(...READS),
        },
      },
    },
    async () => ({ items: registry.list() }),
  );

  app.post(
    '/v1/channels',
    {
      schema: {
        ...common,
        operationId: 'createChannel',
        summary: 'Create a channel',
        body: ChannelRequest,
        response: {
          201: answer('Created.', named(ShownChannel)),
          ...problems(...WRITES, 'channel_exists'),
        },
      },
    },
    async ({ body }, reply) => reply.status(201).send(await registry.create(body)),
  );

  app.get(
    '/v1/channels/:name',
    {
      schema: {
        ...common,
        operationId: 'getChannel',
        summary: 'Show a channel',
        params: Params,
        response: {
          200: answer('The channel.', named(ShownChannel)),
          ...problems(...READS, 'validation_failed', 'not_found'),
        },
      },
    },
    async ({ params }) => registry.show(params.name),
  );

  app.patch(
    '/v1/channels/:name',
    {
      schema: {
        ...common,
        operationId: 'updateChannel',
        summary: 'Change a channel',
        params: Params,
        body: ChannelPatch,
        response: {
          200: answer('The channel.', named(ShownChannel)),
          ...problems(...WRITES, 'not_found', 'channel_read_only'),
        },
      },
    },
    async ({ params, body }) => {
      const changed = await registry.update(params.name, body);
      await delivery.retryNow(params.name);
      return changed;
    },
  );

  app.delete(
    '/v1/channels/:name',
    {
      schema: {
        ...common,
        operationId: 'deleteChannel',
        summary: 'Delete a channel; what was still to be told there is counted as discarded',
        params: Params,
        response: {
          204: noContent('Deleted.'),
          ...problems(
            ...READS,
            'validation_failed',
            'not_found',
            'channel_read_only',
            'channel_in_use',
          ),
        },
      },
    },
    async ({ params }, reply) => {
      await registry.delete(params.name, routesTo(params.name));
      return reply.status(204).send(null);
    },
  );

  app.post(
    '/v1/channels/:name/preview',
    {
      schema: {
        ...common,
        operationId: 'previewChannel',
        summary: 'Show what a channel would send of an alert, without sending it',
        params: Params,
        body: PreviewRequest,
        response: {
          200: answer('The messages.', Type.Object({ items: Type.Array(PreviewPart) })),
          ...problems(
            ...READS,
            'bad_request',
            'validation_failed',
            'media_type_unsupported',
            'not_found',
            'preview_failed',
          ),
        },
      },
    },
    async ({ params, body: { alert } }) => {
      registry.show(params.name);
      return previewed(delivery, registry.get(params.name) as Channel, alert);
    },
  );

  app.post(
    '/v1/channels/preview',
    {
      schema: {
        ...common,
        operationId: 'previewNewChannel',
        summary:
          'Show what a channel that is not stored would send of an alert, without sending it',
        body: Type.Object(
          { channel: ChannelRequest, ...PreviewRequest.properties },
          { additionalProperties: false },
        ),
        response: {
          200: answer('The messages.', Type.Object({ items: Type.Array(PreviewPart) })),
          ...problems(...WRITES, 'not_found', 'preview_failed'),
        },
      },
    },
    async ({ body }) => previewed(delivery, registry.draft(body.channel), body.alert),
  );

  app.post(
    '/v1/channels/validate',
    {
      schema: {
        ...common,
        operationId: 'validateChannel',
        summary:
          'Check a channel as creating it would, and that its secrets are there; nothing is stored',
        body: ChannelRequest,
        response: {
          204: noContent('It can be used.'),
          ...problems(...WRITES),
        },
      },
    },
    async ({ body }, reply) => {
      await delivery.trySender(registry.draft(body)).catch((error: unknown) => {
        if (!(error instanceof ChannelSettingsError)) throw error;
        throw new ProblemError('validation_failed', 'The channel cannot be used.', [
          { pointer: '/settings', message: error.message },
        ]);
      });
      return reply.status(204).send(null);
    },
  );

  app.post(
    '/v1/channels/:name/test',
    {
      schema: {
        ...common,
        operationId: 'testChannel',
        summary: 'Send a test notification now and show what the provider answers',
        params: Params,
        response: {
          200: answer('How it ended.', TestOutcome),
          ...problems(...READS, 'validation_failed', 'not_found'),
        },
      },
    },
    async ({ params }) => {
      registry.show(params.name);
      const channel = registry.get(params.name) as Channel;
      return delivery.testSend(channel, AbortSignal.timeout(TEST_MS));
    },
  );
};

/** The parts of a preview. Throws ProblemError. */
async function previewed(delivery: ChannelDelivery, channel: Channel, alert: string | undefined) {
  const items = await delivery.preview(channel, alert).catch((error: unknown) => {
    if (error instanceof TemplateError || error instanceof ChannelSettingsError)
      throw new ProblemError('preview_failed', error.message);
    throw error;
  });
  if (!items) throw new ProblemError('not_found', `There is no alert ${alert}.`);
  return { items: [...items] };
}
