/** @module Channel kind `ntfy`: a push message to those who follow a topic. */
import { type Priority, SecretReference } from '@tocsin/openapi';
import Type from 'typebox';
import type { Notification } from '../../channel.ts';
import { chatMessage } from '../../chat.ts';
import { headerSecret, httpKind } from '../../http/kind.ts';
import { HTTP_SETTINGS, HttpUrl } from '../../http/settings.ts';
import { highestPriority, isOver } from '../../presentation.ts';
import { TemplateText } from '../../template.ts';
import { cut, cutBytes, printable } from '../../text.ts';

const SERVER = 'https://ntfy.sh';
/** Of a message; a longer one becomes a file. */
const MAX_BYTES = 4096;
const LIMITS = { alerts: 4, output: 1200, heading: 120 };
const USUAL_PRIORITY = 3;
const MAX = { fact: 80, note: 200 };

const NtfySettings = Type.Object(
  {
    topic: Type.String({ pattern: '^[-_A-Za-z0-9]{1,64}$', description: 'Who it is for.' }),
    token: Type.Optional(SecretReference),
    base_url: Type.Optional(HttpUrl(`Of the server; ${SERVER} unless given.`)),
    template: Type.Optional(
      TemplateText('A Liquid template for the text below the title, instead of the usual one.'),
    ),
    ...HTTP_SETTINGS,
  },
  { additionalProperties: false, description: 'A push message to those who follow a topic.' },
);

export const ntfyKind = httpKind<{ topic: string; token?: string; base_url?: string }>({
  kind: 'ntfy',
  settings: NtfySettings,
  destination: ['base_url', 'allow_private_addresses'],
  template: { neutral: (value) => printable(value) },
  prepare: ({ topic, token, base_url: url = SERVER }) => {
    const headers = token && { authorization: `Bearer ${headerSecret('token', token)}` };
    return (notification, words) => [
      {
        url,
        ...(headers && { headers }),
        body: JSON.stringify({ topic, ...message(notification, words(notification)) }),
      },
    ];
  },
});

function message(notification: Notification, words: string | undefined) {
  const { heading, alerts, notes } = chatMessage(notification, LIMITS);
  const sections = alerts.map(({ title, message: output, facts }) =>
    [
      ...(alerts.length > 1 ? [title] : []),
      output,
      ...facts
        .filter(({ label }) => label === 'Container' || label === 'Process' || label === 'User')
        .map(({ label, value }) => `${label}: ${cut(value, MAX.fact)}`),
    ].join('\n'),
  );
  return {
    title: heading,
    message: cutBytes(
      words ?? [...notes.map((note) => cut(note, MAX.note)), ...sections].join('\n\n'),
      MAX_BYTES,
    ),
    // What ended wakes nobody.
    priority: Math.min(
      priorityOf(highestPriority(notification)),
      isOver(notification) ? USUAL_PRIORITY : 5,
    ),
  };
}

/** 5 rings through silence, 1 only lies there. */
const priorityOf = (priority: Priority): number =>
  ({
    Emergency: 5,
    Alert: 5,
    Critical: 5,
    Error: 4,
    Warning: 4,
    Notice: 3,
    Informational: 2,
    Debug: 1,
  })[priority];
