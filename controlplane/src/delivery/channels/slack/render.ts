/**
 * A notification as Slack blocks. Text of events stands only where Slack neither formats nor links nor mentions: in code, escaped,
 * or in plain text without emoji. Sizes keep below Slack's limits by construction: 50 blocks, 3000 characters a section, 150 a
 * header, 10 fields, and about 13,000 characters in all.
 */
import type { Notification, ShownAlert } from '../../channel.ts';
import { describeHeld, isHeld } from '../../digest.ts';
import { describeGroup } from '../../grouped.ts';
import {
  factsOf,
  highestPriority,
  isOver,
  lookOf,
  lookOfAll,
  messageOf,
  repeatNote,
  showTime,
  summaryOf,
} from '../../presentation.ts';
import { cut, printable } from '../../text.ts';

const HEADER_CHARACTERS = 150;
const FALLBACK_CHARACTERS = 1000;
const MAX_FIELDS = 10;
const FIELD_CHARACTERS = 200;
/** A single alert is shown in full; each of several gets its share of what all blocks together may hold. */
const OUTPUT_CHARACTERS = 2400;
const OUTPUT_CHARACTERS_OF_ALL = 5000;
const FACTS_CHARACTERS_OF_ALL = 3000;
const MAX_ALERTS = 20;

interface Text {
  readonly type: 'mrkdwn' | 'plain_text';
  readonly text: string;
  readonly verbatim?: boolean;
  readonly emoji?: boolean;
}

export type Block =
  | { readonly type: 'header'; readonly text: Text }
  | { readonly type: 'section'; readonly text?: Text; readonly fields?: Text[] }
  | { readonly type: 'context'; readonly elements: Text[] };

/** What `chat.postMessage` takes besides the channel. */
export interface Message {
  /** For previews, and all there is when Slack refuses the blocks. */
  readonly text: string;
  readonly blocks: Block[];
  readonly attachments: {
    readonly color: string;
    readonly fallback: string;
    readonly blocks: Block[];
  }[];
}

/** Renders blocks, one coloured attachment an alert, and the fallback text. */
export function renderMessage(notification: Notification): Message {
  const { alerts, held } = notification;
  const priority = highestPriority(notification);
  const summary = summaryOf(notification, HEADER_CHARACTERS - priority.length - 5);
  const shown = alerts.slice(0, MAX_ALERTS);
  const { symbol } = lookOfAll(notification);
  const heading = isOver(notification)
    ? `${symbol} ${summary}`
    : `${symbol} ${priority}: ${summary}`;
  return {
    text: renderText(notification),
    blocks: [
      { type: 'header', text: plain(heading) },
      ...(notification.group
        ? [{ type: 'section' as const, text: code(describeGroup(notification), 600) }]
        : []),
      ...(isHeld(held) ? [{ type: 'section' as const, text: code(describeHeld(held), 1000) }] : []),
      ...(notification.repeated
        ? [{ type: 'context' as const, elements: [plain(repeatNote(notification))] }]
        : []),
    ],
    attachments: attachmentsOf(shown),
  };
}

/** What is said in a thread: what these alerts of a group are, below one line of what the group is now. */
export function renderReply(notification: Notification, alerts: readonly ShownAlert[]): Message {
  return {
    text: renderText({ ...notification, alerts }),
    blocks: [
      { type: 'section', text: code(describeGroup(notification), 600) },
      ...(notification.repeated
        ? [{ type: 'context' as const, elements: [plain(repeatNote(notification))] }]
        : []),
    ],
    attachments: attachmentsOf(alerts.slice(0, MAX_ALERTS)),
  };
}

const attachmentsOf = (alerts: readonly ShownAlert[]): Message['attachments'] =>
  alerts.map((alert) => ({
    color: lookOf(alert).colour,
    fallback: escapeMarkup(describeAlert(alert, 200), 400),
    blocks: alerts.length === 1 ? renderSingle(alert) : renderOneOf(alert, alerts.length),
  }));

/** The whole notification as escaped text, for previews and as the last resort. */
export function renderText(notification: Notification): string {
  const { alerts, held, test } = notification;
  const lines = alerts.map((alert) => describeAlert(alert, 400));
  if (notification.group) lines.unshift(describeGroup(notification));
  if (isHeld(held)) lines.push(describeHeld(held));
  return escapeMarkup(`${test ? 'Test: ' : ''}${lines.join('\n')}`, FALLBACK_CHARACTERS);
}

function describeAlert(alert: ShownAlert, max: number): string {
  const ended = alert.status === 'resolved' ? 'Resolved: ' : '';
  const count = alert.count > 1 ? ` (${alert.count} times)` : '';
  return printable(
    `${ended}${alert.priority}: ${alert.rule} on ${alert.hostname}${count}: ${messageOf(alert)}`,
    max,
  );
}

function renderSingle(alert: ShownAlert): Block[] {
  const fields = factsOf(alert)
    .slice(0, MAX_FIELDS)
    .map(({ label, value }) => markdown(`*${label}*\n${inlineCode(value, FIELD_CHARACTERS)}`));
  return [
    { type: 'section', text: code(messageOf(alert), OUTPUT_CHARACTERS) },
    { type: 'section', fields },
    { type: 'context', elements: [plain(`${showTime(alert.time)} · ${alert.id}`)] },
  ];
}

function renderOneOf(alert: ShownAlert, of: number): Block[] {
  const facts = factsOf(alert)
    .filter(({ label }) => label !== 'Tags')
    .map(({ label, value }) => `${label} ${value}`)
    .join(' · ');
  const ended = alert.status === 'resolved' ? 'resolved · ' : '';
  const title = `${lookOf(alert).symbol} ${ended}${alert.priority}: ${alert.rule}`;
  const output = code(
    messageOf(alert),
    Math.min(OUTPUT_CHARACTERS, Math.floor(OUTPUT_CHARACTERS_OF_ALL / of)),
  );
  return [
    { type: 'section', text: markdown(`${inlineCode(title, 120)}\n${output.text}`) },
    { type: 'context', elements: [plain(facts, Math.floor(FACTS_CHARACTERS_OF_ALL / of))] },
  ];
}

const ESCAPES = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
]);

/** Escapes the three characters Slack's markup is made of. The result is at most `max` long and ends in no half escape. */
function escapeMarkup(text: string, max: number): string {
  const escaped = text.replace(/[&<>]/g, (character) => ESCAPES.get(character) ?? '');
  return cut(escaped, max).replace(/&[a-z]*…$/, '…');
}

/** A value within the text of a template: it can neither mention, link, format nor end a code that it stands in. */
export const neutral = (text: string): string =>
  escapeMarkup(printable(text).replace(/[*_~`]/g, '\u200b$&'), Number.POSITIVE_INFINITY);

/** Escaped text whose marks Slack takes for text. */
export const withoutFormat = (text: string): string => text.replace(/[*_~`]/g, '\u200b$&');

/** Printable text within code. A backtick would end it, so one that only looks like it takes its place. */
const withinCode = (text: string, max: number): string =>
  escapeMarkup(printable(text, max).replaceAll('`', 'ˋ'), max) || ' ';

const plain = (text: string, max = HEADER_CHARACTERS): Text => ({
  type: 'plain_text',
  text: escapeMarkup(printable(text, max), max),
  emoji: false,
});
const markdown = (text: string): Text => ({ type: 'mrkdwn', text, verbatim: true });
const inlineCode = (text: string, max: number): string => `\`${withinCode(text, max)}\``;
const code = (text: string, max: number): Text => markdown(`\`\`\`${withinCode(text, max)}\`\`\``);
