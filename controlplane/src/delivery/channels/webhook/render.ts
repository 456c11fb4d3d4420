import { notificationJson } from '../../alert-json.ts';
import type { Notification } from '../../channel.ts';

/** The body of a webhook. It is the same in every attempt, so that a receiver that saw it before can tell. */
export function renderBody(notification: Notification): string {
  return JSON.stringify({
    type: 'alert',
    timestamp: notification.time,
    data: notificationJson(notification),
  });
}
