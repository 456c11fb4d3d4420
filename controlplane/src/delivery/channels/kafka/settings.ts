import { SecretReference } from '@tocsin/openapi';
import Type from 'typebox';
import { TLS_SETTINGS } from '../../tls.ts';

/** A name or an IPv4 address, or an IPv6 address in brackets, and perhaps a port. */
const BROKER = '^(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?$';

/** Settings of a `kafka` channel. */
export const KafkaSettings = Type.Object(
  {
    brokers: Type.Array(
      Type.String({
        pattern: BROKER,
        maxLength: 261,
        description: 'HOST:PORT; port 9092 unless given.',
      }),
      {
        minItems: 1,
        maxItems: 32,
        description: 'Brokers to ask first; what these name as brokers of the topic is spoken to.',
      },
    ),
    topic: Type.String({
      pattern: '^[A-Za-z0-9._-]{1,249}$',
      description: 'It must exist: none is made.',
    }),
    tls: Type.Optional(
      Type.Boolean({ default: true, description: 'Off, brokers are spoken to in the clear.' }),
    ),
    ...TLS_SETTINGS,
    sasl: Type.Optional(
      Type.Object(
        {
          mechanism: Type.Enum(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']),
          user: Type.String({ minLength: 1, maxLength: 255, description: 'To log in as.' }),
          password: SecretReference,
        },
        { additionalProperties: false, description: 'How to log in; not at all without it.' },
      ),
    ),
    acks: Type.Optional(
      Type.Enum(['all', 'leader'], {
        default: 'all',
        description:
          'Who must have a message: all replicas in sync, which also writes it once however often the connection breaks, or the leader alone.',
      }),
    ),
    compression: Type.Optional(
      Type.Enum(['none', 'gzip', 'snappy', 'lz4'], {
        default: 'none',
        description: 'Of the messages of one notification.',
      }),
    ),
    format: Type.Optional(
      Type.Enum(['falco', 'ecs', 'ocsf', 'cef', 'leef', 'tocsin', 'cloudevents'], {
        default: 'falco',
        description:
          'falco, ecs, ocsf, cef and leef: a message an alert; tocsin and cloudevents: one a notification, as of a webhook.',
      }),
    ),
  },
  {
    additionalProperties: false,
    description:
      'Messages for a topic of Apache Kafka 2.5 or later; alerts of one group, or of one kind, keep their order.',
  },
);
export type KafkaSettings = Type.Static<typeof KafkaSettings>;
