/** The body of a request to the collector: event objects one behind the other. */
import type { Notification } from '../../channel.ts';
import { toldAlerts } from '../../digest.ts';
import type { Format } from '../../formats/format.ts';

export interface Labels {
  readonly source: string;
  readonly sourcetype: string;
  readonly index: string | undefined;
}

export function renderEvents(notification: Notification, format: Format, labels: Labels): string {
  return toldAlerts(notification)
    .map((alert) => {
      const text = format.encode(alert, notification);
      const about = JSON.stringify({
        time: Date.parse(alert.time) / 1000,
        host: alert.hostname,
        ...labels,
      });
      const event = text.startsWith('{') ? text : JSON.stringify(text);
      return `${about.slice(0, -1)},"event":${event}}`;
    })
    .join('\n');
}
