/** @module Channel kind `discord`: embeds through an incoming webhook. */
import { SecretReference } from '@tocsin/openapi';
import Type from 'typebox';
import type { Notification, Outcome } from '../../channel.ts';
import { chatMessage, escapeMarkdown, neutralMarkdown } from '../../chat.ts';
import { httpKind, secretUrl } from '../../http/kind.ts';
import { HTTP_SETTINGS } from '../../http/settings.ts';
import { permanent } from '../../outcome.ts';
import { TemplateText } from '../../template.ts';
import { cut } from '../../text.ts';

/** Discord takes 10 embeds and 6000 characters in all of them; escaping can double a text. */
const LIMITS = { alerts: 4, output: 1200, heading: 150 };
const MAX = { facts: 4, fact: 60, title: 100, note: 200, content: 2000 };

const DiscordSettings = Type.Object(
  {
    url: SecretReference,
    template: Type.Optional(
      TemplateText(
        'A Liquid template for the text, in Markdown, instead of the usual embeds; values neither format nor mention, and nobody is mentioned.',
      ),
    ),
    ...HTTP_SETTINGS,
  },
  { additionalProperties: false, description: 'Embeds; `url` is that of an incoming webhook.' },
);

export const discordKind = httpKind<{ url: string }>({
  kind: 'discord',
  settings: DiscordSettings,
  destination: [],
  template: { neutral: neutralMarkdown },
  prepare: (settings) => {
    const target = new URL(secretUrl('url', settings.url));
    // Without it Discord answers before it has posted.
    target.searchParams.set('wait', 'true');
    return (notification, words) => {
      const text = words(notification);
      const shown =
        text === undefined ? usual(notification) : { content: cut(text, MAX.content), embeds: [] };
      const body = { username: 'Tocsin', ...shown, allowed_mentions: { parse: [] } };
      return [{ url: target.href, body: JSON.stringify(body) }];
    };
  },
  explain,
});

/** The webhook was deleted: nothing that comes will be taken. */
function explain(outcome: Outcome): Outcome {
  const isGone = outcome.result === 'permanent' && /"code": ?10015\b/.test(outcome.detail);
  return isGone ? permanent('configuration', outcome.detail) : outcome;
}

function usual(notification: Notification) {
  const { heading, alerts, notes } = chatMessage(notification, LIMITS);
  return {
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
  };
}
