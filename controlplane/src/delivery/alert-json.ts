/** Alerts as machines read them: Falco's keys first, so that whatever reads Falco's JSON reads ours, then what we know beyond. */
import type { GroupNotification, ToldAlert } from '../routing/notification.ts';
import type { Notification, ShownAlert } from './channel.ts';

/** One alert with Falco's keys, how often it was seen, and who it was told to. */
export function alertJson(alert: ShownAlert, notification: Notification) {
  return {
    uuid: alert.id,
    time: alert.time,
    rule: alert.rule,
    priority: alert.priority,
    source: alert.source,
    output: alert.output,
    output_fields: alert.output_fields,
    hostname: alert.hostname,
    tags: alert.tags,
    fingerprint: alert.fingerprint,
    agent: alert.agent,
    count: alert.count,
    first_seen: alert.first_seen,
    last_seen: alert.last_seen,
    ...(alert.status && { status: alert.status }),
    notification: notification.id,
    ...(notification.test && { test: true }),
    ...(notification.repeated && { repeated: true }),
  };
}

const iso = (ms: number) => new Date(ms).toISOString();

const toldJson = ({ labels, starts_at, ends_at, count, last_seen }: ToldAlert) => ({
  labels,
  starts_at: iso(starts_at),
  ends_at: ends_at === null ? null : iso(ends_at),
  count,
  last_seen: iso(last_seen),
});

/** What a group says: all that is told, by labels. */
const groupJson = ({ firing, resolved, urgent, ...rest }: GroupNotification) => ({
  ...rest,
  firing: firing.map(toldJson),
  resolved: resolved.map(toldJson),
});

const heldJson = ({ count, byRule, digest, ended }: Notification['held']) => ({
  count,
  by_rule: byRule,
  ...(digest && { digest }),
  ...(ended !== undefined && { ended }),
});

/** A whole notification as one object: the `data` of a webhook and the standard input of a program. */
export function notificationJson(notification: Notification) {
  return {
    notification: notification.id,
    channel: notification.channel,
    time: notification.time,
    test: notification.test,
    ...(notification.repeated && { repeated: true }),
    /** How many alerts this stands for: repeats within the window are folded into one and counted. */
    count: notification.alerts.reduce((sum, alert) => sum + alert.count, 0),
    alerts: notification.alerts.map((alert) => alertJson(alert, notification)),
    held: heldJson(notification.held),
    ...(notification.group && { group: groupJson(notification.group) }),
  };
}
