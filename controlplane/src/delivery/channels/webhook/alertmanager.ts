/** The webhook message of Alertmanager, version 4, so that receivers made for it take ours. */
import type { Notification, ShownAlert } from '../../channel.ts';

/** Alertmanager's word for "not ended". */
const NEVER = '0001-01-01T00:00:00Z';

type Labels = Readonly<Record<string, string>>;

interface Message {
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly startsAt: string;
  readonly endsAt: string | undefined;
  readonly fingerprint: string;
}

export function alertmanagerMessage(notification: Notification) {
  const { group } = notification;
  const alerts = group
    ? [...group.firing, ...group.resolved].map((told, position): Message => {
        const shown = notification.alerts[position];
        return {
          labels: told.labels,
          annotations: shown ? annotationsOf(shown) : {},
          startsAt: new Date(told.starts_at).toISOString(),
          endsAt: told.ends_at === null ? undefined : new Date(told.ends_at).toISOString(),
          fingerprint: shown?.fingerprint ?? '',
        };
      })
    : notification.alerts.map(
        (alert): Message => ({
          labels: labelsOf(alert),
          annotations: annotationsOf(alert),
          startsAt: alert.first_seen,
          endsAt: undefined,
          fingerprint: alert.fingerprint,
        }),
      );
  const firing = group ? group.counts.firing > 0 : true;
  return {
    version: '4',
    groupKey: group?.key ?? notification.id,
    truncatedAlerts: notification.held.count,
    status: firing ? 'firing' : 'resolved',
    receiver: notification.channel,
    groupLabels: group?.labels ?? {},
    commonLabels: commonOf(alerts.map(({ labels }) => labels)),
    commonAnnotations: commonOf(alerts.map(({ annotations }) => annotations)),
    externalURL: '',
    alerts: alerts.map(({ endsAt, ...alert }) => ({
      status: endsAt === undefined ? 'firing' : 'resolved',
      ...alert,
      endsAt: endsAt ?? NEVER,
      generatorURL: '',
    })),
  };
}

const labelsOf = (alert: ShownAlert): Labels => ({
  alertname: alert.rule,
  rule: alert.rule,
  priority: alert.priority,
  source: alert.source,
  hostname: alert.hostname,
  ...(alert.tags.length > 0 && { tags: alert.tags.join(',') }),
});

const annotationsOf = ({ output, rule, count }: ShownAlert): Labels => ({
  summary: rule,
  description: output,
  count: String(count),
});

/** What all have, with the same value. */
function commonOf([first, ...others]: readonly Labels[]): Labels {
  return Object.fromEntries(
    Object.entries(first ?? {}).filter(([name, value]) =>
      others.every((labels) => Object.hasOwn(labels, name) && labels[name] === value),
    ),
  );
}
