import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { ALERT_LIMITS, SIGNATURE_HEADER } from '@tocsin/openapi';
import Type from 'typebox';
import { ProblemError } from '../../errors.ts';
import type { Ingest } from '../../ingest/ingest.ts';
import { answer, problems } from '../problems.ts';

const Receipt = Type.Object({
  alerts: Type.Integer({ minimum: 0, description: 'Alerts in the batch.' }),
  repeated: Type.Boolean({
    description: 'The same batch was accepted before; nothing changed now.',
  }),
});

/** `POST /v1/alerts`: where agents send their batches. */
export const ingestRoutes: FastifyPluginAsyncTypebox<{ ingest: Ingest }> = async (
  app,
  { ingest },
) => {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    ['application/x-ndjson', 'application/ndjson', 'application/jsonl'],
    { parseAs: 'buffer', bodyLimit: ALERT_LIMITS.batchBytes },
    (_request, body, done) => done(null, body),
  );
  app.post(
    '/v1/alerts',
    {
      // An unsigned body is not even read.
      onRequest: async (request) => {
        if (!request.headers[SIGNATURE_HEADER]) {
          throw new ProblemError('signature_missing', 'Send the Tocsin-Signature header.');
        }
      },
      schema: {
        operationId: 'sendAlerts',
        tags: ['agents'],
        summary: 'Send a signed batch of alerts',
        description:
          'The body is newline-delimited JSON, one `Alert` a line, as such or compressed with gzip or deflate. `Tocsin-Signature` is a ' +
          'detached JWS over the exact bytes of the body. 202 is only answered once the batch is durable; the same batch sent ' +
          'again is acknowledged again and changes nothing.',
        security: [{ signature: [] }],
        body: {
          content: {
            'application/x-ndjson': {
              schema: Type.Unsafe<Buffer>({ description: 'One `Alert` a line.' }),
            },
          },
        },
        response: {
          202: answer('The batch is durable.', Receipt),
          ...problems(
            'batch_unreadable',
            'alert_invalid',
            'signature_missing',
            'signature_invalid',
            'agent_unknown',
            'batch_stale',
            'audience_mismatch',
            'agent_revoked',
            'sequence_conflict',
            'sequence_stale',
            'body_too_large',
            'media_type_unsupported',
          ),
        },
      },
    },
    async (request, reply) => {
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
      const signature = request.headers[SIGNATURE_HEADER];
      const receipt = await ingest.take({
        signature: Array.isArray(signature) ? signature[0] : signature,
        encoding: request.headers['content-encoding'],
        body,
      });
      return reply.status(202).send(receipt);
    },
  );
};
