/** A notification as messages for machines: one that tells it whole, or one an alert where the form knows no more. Pure. */
import { notificationJson } from './alert-json.ts';
import type { Notification, ShownAlert } from './channel.ts';
import { toldAlerts } from './digest.ts';
import { FORMATS, type FormatName } from './formats/index.ts';

export type BodyForm = 'tocsin' | 'cloudevents' | FormatName;

export interface Body {
  /** Of the message; the same in every attempt. */
  readonly id: string;
  readonly contentType: string;
  readonly text: string;
  /** The one it tells of; undefined when it tells all. */
  readonly alert?: ShownAlert;
}

export const JSON_TYPE = 'application/json';

export function bodiesOf(notification: Notification, form: BodyForm): Body[] {
  const { id, time } = notification;
  switch (form) {
    case 'tocsin': {
      const event = { type: 'alert', timestamp: time, data: notificationJson(notification) };
      return [{ id, contentType: JSON_TYPE, text: JSON.stringify(event) }];
    }
    case 'cloudevents': {
      const event = {
        specversion: '1.0',
        id,
        source: '/tocsin',
        type: 'tocsin.notification',
        subject: notification.channel,
        time,
        datacontenttype: JSON_TYPE,
        data: notificationJson(notification),
      };
      const contentType = 'application/cloudevents+json';
      return [{ id, contentType, text: JSON.stringify(event) }];
    }
    default:
      return toldAlerts(notification).map((alert, position) => ({
        id: `${id}-${position}`,
        contentType: form === 'cef' || form === 'leef' ? 'text/plain' : JSON_TYPE,
        text: FORMATS[form].encode(alert, notification),
        alert,
      }));
  }
}
