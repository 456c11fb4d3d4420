/** @module Channel kind `telegram`: a message of a bot. */
import { SecretReference } from '@tocsin/openapi';
import Type from 'typebox';
import type { Notification, Outcome } from '../../channel.ts';
import { chatMessage } from '../../chat.ts';
import { below, httpKind } from '../../http/kind.ts';
import { HTTP_SETTINGS, HttpUrl } from '../../http/settings.ts';
import { ChannelSettingsError, permanent, retry } from '../../outcome.ts';
import { TemplateError, TemplateText } from '../../template.ts';
import { cut, escapeHtml, printable } from '../../text.ts';

const BOT_API = 'https://api.telegram.org';
/** A message has at most 4096 characters after its markup is read. */
const MAX_TEXT = 4096;
const LIMITS = { alerts: 4, output: 1600, heading: 150 };
const MAX = { title: 100, facts: 3, fact: 60, note: 200 };

const TelegramSettings = Type.Object(
  {
    token: SecretReference,
    chat_id: Type.String({
      pattern: '^(-?\\d{1,20}|@\\w{1,64})$',
      description: 'Number of the chat, or @name of a channel.',
    }),
    base_url: Type.Optional(HttpUrl(`Of the Bot API; ${BOT_API} unless given.`)),
    template: Type.Optional(
      TemplateText(
        'A Liquid template for the text, in the HTML that Telegram knows, instead of the usual one; values are escaped.',
      ),
    ),
    ...HTTP_SETTINGS,
  },
  { additionalProperties: false, description: 'A message of a bot.' },
);

export const telegramKind = httpKind<{ token: string; chat_id: string; base_url?: string }>({
  kind: 'telegram',
  settings: TelegramSettings,
  destination: ['base_url', 'allow_private_addresses'],
  template: { neutral: (value) => escapeHtml(printable(value)), check: checkLength },
  prepare: ({ token, chat_id, base_url = BOT_API }) => {
    if (!/^[\w:-]+$/.test(token)) throw new ChannelSettingsError('token: is not one of a bot.');
    const url = below(base_url, `bot${token}/sendMessage`).href;
    return (notification, words) => [
      {
        url,
        body: JSON.stringify({
          chat_id,
          text: words(notification) ?? usual(notification),
          parse_mode: 'HTML',
          link_preview_options: { is_disabled: true },
        }),
      },
    ];
  },
  explain,
});

/** Cut, its markup could not be read. Throws TemplateError. */
function checkLength(text: string): void {
  const { length } = text.replace(/<[^>]*>|&#?\w+;/g, '.');
  if (length > MAX_TEXT)
    throw new TemplateError(`template: renders ${length} characters; Telegram takes ${MAX_TEXT}.`);
}

/** The Bot API tells how long to wait in the body, and calls an unknown token 404. */
function explain(outcome: Outcome): Outcome {
  if (outcome.result === 'retry' && outcome.reason === 'rate_limited') {
    const seconds = Number(/"retry_after"\s*:\s*(\d+)/.exec(outcome.detail)?.[1]);
    return retry(
      'rate_limited',
      outcome.detail,
      Number.isNaN(seconds) ? outcome.retryAfterMs : seconds * 1000,
    );
  }
  if (outcome.result !== 'permanent') return outcome;
  if (/^HTTP 404\b/.test(outcome.detail)) return permanent('auth', outcome.detail);
  return /chat not found|upgraded to a supergroup|bot was (blocked|kicked)|not enough rights/.test(
    outcome.detail,
  )
    ? permanent('configuration', outcome.detail)
    : outcome;
}

function usual(notification: Notification): string {
  const { heading, alerts, notes } = chatMessage(notification, LIMITS);
  const sections = alerts.map(({ title, message, facts }) =>
    [
      ...(alerts.length > 1 ? [`<b>${escapeHtml(cut(title, MAX.title))}</b>`] : []),
      `<pre>${escapeHtml(message)}</pre>`,
      ...facts
        .slice(0, MAX.facts)
        .map(({ label, value }) => `${label}: <code>${escapeHtml(cut(value, MAX.fact))}</code>`),
    ].join('\n'),
  );
  return [
    `<b>${escapeHtml(heading)}</b>`,
    ...sections,
    ...notes.map((note) => `<i>${escapeHtml(cut(note, MAX.note))}</i>`),
  ].join('\n\n');
}
