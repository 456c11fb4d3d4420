/** @module Channel kind `teams`: an adaptive card through a workflow of Microsoft Teams. */
import { SecretReference } from '@tocsin/openapi';
import Type from 'typebox';
import type { Notification } from '../../channel.ts';
import { chatMessage, escapeMarkdown } from '../../chat.ts';
import { httpKind, secretUrl } from '../../http/kind.ts';
import { HTTP_SETTINGS } from '../../http/settings.ts';
import { cut } from '../../text.ts';

/** Teams takes 28 KB; escaping can double a text, and a character can have four bytes. */
const LIMITS = { alerts: 6, output: 2400, heading: 150 };
const MAX = { title: 100, facts: 4, fact: 100, note: 300 };

const TeamsSettings = Type.Object(
  { url: SecretReference, ...HTTP_SETTINGS },
  {
    additionalProperties: false,
    description: 'An adaptive card; `url` is that of a workflow that posts to a channel.',
  },
);

export const teamsKind = httpKind<{ url: string }>({
  kind: 'teams',
  settings: TeamsSettings,
  destination: [],
  prepare: (settings) => {
    const url = secretUrl('url', settings.url);
    return (notification) => [{ url, body: JSON.stringify(card(notification)) }];
  },
});

function card(notification: Notification) {
  const { heading, alerts, notes } = chatMessage(notification, LIMITS);
  const text = (value: string, more: object = {}) => ({
    type: 'TextBlock',
    text: escapeMarkdown(value),
    wrap: true,
    ...more,
  });
  return {
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        content: {
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          type: 'AdaptiveCard',
          version: '1.4',
          msteams: { width: 'Full' },
          body: [
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
          ],
        },
      },
    ],
  };
}
