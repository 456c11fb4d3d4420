/** RFC 5424 messages: `<PRI>1 TIME HOST APP PROCID MSGID [DATA] MSG`. */
import { severityOf } from '@tocsin/openapi';
import { fieldText } from '../../alert-fields.ts';
import type { Notification, ShownAlert } from '../../channel.ts';
import { toldAlerts } from '../../digest.ts';
import { encodeWithin, type Format, PRODUCT } from '../../formats/format.ts';
import { printable } from '../../text.ts';

export interface Rendering {
  /** 0 to 23. */
  readonly facility: number;
  readonly appName: string;
  /** What the text of a message is; undefined for the output with the fields as structured data. */
  readonly format: Format | undefined;
  readonly maxBytes: number;
}

/** The number that RFC 5612 keeps for those who have none of their own. */
const ENTERPRISE = 32473;
const MAX_PARAM = 1024;
const MAX_PARAMS = 64;
const BOM = '\ufeff';

/** One message an alert, in bytes. */
export function renderMessages(notification: Notification, rendering: Rendering): Buffer[] {
  const { format: text, maxBytes } = rendering;
  const message: Format = {
    encode: (alert, told) =>
      `${header(alert, rendering)} ${text ? `- ${text.encode(alert, told)}` : structured(alert, told)}`,
  };
  return toldAlerts(notification).map((alert) =>
    Buffer.from(encodeWithin(message, alert, notification, maxBytes)),
  );
}

function header(alert: ShownAlert, { facility, appName }: Rendering): string {
  const pri = facility * 8 + severityOf(alert.priority);
  // At most six digits of a second.
  const time = alert.time.replace(/(\.\d{6})\d+/, '$1');
  return `<${pri}>1 ${time} ${word(alert.hostname, 255)} ${appName} - alert`;
}

function structured(alert: ShownAlert, notification: Notification): string {
  const fields = Object.keys(alert.output_fields)
    .slice(0, MAX_PARAMS)
    .map((name): [string, string] => [paramName(name), fieldText(alert, name)])
    .filter(([name, value]) => name !== '' && value !== '');
  const about: [string, string][] = [
    ['rule', alert.rule],
    ['priority', alert.priority],
    ['source', alert.source],
    ['uuid', alert.id],
    ['count', String(alert.count)],
    ['status', alert.status ?? ''],
    ['tags', alert.tags.join(',')],
    ...(notification.repeated ? [['repeated', 'true'] satisfies [string, string]] : []),
    ...(notification.test ? [['test', 'true'] satisfies [string, string]] : []),
  ];
  return [
    element('origin', [
      ['software', PRODUCT.name],
      ['swVersion', PRODUCT.version],
    ]),
    element(
      `tocsin@${ENTERPRISE}`,
      about.filter(([, value]) => value !== ''),
    ),
    fields.length > 0 ? element(`fields@${ENTERPRISE}`, fields) : '',
    ` ${BOM}${printable(alert.output)}`,
  ].join('');
}

const element = (id: string, params: readonly (readonly [string, string])[]): string =>
  `[${id}${params.map(([name, value]) => ` ${name}="${escapeParam(value)}"`).join('')}]`;

const escapeParam = (text: string): string =>
  printable(text, MAX_PARAM).replace(/["\\\]]/g, '\\$&');

/** SD-NAME: at most 32 printable ASCII characters, without `= ] "`. */
const paramName = (name: string): string =>
  name
    .replace(/[^\x21-\x7e]|[=\]"]/g, '')
    .replaceAll('[', '.')
    .slice(0, 32);

/** A header field: printable ASCII without spaces; `-` for nothing. */
const word = (text: string, max: number): string =>
  text.replace(/[^\x21-\x7e]/g, '').slice(0, max) || '-';
