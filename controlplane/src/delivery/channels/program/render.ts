import { notificationJson } from '../../alert-json.ts';
import type { Notification } from '../../channel.ts';
import { jsonLine } from '../../text.ts';

/** What the program reads on standard input: one JSON object on one line. */
export function renderInput(notification: Notification): string {
  return `${jsonLine(notificationJson(notification))}\n`;
}
