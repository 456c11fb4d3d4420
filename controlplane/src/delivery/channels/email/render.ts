/** A notification as a mail: headers, a text part and an HTML part that say the same. */
import { createHash } from 'node:crypto';
import { type Priority, severityOf } from '@tocsin/openapi';
import type { Notification } from '../../channel.ts';
import { describeHeld, isHeld } from '../../digest.ts';
import { describeCounts, describeGroup } from '../../grouped.ts';
import {
  factsOf,
  highestPriority,
  isOver,
  messageOf,
  repeatNote,
  summaryOf,
} from '../../presentation.ts';
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

/**
 * How things are in brackets, which Gmail leaves out when it compares subjects, and then what stays the same for all mails of a thread:
 * it and others begin another thread with another subject.
 */
function subjectOf(notification: Notification): string {
  const { alerts, held, group, test } = notification;
  const priority = highestPriority(notification);
  const [first, ...others] = alerts;
  if (!first) return `[${priority}] ${summaryOf(notification, SUBJECT_CHARACTERS)}`;
  const { firing, resolved } = group?.counts ?? { firing: 1, resolved: 0 };
  const about = group ? aboutGroup(group.labels) : `${first.rule} on ${first.hostname}`;
  const state = [
    test ? 'Test' : '',
    firing > 0 ? priority : 'Resolved',
    group && firing + resolved > 1 ? describeCounts(group) : '',
    !group && others.length > 0 ? `${alerts.length} alerts` : '',
    !group && held.count > 0 ? `${held.count} more` : '',
    about.includes(first.rule) ? '' : printable(first.rule, 60).replace(/[[\]]/g, ''),
  ];
  const words = state.filter((text) => text !== '').join(', ');
  return `[${words}] ${printable(about, SUBJECT_CHARACTERS)}`;
}

/** What all alerts of a group have in common, as people say it. */
function aboutGroup(labels: Readonly<Record<string, string>>): string {
  const { rule, alertname = rule, hostname, instance = hostname, ...others } = labels;
  const more = Object.entries(others).map(([name, value]) => `${name}=${value}`);
  const what = [alertname, instance].filter((word) => word !== undefined).join(' on ');
  return [what, ...more].filter((text) => text !== '').join(', ') || 'Alerts';
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
  const priority = highestPriority(notification);
  const thread = threadOf(notification, domain);
  return {
    subject: printable(by(templates.subject, () => subjectOf(notification)).trim(), MAX_SUBJECT),
    text: by(templates.text, () => renderText(notification)),
    html: by(templates.html, () => renderHtml(notification)),
    messageId: `<${hashed(notification.id)}@${domain}>`,
    inReplyTo: thread,
    references: thread,
    date: new Date(notification.time),
    priority: importanceOf(priority, isOver(notification)),
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

function importanceOf(priority: Priority, over: boolean): Mail['priority'] {
  const severity = severityOf(priority);
  if (severity <= severityOf('Critical')) return over ? 'normal' : 'high';
  return severity >= severityOf('Informational') ? 'low' : 'normal';
}
