import { SecretReference } from '@tocsin/openapi';
import Type from 'typebox';
import { TemplateText } from '../../template.ts';
import { TLS_SETTINGS } from '../../tls.ts';

const ADDRESS = '^[^\\s<>@",;:\\\\\\x00-\\x1f\\x7f]+@[^\\s<>@",;:\\\\\\x00-\\x1f\\x7f]+$';
const address = (description: string) =>
  Type.String({
    title: 'an address such as alerts@example.org',
    pattern: ADDRESS,
    maxLength: 254,
    description,
  });

/** Settings of an `email` channel. */
export const EmailSettings = Type.Object(
  {
    host: Type.String({
      title: 'a name or an address, without a port',
      pattern: '^[A-Za-z0-9.:_-]+$',
      maxLength: 255,
      description: 'Mail server: a name or an address.',
    }),
    port: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 65535,
        default: 587,
        description: 'Of the mail server.',
      }),
    ),
    tls: Type.Optional(
      Type.Enum(['starttls', 'implicit', 'none'], {
        description:
          'starttls: required on the connection (default); implicit: from the first byte (default on port 465); none: in the clear.',
      }),
    ),
    ca_file: TLS_SETTINGS.ca_file,
    user: Type.Optional(
      Type.String({ minLength: 1, maxLength: 255, description: 'To log in as.' }),
    ),
    password: Type.Optional(SecretReference),
    from: address('Address of the sender.'),
    to: Type.Array(address('Address of a recipient.'), {
      minItems: 1,
      maxItems: 50,
      description: 'Who gets the mail.',
    }),
    subject: Type.Optional(TemplateText('A Liquid template instead of the usual subject.')),
    text: Type.Optional(TemplateText('The same for the text part.')),
    html: Type.Optional(TemplateText('The same for the HTML part, for which values are escaped.')),
  },
  { additionalProperties: false, description: 'A mail in HTML and text through an SMTP server.' },
);
export type EmailSettings = Type.Static<typeof EmailSettings>;
