import { notificationJson } from '../../alert-json.ts';
import type { Notification } from '../../channel.ts';

/** The body of a webhook: an event as Standard Webhooks shapes them. */
export function renderBody(notification: Notification): string {
  return JSON.stringify({
    type: 'alert',
    timestamp: notification.time,
    data: notificationJson(notification),
  });
}
