/**
 * The HTML part of a mail: tables and inline styles, since mail readers know little else, and nothing remote. Every text of an event
 * is made printable and escaped where it enters a cell.
 */
import type { Notification, ShownAlert } from '../../channel.ts';
import { describeHeld } from '../../digest.ts';
import { describeGroup } from '../../grouped.ts';
import {
  type Fact,
  factsOf,
  lookOf,
  lookOfAll,
  messageOf,
  repeatNote,
  summaryOf,
} from '../../presentation.ts';
import { escapeHtml, printable } from '../../text.ts';

const OUTPUT_CHARACTERS = 4000;
const SANS = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const MONO = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'Liberation Mono',monospace";
/** Long paths and command lines break anywhere rather than widen the mail. */
const BREAK = 'word-break:break-word;overflow-wrap:anywhere';
const TABLE = 'role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"';

/** Renders the whole document. */
export function renderHtml(notification: Notification): string {
  const { colour, word } = lookOfAll(notification);
  const title = escapeHtml(summaryOf(notification, 200));
  const held = describeHeld(notification.held);
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light">
<title>${title}</title>
</head>
<body style="margin:0;padding:0;background:#eef1f5">
<div style="display:none;max-height:0;overflow:hidden">${preview(notification)}</div>
<table ${TABLE} style="background:#eef1f5">
<tr><td align="center" style="padding:24px 12px">
<table ${TABLE} style="max-width:640px;background:#ffffff;border:1px solid #d9dee6;border-radius:8px">
<tr><td style="background:${colour};border-radius:7px 7px 0 0;padding:18px 24px;color:#ffffff;${SANS}">
<div style="font-size:12px;font-weight:600;letter-spacing:.08em;text-transform:uppercase">${word}</div>
<div style="font-size:19px;line-height:1.35;font-weight:600;margin-top:4px;${BREAK}">${title}</div>${renderGroup(notification)}
</td></tr>
${notification.alerts.map((alert, index) => renderAlert(alert, index, notification.alerts.length)).join('\n')}
${held && renderHeld(held)}
<tr><td style="padding:14px 24px;border-top:1px solid #e6eaf0;color:#64748b;font-size:12px;line-height:1.5;${SANS}">
Sent by Tocsin to the channel ${escapeHtml(printable(notification.channel, 64))}. Notification ${escapeHtml(printable(notification.id, 120))}. ${repeatNote(notification)}
</td></tr>
</table>
</td></tr>
</table>
</body>
</html>
`;
}

/** What the group says, below the title; nothing for a single alert. */
const renderGroup = (notification: Notification): string =>
  notification.group
    ? `\n<div style="font-size:13px;line-height:1.45;margin-top:6px;${BREAK}">${escapeHtml(describeGroup(notification))}</div>`
    : '';

/** What lists of mails show beside the subject. */
const preview = ({ alerts }: Notification): string =>
  escapeHtml(printable(alerts[0] ? messageOf(alerts[0]) : '', 140));

function renderAlert(alert: ShownAlert, index: number, of: number): string {
  const line = index > 0 ? 'border-top:1px solid #e6eaf0;' : '';
  return `<tr><td style="${line}padding:20px 24px">
${of > 1 ? renderTitle(alert) : ''}<div style="background:#f6f8fa;border-left:3px solid ${lookOf(alert).colour};padding:12px 14px;font-size:13px;line-height:1.55;color:#1f2937;${MONO};${BREAK}">${escapeHtml(printable(messageOf(alert), OUTPUT_CHARACTERS))}</div>
<table ${TABLE} style="margin-top:14px">
${factsOf(alert).map(renderFact).join('\n')}
</table>
</td></tr>`;
}

function renderTitle({ rule, priority, status }: ShownAlert): string {
  const ended = status === 'resolved' ? 'Resolved &#183; ' : '';
  return `<div style="font-size:15px;font-weight:600;color:#111827;margin-bottom:10px;${SANS};${BREAK}"><span style="color:${lookOf({ priority, ...(status && { status }) }).colour}">${ended}${priority}</span> &#183; ${escapeHtml(printable(rule, 200))}</div>
`;
}

function renderFact({ label, value }: Fact): string {
  return `<tr><td width="96" valign="top" style="padding:4px 12px 4px 0;color:#64748b;font-size:13px;line-height:1.5;${SANS}">${label}</td><td valign="top" style="padding:4px 0;color:#111827;font-size:13px;line-height:1.5;${SANS};${BREAK}">${escapeHtml(value)}</td></tr>`;
}

function renderHeld(held: string): string {
  return `<tr><td style="padding:0 24px 20px"><div style="background:#fff8e6;border:1px solid #f0dca4;border-radius:6px;padding:12px 14px;color:#5f4707;font-size:13px;line-height:1.5;${SANS};${BREAK}">${escapeHtml(held)}</div></td></tr>`;
}
