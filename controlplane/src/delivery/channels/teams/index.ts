/** @module Channel kind `teams`: an adaptive card through a workflow of Microsoft Teams. */
import { SecretReference } from '@tocsin/openapi';
import Type from 'typebox';
import type { Notification, Outcome } from '../../channel.ts';
import { chatMessage, escapeMarkdown, neutralMarkdown } from '../../chat.ts';
import { httpKind, secretUrl } from '../../http/kind.ts';
import { HTTP_SETTINGS } from '../../http/settings.ts';
import { permanent, retry } from '../../outcome.ts';
import { TemplateText } from '../../template.ts';
import { cut, cutBytes } from '../../text.ts';

/** Teams takes 28 KB; escaping can double a text, and a character can have four bytes. */
const LIMITS = { alerts: 6, output: 2400, heading: 150 };
const MAX = { title: 100, facts: 4, fact: 100, note: 300, words: 12_000 };

const TeamsSettings = Type.Object(
  {
    url: SecretReference,
    template: Type.Optional(
      TemplateText(
        'A Liquid template for the text of the card, in Markdown, instead of the usual one; values neither format nor mention.',
      ),
    ),
    ...HTTP_SETTINGS,
  },
  {
    additionalProperties: false,
    description: 'An adaptive card; `url` is that of a workflow that posts to a channel.',
  },
);

export const teamsKind = httpKind<{ url: string }>({
  kind: 'teams',
  settings: TeamsSettings,
  destination: [],
  template: { neutral: neutralMarkdown },
  prepare: (settings) => {
    const url = secretUrl('url', settings.url);
    return (notification, words) => {
      const text = words(notification);
      const parts =
        text === undefined ? usualParts(notification) : [textBlock(cutBytes(text, MAX.words))];
      return [{ url, body: JSON.stringify(card(parts)) }];
    };
  },
  explain,
});

/** A connector of Teams answers 200 and tells in words that Teams did not take it. */
function explain(outcome: Outcome): Outcome {
  const { result, detail } = outcome;
  const status = Number(/delivery failed with error:.* HTTP error (\d{3})\b/.exec(detail)?.[1]);
  if (result !== 'ok' || Number.isNaN(status)) return outcome;
  if (status === 429) return retry('rate_limited', detail);
  if (status === 413) return permanent('rendering', detail);
  return status < 500 ? permanent('client_error', detail) : retry('server_error', detail);
}

const card = (body: readonly object[]) => ({
  type: 'message',
  attachments: [
    {
      contentType: 'application/vnd.microsoft.card.adaptive',
      content: {
        $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
        type: 'AdaptiveCard',
        version: '1.4',
        msteams: { width: 'Full' },
        body,
      },
    },
  ],
});

const textBlock = (text: string, more: object = {}) => ({
  type: 'TextBlock',
  text,
  wrap: true,
  ...more,
});

function usualParts(notification: Notification): object[] {
  const { heading, alerts, notes } = chatMessage(notification, LIMITS);
  const text = (value: string, more: object) => textBlock(escapeMarkdown(value), more);
  return [
    text(heading, { weight: 'Bolder', size: 'Medium' }),
    ...alerts.flatMap(({ title, message, facts }) => [
      ...(alerts.length > 1
        ? [text(cut(title, MAX.title), { weight: 'Bolder', separator: true })]
        : []),
      text(message, { fontType: 'Monospace' }),
      {
        type: 'FactSet',
        facts: facts.slice(0, MAX.facts).map(({ label, value }) => ({
          title: label,
          value: escapeMarkdown(cut(value, MAX.fact)),
        })),
      },
    ]),
    ...notes.map((note) => text(cut(note, MAX.note), { isSubtle: true })),
  ];
}
