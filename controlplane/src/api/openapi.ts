import swagger from '@fastify/swagger';
import {
  Agent,
  Alert,
  EnrollResponse,
  Problem,
  RoutingVersion,
  ShownChannel,
  Silence,
  StoredAlert,
} from '@tocsin/openapi';
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { problems } from './problems.ts';

const COMPONENTS = [
  Agent,
  Alert,
  EnrollResponse,
  Problem,
  RoutingVersion,
  ShownChannel,
  Silence,
  StoredAlert,
];

/** Describes the API from its routes. Registered before them. */
export async function describeApi(app: FastifyInstance): Promise<void> {
  for (const schema of COMPONENTS) app.addSchema(schema);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Tocsin',
        description:
          'The control plane: agents send signed alerts, people read them and say where they are told.',
        version: '1',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      tags: [
        { name: 'alerts', description: 'What was found.' },
        { name: 'channels', description: 'Where it is told.' },
        { name: 'routing', description: 'Routes, inhibition and time intervals, with versions.' },
        { name: 'silences', description: 'What is not told for a while.' },
        { name: 'intake', description: 'Alerts of programs that do not sign.' },
        { name: 'agents', description: 'The hosts that are watched.' },
        { name: 'tokens', description: 'Who may use this API.' },
        { name: 'operations', description: 'Health, metrics and this document.' },
      ],
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description: 'An API token; the first is in `admin.token`.',
          },
          signature: {
            type: 'apiKey',
            in: 'header',
            name: 'Tocsin-Signature',
            description: 'Detached JWS (EdDSA, `b64: false`) by an enrolled agent.',
          },
        },
      },
    },
    refResolver: {
      buildLocalReference: ({ $id }, _base, _fragment, i) => String($id ?? `schema-${i}`),
    },
  });
}

/** The document as text: the same for every run, host and port. */
export function apiDocument(app: FastifyInstance): string {
  return `${JSON.stringify(app.swagger(), null, 2)}\n`;
}

/** `GET /openapi.json`. */
export function serveApiDocument(app: FastifyInstance): void {
  app.get(
    '/openapi.json',
    {
      schema: {
        operationId: 'getApiDocument',
        tags: ['operations'],
        summary: 'This document',
        security: [],
        response: {
          200: {
            description: 'OpenAPI 3.1.',
            content: { 'application/json': { schema: Type.Unsafe({}) } },
          },
          ...problems(),
        },
      },
    },
    async (_request, reply) => reply.type('application/json').send(apiDocument(app)),
  );
}
