import { notificationJson } from '../../alert-json.ts';
import type { Notification } from '../../channel.ts';
import { toldAlerts } from '../../digest.ts';
import { FORMATS } from '../../formats/index.ts';
import { ChannelSettingsError } from '../../outcome.ts';
import { checkJson, insideJson, readTemplate } from '../../template.ts';
import { alertmanagerMessage } from './alertmanager.ts';
import type { WebhookSettings } from './settings.ts';

type BodyForm = NonNullable<WebhookSettings['body']>;

/** One request. */
export interface Body {
  /** Of the message; the same in every attempt. */
  readonly id: string;
  readonly contentType: string;
  readonly text: string;
}

const JSON_TYPE = 'application/json';

/** Reads how bodies are made. Throws ChannelSettingsError. */
export function readBody({
  body,
  template: source,
  content_type: contentType = JSON_TYPE,
}: Pick<WebhookSettings, 'body' | 'template' | 'content_type'>): (
  notification: Notification,
) => Body[] {
  if (source === undefined) {
    if (contentType !== JSON_TYPE)
      throw new ChannelSettingsError('content_type: is given together with template.');
    return (notification) => renderBodies(notification, body ?? 'tocsin');
  }
  const isJson = /[/+]json\b/i.test(contentType);
  const template = readTemplate('template', source, {
    neutral: isJson ? insideJson : (text) => text,
    ...(isJson && { check: checkJson }),
  });
  return (notification) => [{ id: notification.id, contentType, text: template(notification) }];
}

/** The bodies of a webhook: one, or one an alert where the form knows no more. */
function renderBodies(notification: Notification, form: BodyForm): Body[] {
  const { id, time } = notification;
  const one = (value: unknown, contentType = JSON_TYPE): Body[] => [
    { id, contentType, text: JSON.stringify(value) },
  ];
  switch (form) {
    case 'tocsin':
      return one({ type: 'alert', timestamp: time, data: notificationJson(notification) });
    case 'cloudevents':
      return one(
        {
          specversion: '1.0',
          id,
          source: '/tocsin',
          type: 'tocsin.notification',
          subject: notification.channel,
          time,
          datacontenttype: JSON_TYPE,
          data: notificationJson(notification),
        },
        'application/cloudevents+json',
      );
    case 'alertmanager':
      return one(alertmanagerMessage(notification));
    default:
      return toldAlerts(notification).map((alert, position) => ({
        id: `${id}-${position}`,
        contentType: JSON_TYPE,
        text: FORMATS[form].encode(alert, notification),
      }));
  }
}
