import { SecretReference } from '@tocsin/openapi';
import Type from 'typebox';
import { TemplateText } from '../../template.ts';

/** Settings of a `slack` channel. */
export const SlackSettings = Type.Object(
  {
    token: Type.Optional(SecretReference),
    channel: Type.Optional(
      Type.String({
        pattern: '^[^\\s<>]{1,80}$',
        description: 'Id or name of a channel the app is a member of.',
      }),
    ),
    url: Type.Optional(SecretReference),
    allow_private_addresses: Type.Optional(
      Type.Boolean({
        description:
          'Also send to private, loopback and link-local addresses; true unless given where `base_url` says `localhost`, `127.0.0.1` or `[::1]`.',
      }),
    ),
    template: Type.Optional(
      TemplateText(
        "A Liquid template for the text, in Slack's mrkdwn, instead of the usual blocks; values neither format nor mention.",
      ),
    ),
    base_url: Type.Optional(
      Type.String({
        pattern: '^https?://[^/?#@\\\\\\s]+(/[^?#\\s]*)?$',
        maxLength: 2048,
        description: 'Of the Web API, instead of https://slack.com/api/.',
      }),
    ),
  },
  {
    additionalProperties: false,
    description:
      "A message through Slack's Web API with a bot token (scope chat:write) and a channel, or to the `url` of an incoming webhook.",
  },
);
export type SlackSettings = Type.Static<typeof SlackSettings>;
