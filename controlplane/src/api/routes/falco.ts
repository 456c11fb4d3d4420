import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { ALERT_LIMITS } from '@tocsin/openapi';
import Type from 'typebox';
import { readFalcoAlert } from '../../ingest/falco.ts';
import type { Ingest } from '../../ingest/ingest.ts';
import { noContent, problems } from '../problems.ts';

/** `POST /` and `POST /falco`: what Falco's `http_output` is pointed at in place of falcosidekick. */
export const falcoRoutes: FastifyPluginAsyncTypebox<{ ingest: Ingest }> = async (
  app,
  { ingest },
) => {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    '*',
    { parseAs: 'buffer', bodyLimit: ALERT_LIMITS.lineBytes },
    (_request, body, done) => done(null, body),
  );
  for (const [path, operationId] of [
    ['/', 'sendFalcoAlert'],
    ['/falco', 'sendFalcoAlertHere'],
  ] as const) {
    app.post(
      path,
      {
        schema: {
          operationId,
          tags: ['intake'],
          summary: 'Take an alert as Falco posts it',
          description:
            'One alert of Falco (`json_output`). The token is a bearer token, the password of basic authentication, or `?token=`.',
          security: [{ bearer: [] }],
          querystring: Type.Object({ token: Type.Optional(Type.String({ maxLength: 512 })) }),
          response: {
            200: noContent('The alert is durable.'),
            ...problems(
              'bad_request',
              'alert_invalid',
              'unauthorized',
              'validation_failed',
              'body_too_large',
            ),
          },
        },
      },
      async (request, reply) => {
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        await ingest.takeFrom(request.holder?.name ?? 'loopback', [readFalcoAlert(body)]);
        return reply.status(200).send(null);
      },
    );
  }
};
