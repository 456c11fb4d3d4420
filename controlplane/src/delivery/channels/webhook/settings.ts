import { SecretReference } from '@tocsin/openapi';
import Type from 'typebox';

/** Settings of a `webhook` channel. */
export const WebhookSettings = Type.Object(
  {
    url: Type.String({
      pattern: '^https?://[^/?#@\\\\\\s]+([/?#][^\\s]*)?$',
      maxLength: 2048,
      description: 'http or https, without a user name or password in it.',
    }),
    secret: SecretReference,
    allow_private_addresses: Type.Optional(
      Type.Boolean({
        default: false,
        description: 'Also send to private, loopback and link-local addresses.',
      }),
    ),
    headers: Type.Optional(
      Type.Record(
        Type.String({ pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$" }),
        Type.Union([Type.String({ maxLength: 4096 }), SecretReference]),
        {
          additionalProperties: false,
          maxProperties: 32,
          description: 'Sent too; a value may be a secret reference.',
        },
      ),
    ),
    timeout: Type.Optional(
      Type.String({
        pattern: '^([1-9]|[12][0-9]|30)s$',
        default: '15s',
        description: 'For the whole request, `1s` to `30s`.',
      }),
    ),
  },
  {
    additionalProperties: false,
    description: 'A signed HTTP POST as Standard Webhooks 1.0.0 defines it.',
  },
);
export type WebhookSettings = Type.Static<typeof WebhookSettings>;
