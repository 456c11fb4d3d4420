import type { Notification } from '../../channel.ts';
import { toldAlerts } from '../../digest.ts';
import type { Format } from '../../formats/format.ts';

/** One line an alert, and one more when others are told as a number only. */
export function renderLines(notification: Notification, format: Format): string {
  return toldAlerts(notification)
    .map((alert) => `${format.encode(alert, notification)}\n`)
    .join('');
}
