/** A notification as a mail: headers, a text part and an HTML part that say the same. */
import { createHash } from 'node:crypto';
import { type Priority, severityOf } from '@tocsin/openapi';
import type { Notification } from '../../channel.ts';
import { describeHeld, isHeld } from '../../digest.ts';
import { describeGroup } from '../../grouped.ts';
import { factsOf, highestPriority, messageOf, repeatNote, summaryOf } from '../../presentation.ts';
import { type Template, textBy } from '../../template.ts';
import { printable } from '../../text.ts';
import { renderHtml } from './html.ts';

const SUBJECT_CHARACTERS = 150;
/** Of the whole subject, that of a template too. */
const MAX_SUBJECT = 300;
const OUTPUT_CHARACTERS = 4000;

export interface Mail {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly messageId: string;
  readonly inReplyTo: string;
  readonly references: string;
  readonly date: Date;
  readonly priority: 'high' | 'normal' | 'low';
  readonly headers: Readonly<Record<string, string>>;
}

const hashed = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * What mails that belong together refer to (RFC 5322, 3.6.4): mails about the same thing are one thread. It is no mail of its own, so that
 * no state is needed and no first mail can be missed.
 */
function threadOf({ channel, alerts, group }: Notification, domain: string): string {
  const about = group?.key ?? alerts[0]?.fingerprint ?? null;
  return `<thread-${hashed(JSON.stringify([channel, about]))}@${domain}>`;
}

/** What the operator wants said otherwise. */
export interface MailTemplates {
  readonly subject?: Template | undefined;
  readonly text?: Template | undefined;
  readonly html?: Template | undefined;
}

/** Renders a mail. The Message-ID follows from the notification alone, so that a mail sent twice can be told from two mails. */
export function renderMail(
  notification: Notification,
  domain: string,
  templates: MailTemplates = {},
  onProblem: (problem: string) => void = () => {},
): Mail {
  const by = (template: Template | undefined, usual: () => string) =>
    textBy(template, notification, usual, onProblem);
  const usualSubject = `[${highestPriority(notification)}] ${summaryOf(notification, SUBJECT_CHARACTERS)}`;
  const priority = highestPriority(notification);
  const thread = threadOf(notification, domain);
  return {
    subject: printable(by(templates.subject, () => usualSubject).trim(), MAX_SUBJECT),
    text: by(templates.text, () => renderText(notification)),
    html: by(templates.html, () => renderHtml(notification)),
    messageId: `<${hashed(notification.id)}@${domain}>`,
    inReplyTo: thread,
    references: thread,
    date: new Date(notification.time),
    priority: importanceOf(priority),
    headers: {
      'Auto-Submitted': 'auto-generated',
      'X-Auto-Response-Suppress': 'All',
      'List-Id': `<${printable(notification.channel, 64)}.tocsin.${domain}>`,
      'X-Tocsin-Notification': printable(notification.id, 200),
    },
  };
}

/** The text part: what the HTML part says, one fact a line. */
export function renderText(notification: Notification): string {
  const sections = notification.alerts.map((alert) =>
    [
      `${alert.status === 'resolved' ? 'Resolved: ' : ''}${alert.priority}: ${printable(alert.rule, 200)}`,
      '',
      printable(messageOf(alert), OUTPUT_CHARACTERS),
      '',
      ...factsOf(alert).map(({ label, value }) => `${`${label}:`.padEnd(11)}${value}`),
    ].join('\n'),
  );
  if (notification.group) sections.unshift(describeGroup(notification));
  if (isHeld(notification.held)) sections.push(describeHeld(notification.held));
  if (notification.repeated) sections.push(repeatNote(notification));
  const footer = `-- \nTocsin, channel ${printable(notification.channel, 64)}, notification ${printable(notification.id, 200)}\n`;
  return `${sections.join('\n\n----\n\n')}\n\n${footer}`;
}

function importanceOf(priority: Priority): Mail['priority'] {
  const severity = severityOf(priority);
  if (severity <= severityOf('Critical')) return 'high';
  return severity >= severityOf('Informational') ? 'low' : 'normal';
}
