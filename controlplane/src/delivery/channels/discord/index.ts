/** @module Channel kind `discord`: embeds through an incoming webhook. */
import { SecretReference } from '@tocsin/openapi';
import Type from 'typebox';
import type { Notification } from '../../channel.ts';
import { chatMessage, escapeMarkdown } from '../../chat.ts';
import { httpKind, secretUrl } from '../../http/kind.ts';
import { HTTP_SETTINGS } from '../../http/settings.ts';
import { cut } from '../../text.ts';

/** Discord takes 10 embeds and 6000 characters in all of them; escaping can double a text. */
const LIMITS = { alerts: 4, output: 1200, heading: 150 };
const MAX = { facts: 4, fact: 60, title: 100, note: 200 };

const DiscordSettings = Type.Object(
  { url: SecretReference, ...HTTP_SETTINGS },
  { additionalProperties: false, description: 'Embeds; `url` is that of an incoming webhook.' },
);

export const discordKind = httpKind<{ url: string }>({
  kind: 'discord',
  settings: DiscordSettings,
  destination: [],
  prepare: (settings) => {
    const target = new URL(secretUrl('url', settings.url));
    // Without it Discord answers before it has posted.
    target.searchParams.set('wait', 'true');
    return (notification) => [{ url: target.href, body: JSON.stringify(message(notification)) }];
  },
});

function message(notification: Notification) {
  const { heading, alerts, notes } = chatMessage(notification, LIMITS);
  return {
    username: 'Tocsin',
    content: escapeMarkdown([heading, ...notes.map((note) => cut(note, MAX.note))].join('\n')),
    embeds: alerts.map(({ title, message: output, facts, colour, time }) => ({
      title: escapeMarkdown(cut(title, MAX.title)),
      description: escapeMarkdown(output),
      color: Number.parseInt(colour.slice(1), 16),
      timestamp: time.replace(/(\.\d{3})\d*/, '$1'),
      fields: facts.slice(0, MAX.facts).map(({ label, value }) => ({
        name: label,
        value: escapeMarkdown(cut(value, MAX.fact)),
        inline: true,
      })),
    })),
    allowed_mentions: { parse: [] },
  };
}
