/** What chat services show of a notification, before each escapes it for its own markup. */
import type { Notification } from './channel.ts';
import { describeHeld } from './digest.ts';
import { describeGroup } from './grouped.ts';
import {
  factsOf,
  highestPriority,
  isOver,
  lookOf,
  lookOfAll,
  messageOf,
  repeatNote,
  summaryOf,
} from './presentation.ts';
import { printable } from './text.ts';

/** One alert. Texts are printable, on one line, and still to be escaped. */
export interface ChatAlert {
  readonly title: string;
  readonly message: string;
  readonly facts: readonly { readonly label: string; readonly value: string }[];
  /** `#rrggbb`. */
  readonly colour: string;
  readonly time: string;
}

export interface ChatMessage {
  readonly heading: string;
  readonly colour: string;
  readonly alerts: readonly ChatAlert[];
  /** What is told as a number or a remark only. */
  readonly notes: readonly string[];
}

export interface ChatLimits {
  /** Alerts shown at most; the others are counted in a note. */
  readonly alerts: number;
  /** Characters of all outputs together; each gets its share. */
  readonly output: number;
  readonly heading: number;
}

export function chatMessage(notification: Notification, limits: ChatLimits): ChatMessage {
  const priority = highestPriority(notification);
  const shown = notification.alerts.slice(0, limits.alerts);
  const unseen = notification.alerts.length - shown.length;
  const share = Math.floor(limits.output / Math.max(1, shown.length));
  const { symbol, colour } = lookOfAll(notification);
  // What ended is no warning any more: the summary says how it ended.
  const start = isOver(notification) ? `${symbol} ` : `${symbol} ${priority}: `;
  return {
    heading: `${start}${summaryOf(notification, limits.heading - start.length)}`,
    colour,
    alerts: shown.map((alert) => ({
      title: printable(
        `${alert.status === 'resolved' ? 'Resolved, ' : ''}${alert.priority}: ${alert.rule}`,
        200,
      ),
      message: printable(messageOf(alert), share),
      facts: factsOf(alert),
      colour: lookOf(alert).colour,
      time: alert.time,
    })),
    notes: [
      describeGroup(notification),
      unseen > 0 ? `${unseen} more alerts are not shown here.` : '',
      describeHeld(notification.held),
      repeatNote(notification),
    ].filter((note) => note !== ''),
  };
}

/** A value within a text in Markdown: printable, and neither formatted nor a mention. */
export const neutralMarkdown = (text: string): string => escapeMarkdown(printable(text));

/** Escapes what Markdown dialects format, link or mention by: a backslash before each, and an `@` that calls nobody. */
export const escapeMarkdown = (text: string): string =>
  text.replace(/[\\`*_[\]<>#|~]/g, '\\$&').replaceAll('@', '@\u200b');
