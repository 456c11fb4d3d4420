import { SecretReference } from '@tocsin/openapi';
import Type from 'typebox';
import { HTTP_SETTINGS, HttpUrl } from '../../http/settings.ts';
import { TemplateText } from '../../template.ts';

const secret = (description: string) =>
  Type.Unsafe<SecretReference>({ ...SecretReference, description });

/** Settings of a `webhook` channel. */
export const WebhookSettings = Type.Object(
  {
    url: HttpUrl('http or https, without a user name or password in it.'),
    secret: secret(
      'What messages are signed with: `whsec_…` or any text is a key both sides know (scheme `v1`), `whsk_…` an Ed25519 private key (`v1a`).',
    ),
    previous_secret: Type.Optional(
      secret('Signed with too, as long as a receiver may still know only the key before.'),
    ),
    body: Type.Optional(
      Type.Enum(['tocsin', 'cloudevents', 'alertmanager', 'falco', 'ecs', 'ocsf'], {
        default: 'tocsin',
        description:
          'tocsin: a Standard Webhooks event; cloudevents: CloudEvents 1.0; alertmanager: its webhook message, version 4; ' +
          'falco, ecs and ocsf: a request an alert.',
      }),
    ),
    template: Type.Optional(
      TemplateText(
        'A Liquid template instead of `body`. It sees what `tocsin` calls `data`, and `status`, `priority` and `summary`; values are escaped for the inside of a JSON string, `{{ alerts | json }}` is a whole one.',
      ),
    ),
    content_type: Type.Optional(
      Type.String({
        pattern: '^[\\x21-\\x7e][\\x20-\\x7e]{0,126}$',
        default: 'application/json',
        description:
          'Of what the template makes; values are escaped and the result is checked if it is JSON.',
      }),
    ),
    ...HTTP_SETTINGS,
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
  },
  {
    additionalProperties: false,
    description: 'A signed HTTP POST as Standard Webhooks 1.0.0 defines it.',
  },
);
export type WebhookSettings = Type.Static<typeof WebhookSettings>;
