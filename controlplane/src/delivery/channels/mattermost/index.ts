/** @module Channel kind `mattermost`: attachments through an incoming webhook, which Rocket.Chat takes, too. */
import { SecretReference } from '@tocsin/openapi';
import Type from 'typebox';
import type { Notification } from '../../channel.ts';
import { chatMessage, escapeMarkdown } from '../../chat.ts';
import { httpKind, secretUrl } from '../../http/kind.ts';
import { HTTP_SETTINGS } from '../../http/settings.ts';

/** A post has at most 16,383 characters. */
const LIMITS = { alerts: 10, output: 5000, heading: 150 };

const MattermostSettings = Type.Object(
  {
    url: SecretReference,
    channel: Type.Optional(
      Type.String({ pattern: '^[\\w@.-]{1,64}$', description: 'Instead of that of the webhook.' }),
    ),
    ...HTTP_SETTINGS,
  },
  { additionalProperties: false, description: 'A post; `url` is that of an incoming webhook.' },
);

export const mattermostKind = httpKind<{ url: string; channel?: string }>({
  kind: 'mattermost',
  settings: MattermostSettings,
  destination: [],
  prepare: ({ url, channel }) => {
    const target = secretUrl('url', url);
    return (notification) => [
      { url: target, body: JSON.stringify({ channel, ...message(notification) }) },
    ];
  },
});

function message(notification: Notification) {
  const { heading, alerts, notes } = chatMessage(notification, LIMITS);
  return {
    username: 'Tocsin',
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
