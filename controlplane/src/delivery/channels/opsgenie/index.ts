/** @module Channel kind `opsgenie`: an alert an alert through the Alert API v2, which others speak, too. */
import { type Priority, SecretReference, type StoredAlert } from '@tocsin/openapi';
import Type from 'typebox';
import type { Notification } from '../../channel.ts';
import { toldAlerts } from '../../digest.ts';
import { incidentKey } from '../../grouped.ts';
import { below, headerSecret, httpKind, type Words } from '../../http/kind.ts';
import { HTTP_SETTINGS, HttpUrl } from '../../http/settings.ts';
import { factsOf, highestPriority, messageOf, summaryOf } from '../../presentation.ts';
import { TemplateText } from '../../template.ts';
import { cut, printable } from '../../text.ts';

const ALERT_API = 'https://api.opsgenie.com';
/** Limits of the API, in characters; 8000 for all details together, and 20 tags of 50. */
const MAX = { message: 130, alias: 512, description: 15_000, detail: 500, tags: 20, tag: 50 };

const OpsgenieSettings = Type.Object(
  {
    api_key: SecretReference,
    base_url: Type.Optional(
      HttpUrl(`${ALERT_API} unless given; https://api.eu.opsgenie.com in Europe.`),
    ),
    template: Type.Optional(
      TemplateText(
        'A Liquid template for the description; it is made for each alert, and sees that or its group.',
      ),
    ),
    ...HTTP_SETTINGS,
  },
  { additionalProperties: false, description: 'An Opsgenie alert an alert.' },
);

export const opsgenieKind = httpKind<{ api_key: string; base_url?: string }>({
  kind: 'opsgenie',
  settings: OpsgenieSettings,
  destination: ['base_url', 'allow_private_addresses'],
  template: { neutral: (value) => printable(value) },
  prepare: ({ api_key, base_url = ALERT_API }) => {
    const headers = { authorization: `GenieKey ${headerSecret('api_key', api_key)}` };
    return (notification, words) =>
      requestsOf(notification, words).map(({ path, body }) => ({
        url: below(base_url, path).href,
        headers,
        body: JSON.stringify(body),
      }));
  },
});

/** One alert a group, or one for all of a fingerprint: the API counts those of one alias as one. */
function requestsOf(notification: Notification, words: Words): { path: string; body: object }[] {
  const { group } = notification;
  if (!group) {
    return toldAlerts(notification).map((alert) => ({
      path: 'v2/alerts',
      body: request(alert, words({ ...notification, alerts: [alert] })),
    }));
  }
  const [first] = notification.alerts;
  const alias = incidentKey(group);
  if (!first || group.counts.firing === 0)
    return [{ path: `v2/alerts/${alias}/close?identifierType=alias`, body: { source: 'Tocsin' } }];
  const body = {
    ...request(first, words(notification)),
    alias,
    message: summaryOf(notification, MAX.message),
    priority: priorityOf(highestPriority(notification)),
  };
  return [{ path: 'v2/alerts', body }];
}

const request = (alert: StoredAlert, words: string | undefined) => ({
  message: printable(`${alert.rule} on ${alert.hostname}`, MAX.message),
  alias: cut(`tocsin-${alert.fingerprint}`, MAX.alias),
  description: words ? cut(words, MAX.description) : printable(messageOf(alert), MAX.description),
  source: 'Tocsin',
  entity: printable(alert.hostname, MAX.alias),
  priority: priorityOf(alert.priority),
  tags: alert.tags.slice(0, MAX.tags).map((tag) => printable(tag, MAX.tag)),
  details: Object.fromEntries(
    factsOf(alert).map(({ label, value }) => [label, cut(value, MAX.detail)]),
  ),
});

const priorityOf = (priority: Priority): string =>
  ({
    Emergency: 'P1',
    Alert: 'P1',
    Critical: 'P1',
    Error: 'P2',
    Warning: 'P3',
    Notice: 'P4',
    Informational: 'P5',
    Debug: 'P5',
  })[priority];
