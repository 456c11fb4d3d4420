import { styleText } from 'node:util';
import type { Alert, Priority, StoredAlert } from '@tocsin/openapi';
import { messageOf } from '../delivery/presentation.ts';
import { printable } from '../delivery/text.ts';

type Style = Parameters<typeof styleText>[0];

const STYLES: Readonly<Record<Priority, Style>> = {
  Emergency: ['bold', 'magenta'],
  Alert: ['bold', 'magenta'],
  Critical: ['bold', 'red'],
  Error: 'red',
  Warning: 'yellow',
  Notice: 'cyan',
  Informational: 'green',
  Debug: 'gray',
};

/** One alert on one line. */
export function alertLine(alert: Alert | StoredAlert, colored: boolean): string {
  const time = printable(alert.time.replace(/\.\d+/, ''));
  const priority = alert.priority.padEnd(13);
  const shown = colored
    ? styleText(STYLES[alert.priority], priority, { validateStream: false })
    : priority;
  const name = printable(alert.rule);
  const rule = colored ? styleText('bold', name, { validateStream: false }) : name;
  const times = 'count' in alert && alert.count > 1 ? ` (${alert.count} times)` : '';
  const message = printable(messageOf(alert));
  // Most outputs begin with the words of the rule.
  const rest = message.startsWith(name) ? message.slice(name.length) : `: ${message}`;
  return `${time} ${shown} ${printable(alert.hostname)} ${rule}${rest}${times}`;
}

/** Rows as columns that line up. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows.map((row) => row.map((cell) => printable(cell)))];
  const widths = head.map((_name, column) =>
    all.reduce((most, row) => Math.max(most, row[column]?.length ?? 0), 0),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return `${all.map(line).join('\n')}\n`;
}
