/** How an alert is written for a machine that collects events. Pure; `Format` is all that a channel has to know. */
import type { Notification, ShownAlert } from '../channel.ts';
import { printable } from '../text.ts';

/** Who says it, in formats that name the product. */
export const PRODUCT = { vendor: 'Tocsin', name: 'Tocsin', version: '0.1.0' } as const;

export interface Format {
  /** Text on one line, without a line break at its end. */
  encode(alert: ShownAlert, notification: Notification): string;
}

/** Values and lists are cut to these until the text fits; the last step keeps little more than what identifies an alert. */
const STEPS = [
  { characters: 4096, items: 256 },
  { characters: 1024, items: 64 },
  { characters: 256, items: 32 },
  { characters: 64, items: 16 },
  { characters: 32, items: 4 },
];

/**
 * Encodes an alert in at most `maxBytes` of UTF-8 (2048 or more), if need be with its long values cut (a cut value ends in `…`).
 */
export function encodeWithin(
  format: Format,
  alert: ShownAlert,
  notification: Notification,
  maxBytes: number,
): string {
  let text = format.encode(alert, notification);
  for (const step of STEPS) {
    if (Buffer.byteLength(text) <= maxBytes) break;
    text = format.encode(shorten(alert, step), notification);
  }
  return text;
}

function shorten(
  alert: ShownAlert,
  { characters, items }: { readonly characters: number; readonly items: number },
): ShownAlert {
  const short = (value: unknown) =>
    typeof value === 'string'
      ? printable(value, characters)
      : typeof value === 'object' && value !== null
        ? printable(JSON.stringify(value), characters)
        : value;
  return {
    ...alert,
    rule: printable(alert.rule, characters),
    output: printable(alert.output, characters),
    output_fields: Object.fromEntries(
      Object.entries(alert.output_fields)
        .slice(0, items)
        .map(([name, value]) => [printable(name, characters), short(value)]),
    ),
    tags: alert.tags.slice(0, items).map((tag) => printable(tag, characters)),
  };
}
