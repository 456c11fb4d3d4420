import { alertJson } from '../../alert-json.ts';
import type { Notification } from '../../channel.ts';
import { describeHeld } from '../../digest.ts';
import { jsonLine } from '../../text.ts';

/** One line an alert in Falco's shape, and one more when the throttle held something back. */
export function renderLines(notification: Notification): string {
  const lines = notification.alerts.map((alert) => alertJson(alert, notification));
  const { held } = notification;
  if (held.count === 0) return lines.map(toLine).join('');
  const digest = {
    time: notification.time,
    rule: 'Notifications held back',
    priority: 'Notice',
    source: 'internal',
    output: describeHeld(held),
    output_fields: { count: held.count, by_rule: held.byRule },
    tags: [],
    notification: notification.id,
  };
  return [...lines, digest].map(toLine).join('');
}

const toLine = (value: object): string => `${jsonLine(value)}\n`;
