import { type Body, bodiesOf, JSON_TYPE } from '../../bodies.ts';
import type { Notification } from '../../channel.ts';
import { ChannelSettingsError } from '../../outcome.ts';
import { checkJson, insideJson, readTemplate } from '../../template.ts';
import { alertmanagerMessage } from './alertmanager.ts';
import type { WebhookSettings } from './settings.ts';

type Form = NonNullable<WebhookSettings['body']>;

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

/** The bodies of a webhook. */
function renderBodies(notification: Notification, form: Form): Body[] {
  if (form !== 'alertmanager') return bodiesOf(notification, form);
  const text = JSON.stringify(alertmanagerMessage(notification));
  return [{ id: notification.id, contentType: JSON_TYPE, text }];
}
