/** @module Channel kind `mattermost`: attachments through an incoming webhook, which Rocket.Chat takes, too. */
import { SecretReference } from '@tocsin/openapi';
import Type from 'typebox';
import type { Notification } from '../../channel.ts';
import { chatMessage, escapeMarkdown, neutralMarkdown } from '../../chat.ts';
import { httpKind, secretUrl } from '../../http/kind.ts';
import { HTTP_SETTINGS } from '../../http/settings.ts';
import { TemplateText } from '../../template.ts';
import { cut } from '../../text.ts';

/** A post has at most 16,383 characters. */
const LIMITS = { alerts: 10, output: 5000, heading: 150 };
const MAX_TEXT = 16_000;

const MattermostSettings = Type.Object(
  {
    url: SecretReference,
    channel: Type.Optional(
      Type.String({ pattern: '^[\\w@.-]{1,64}$', description: 'Instead of that of the webhook.' }),
    ),
    template: Type.Optional(
      TemplateText(
        'A Liquid template for the text, in Markdown, instead of the usual attachments; values neither format nor mention.',
      ),
    ),
    ...HTTP_SETTINGS,
  },
  { additionalProperties: false, description: 'A post; `url` is that of an incoming webhook.' },
);

export const mattermostKind = httpKind<{ url: string; channel?: string }>({
  kind: 'mattermost',
  settings: MattermostSettings,
  destination: [],
  template: { neutral: neutralMarkdown },
  prepare: ({ url, channel }) => {
    const target = secretUrl('url', url);
    return (notification, words) => {
      const text = words(notification);
      const shown = text === undefined ? usual(notification) : { text: cut(text, MAX_TEXT) };
      return [{ url: target, body: JSON.stringify({ channel, username: 'Tocsin', ...shown }) }];
    };
  },
});

function usual(notification: Notification) {
  const { heading, alerts, notes } = chatMessage(notification, LIMITS);
  return {
    text: escapeMarkdown([heading, ...notes].join('\n')),
    attachments: alerts.map(({ title, message: output, facts, colour }) => ({
      fallback: escapeMarkdown(title),
      color: colour,
      title: escapeMarkdown(title),
      text: escapeMarkdown(output),
      fields: facts.map(({ label, value }) => ({
        short: value.length < 40,
        title: label,
        value: escapeMarkdown(value),
      })),
    })),
  };
}
