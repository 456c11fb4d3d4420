import { textOf } from '../byte-string.ts';
import type { FieldType, Value } from '../field.ts';
import { formatAddress } from '../operators/address.ts';

/** What an output shows for a value that an event does not have. */
export const MISSING = '<NA>';

// biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is what must not reach a text.
const NUL = /\x00/g;

function scalarText(value: Exclude<Value, readonly Value[]>, type: FieldType): string {
  if (typeof value !== 'string') {
    return type === 'mode' && typeof value === 'number' ? value.toString(8) : String(value);
  }
  if (type === 'address') return formatAddress(value);
  // What is no text of its own shows the bytes that can be printed.
  if (type === 'bytes') return value.replace(/[^ -~]/g, '.');
  return textOf(value).replace(NUL, '');
}

/** A value as an output line shows it. */
export function textOfValue(value: Value | undefined, type: FieldType, list: boolean): string {
  if (value === undefined) return MISSING;
  if (!Array.isArray(value)) return scalarText(value as Exclude<Value, readonly Value[]>, type);
  const texts = value.map((element) => textOfValue(element, type, false));
  // A list shows as one; the ancestors of a process as words.
  return list ? `(${texts.join(',')})` : texts.join(' ');
}

/** A value as JSON carries it: numbers and booleans stay what they are, integers beyond 2^53 as bigint. */
export function jsonOfValue(value: Value | undefined, type: FieldType, list: boolean): unknown {
  if (value === undefined) return null;
  if (!Array.isArray(value)) {
    return typeof value === 'string'
      ? scalarText(value, type)
      : (value as number | bigint | boolean);
  }
  return list
    ? value.map((element) => jsonOfValue(element, type, false))
    : textOfValue(value, type, list);
}
