/** @module Channel kind `pagerduty`: an incident an alert through the Events API v2. */
import { type Priority, SecretReference, type StoredAlert } from '@tocsin/openapi';
import Type from 'typebox';
import type { Notification } from '../../channel.ts';
import { toldAlerts } from '../../digest.ts';
import { readFacts } from '../../formats/facts.ts';
import { describeGroup, incidentKey } from '../../grouped.ts';
import { below, httpKind, type Words } from '../../http/kind.ts';
import { HTTP_SETTINGS, HttpUrl } from '../../http/settings.ts';
import { highestPriority, messageOf, summaryOf } from '../../presentation.ts';
import { TemplateText } from '../../template.ts';
import { cut, printable } from '../../text.ts';

const EVENTS_API = 'https://events.pagerduty.com';
/** Limits of the API: characters of a summary and of a key, and 512 KB an event. */
const MAX_SUMMARY = 1024;
const MAX_KEY = 255;
const MAX_DETAIL = 1024;
const MAX_DETAILS = 64;

const PagerdutySettings = Type.Object(
  {
    routing_key: SecretReference,
    base_url: Type.Optional(HttpUrl(`Of the Events API; ${EVENTS_API} unless given.`)),
    template: Type.Optional(
      TemplateText(
        'A Liquid template for the summary, one line; it is made for each incident, which sees its own alert or group.',
      ),
    ),
    ...HTTP_SETTINGS,
  },
  { additionalProperties: false, description: 'An incident an alert through the Events API v2.' },
);

export const pagerdutyKind = httpKind<{ routing_key: string; base_url?: string }>({
  kind: 'pagerduty',
  settings: PagerdutySettings,
  destination: ['base_url', 'allow_private_addresses'],
  template: { neutral: (value) => printable(value) },
  prepare: ({ routing_key, base_url = EVENTS_API }) => {
    const url = below(base_url, 'v2/enqueue').href;
    return (notification, words) =>
      eventsOf(notification, words).map((event) => ({
        url,
        body: JSON.stringify({ routing_key, ...event }),
      }));
  },
});

/** One incident a group, or one for all alerts of a fingerprint: the API folds events of one `dedup_key`. */
function eventsOf(notification: Notification, words: Words): object[] {
  const { group } = notification;
  if (!group)
    return toldAlerts(notification).map((alert) =>
      trigger(alert, notification, words({ ...notification, alerts: [alert] })),
    );
  const [first] = notification.alerts;
  const dedup_key = incidentKey(group);
  if (!first || group.counts.firing === 0) return [{ event_action: 'resolve', dedup_key }];
  const { payload, ...event } = trigger(first, notification);
  const custom_details = { ...payload.custom_details, group: describeGroup(notification) };
  const summary = oneLine(words(notification)) ?? summaryOf(notification, MAX_SUMMARY);
  const severity = severityOf(highestPriority(notification));
  return [{ ...event, dedup_key, payload: { ...payload, summary, severity, custom_details } }];
}

const oneLine = (text: string | undefined): string | undefined =>
  text && printable(text.replace(/\s*\n\s*/g, ' '), MAX_SUMMARY);

function trigger(alert: StoredAlert, notification: Notification, words?: string) {
  const { container, process } = readFacts(alert);
  return {
    event_action: 'trigger',
    dedup_key: cut(`tocsin-${alert.fingerprint}`, MAX_KEY),
    client: 'Tocsin',
    payload: {
      summary:
        oneLine(words) ??
        printable(
          `${notification.test ? 'Test: ' : ''}${alert.rule} on ${alert.hostname}: ${messageOf(alert)}`,
          MAX_SUMMARY,
        ),
      source: printable(alert.hostname, 255),
      severity: severityOf(alert.priority),
      timestamp: alert.time,
      component: printable(container.name || container.id || process.name, 255) || undefined,
      class: printable(alert.rule, 255),
      custom_details: {
        priority: alert.priority,
        output: printable(alert.output, MAX_DETAIL),
        count: alert.count,
        tags: alert.tags.map((tag) => printable(tag)),
        fields: Object.fromEntries(
          Object.entries(alert.output_fields)
            .slice(0, MAX_DETAILS)
            .map(([name, value]) => [
              printable(name, 255),
              typeof value === 'string' ? printable(value, MAX_DETAIL) : value,
            ]),
        ),
      },
    },
  };
}

const severityOf = (priority: Priority): string =>
  ({
    Emergency: 'critical',
    Alert: 'critical',
    Critical: 'critical',
    Error: 'error',
    Warning: 'warning',
    Notice: 'info',
    Informational: 'info',
    Debug: 'info',
  })[priority];
