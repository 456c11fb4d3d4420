import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply } from 'fastify';
import type { Redis } from 'ioredis';
import type { Registry } from 'prom-client';
import Type from 'typebox';
import { probeKey } from '../../store/keys.ts';
import { answer, problems } from '../problems.ts';

export interface HealthRoutesOptions {
  readonly redis: Redis;
  readonly metrics: Registry;
}

const Healthy = Type.Object({ status: Type.Literal('ok') });
const PROBE_SECONDS = 60;

/** For whoever opens the address in a browser. */
const INDEX = `This is Tocsin's control plane. It has an API and no pages.

/openapi.json  every call; most want the header "Authorization: Bearer TOKEN", with the token of admin.token in the data directory
/livez         whether it works
/readyz        whether it can take alerts
/metrics       for Prometheus

In a shell: tocsin alerts, tocsin channels list; tocsin --help tells the rest.
`;

/** `GET /`, `GET /livez`, `GET /readyz` and `GET /metrics`, and what falcosidekick and Alertmanager are probed at. */
export const healthRoutes: FastifyPluginAsyncTypebox<HealthRoutesOptions> = async (
  app,
  { redis, metrics },
) => {
  const common = { tags: ['operations'], security: [] };
  const hidden = { schema: { hide: true } as object };
  const writeProbe = () => redis.set(probeKey, '1', 'EX', PROBE_SECONDS);
  const asText = (reply: FastifyReply, text: string) =>
    reply.type('text/plain; charset=utf-8').send(text);

  app.get(
    '/',
    {
      schema: {
        ...common,
        operationId: 'getIndex',
        summary: 'Where to go from here, as text',
        response: {
          200: { description: 'Text.', content: { 'text/plain': { schema: Type.String() } } },
          ...problems(),
        },
      },
    },
    async (_request, reply) => asText(reply, INDEX),
  );

  app.get(
    '/livez',
    {
      schema: {
        ...common,
        operationId: 'isAlive',
        summary: 'Whether the process works',
        response: { 200: answer('It is.', Healthy), ...problems() },
      },
    },
    async () => ({ status: 'ok' as const }),
  );

  app.get(
    '/readyz',
    {
      schema: {
        ...common,
        operationId: 'isReady',
        summary: 'Whether alerts can be taken: Redis answers and takes writes',
        response: { 200: answer('It is.', Healthy), ...problems() },
      },
    },
    async () => {
      await writeProbe();
      return { status: 'ok' as const };
    },
  );

  app.get(
    '/metrics',
    {
      schema: {
        ...common,
        operationId: 'getMetrics',
        summary: 'Metrics in the Prometheus text format',
        response: {
          200: { description: 'Metrics.', content: { 'text/plain': { schema: Type.String() } } },
          ...problems(),
        },
      },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()),
  );

  app.get('/-/healthy', hidden, (_request, reply) => asText(reply, 'OK'));
  app.get('/-/ready', hidden, async (_request, reply) => {
    await writeProbe();
    return asText(reply, 'OK');
  });
  app.get('/ping', hidden, (_request, reply) => asText(reply, 'pong\n'));
  app.get('/healthz', hidden, async () => ({ status: 'ok' as const }));
};
