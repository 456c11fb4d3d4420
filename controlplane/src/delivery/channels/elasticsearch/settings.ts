import { SecretReference } from '@tocsin/openapi';
import Type from 'typebox';
import { HTTP_SETTINGS, HttpUrl } from '../../http/settings.ts';

/** Settings of an `elasticsearch` channel. */
export const ElasticsearchSettings = Type.Object(
  {
    url: HttpUrl('Of the cluster, without `/_bulk`.'),
    index: Type.Optional(
      Type.String({
        pattern: '^[a-z0-9][a-z0-9_.-]{0,199}$',
        default: 'logs-tocsin.alerts-default',
        description: 'Index or data stream; documents are only ever created in it.',
      }),
    ),
    pipeline: Type.Optional(
      Type.String({ pattern: '^[\\w.-]{1,200}$', description: 'Ingest pipeline.' }),
    ),
    api_key: Type.Optional(SecretReference),
    user: Type.Optional(
      Type.String({ pattern: '^[^:\\0-\\x1f]{1,255}$', description: 'Instead of an API key.' }),
    ),
    password: Type.Optional(SecretReference),
    format: Type.Optional(
      Type.Enum(['ecs', 'ocsf', 'falco'], {
        default: 'ecs',
        description: 'How a document is written.',
      }),
    ),
    ...HTTP_SETTINGS,
  },
  {
    additionalProperties: false,
    description: 'Documents for Elasticsearch or OpenSearch through their bulk API.',
  },
);
export type ElasticsearchSettings = Type.Static<typeof ElasticsearchSettings>;
