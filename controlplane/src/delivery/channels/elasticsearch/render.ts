/** The body of a `_bulk` request: an action and a document, a line each. */
import type { Notification } from '../../channel.ts';
import { toldAlerts } from '../../digest.ts';
import type { Format } from '../../formats/format.ts';

/**
 * The ids of the documents follow from the notification, so that one sent again is known: creating it is refused as a conflict.
 * Data streams want an `@timestamp` of every document.
 */
export function renderBulk(notification: Notification, format: Format): string {
  return toldAlerts(notification)
    .map((alert, position) => {
      const action = JSON.stringify({ create: { _id: `${notification.id}-${position}` } });
      const document = format.encode(alert, notification);
      const stamped = document.startsWith('{"@timestamp"')
        ? document
        : `{"@timestamp":${JSON.stringify(alert.time)},${document.slice(1)}`;
      return `${action}\n${stamped}\n`;
    })
    .join('');
}
