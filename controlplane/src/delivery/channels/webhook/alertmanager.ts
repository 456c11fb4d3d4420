/** The webhook message of Alertmanager, version 4, so that receivers made for it take ours. */
import { shownFingerprint } from '../../../routing/fingerprint.ts';
import type { Notification, ShownAlert } from '../../channel.ts';

/** Alertmanager's word for "not ended". */
const NEVER = '0001-01-01T00:00:00Z';

type Labels = Readonly<Record<string, string>>;

interface Message {
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly startsAt: string;
  readonly endsAt: string | undefined;
  readonly generatorURL: string;
}

export function alertmanagerMessage(notification: Notification) {
  const { group } = notification;
  const alerts = group
    ? [...group.firing, ...group.resolved].map((told, position): Message => {
        const shown = notification.alerts[position];
        return {
          ...saidOf(shown),
          labels: told.labels,
          startsAt: new Date(told.starts_at).toISOString(),
          endsAt: told.ends_at === null ? undefined : new Date(told.ends_at).toISOString(),
        };
      })
    : notification.alerts.map(
        (alert): Message => ({
          ...saidOf(alert),
          labels: labelsOf(alert),
          startsAt: alert.first_seen,
          endsAt: undefined,
        }),
      );
  const firing = group ? group.counts.firing > 0 : true;
  const all = group ? group.counts.firing + group.counts.resolved : undefined;
  return {
    version: '4',
    groupKey: group?.key ?? notification.id,
    truncatedAlerts: all === undefined ? notification.held.count : all - alerts.length,
    status: firing ? 'firing' : 'resolved',
    receiver: notification.channel,
    groupLabels: group?.labels ?? {},
    commonLabels: commonOf(alerts.map(({ labels }) => labels)),
    commonAnnotations: commonOf(alerts.map(({ annotations }) => annotations)),
    externalURL: '',
    alerts: alerts.map(({ labels, annotations, startsAt, endsAt, generatorURL }) => ({
      status: endsAt === undefined ? 'firing' : 'resolved',
      ...{ labels, annotations, startsAt },
      endsAt: endsAt ?? NEVER,
      ...{ generatorURL, fingerprint: shownFingerprint(labels) },
    })),
  };
}

/** What is said of an alert beside its labels: what its sender said, if that was a program that speaks to Alertmanager. */
function saidOf(alert: ShownAlert | undefined): Pick<Message, 'annotations' | 'generatorURL'> {
  if (!alert) return { annotations: {}, generatorURL: '' };
  const { external, output, rule, count } = alert;
  return {
    annotations: external?.annotations ?? {
      summary: rule,
      description: output,
      count: String(count),
    },
    generatorURL: external?.generator_url ?? '',
  };
}

const labelsOf = (alert: ShownAlert): Labels =>
  alert.external?.labels ?? {
    alertname: alert.rule,
    rule: alert.rule,
    priority: alert.priority,
    source: alert.source,
    hostname: alert.hostname,
    ...(alert.tags.length > 0 && { tags: alert.tags.join(',') }),
  };

/** What all have, with the same value. */
function commonOf([first, ...others]: readonly Labels[]): Labels {
  return Object.fromEntries(
    Object.entries(first ?? {}).filter(([name, value]) =>
      others.every((labels) => Object.hasOwn(labels, name) && labels[name] === value),
    ),
  );
}
