import type { ByteString, FieldType, Value } from '../field.ts';
import { parseAddress } from './address.ts';
import { portOf } from './services.ts';

/** A literal that cannot be a value of the field's type. */
export class LiteralError extends Error {
  override name = 'LiteralError';
}

/** Types whose values are compared as numbers. */
const NUMERIC: ReadonlySet<FieldType> = new Set([
  'int',
  'uint',
  'double',
  'port',
  'abstime',
  'reltime',
  'flags',
  'mode',
]);
const MAX_UNSIGNED = 2n ** 64n - 1n;
const MAX_SIGNED = 2n ** 63n - 1n;
const MIN_SIGNED = -(2n ** 63n);
const UNSIGNED: ReadonlySet<FieldType> = new Set(['uint', 'abstime', 'reltime', 'flags', 'mode']);

/** Whether values of the type are numbers. */
export function isNumeric(type: FieldType): boolean {
  return NUMERIC.has(type);
}

/** Whether values of the type are C strings. */
export function isText(type: FieldType): boolean {
  return type === 'string' || type === 'path';
}

/** The one form of an integer: a number while that is exact, else a bigint; `===` then means equal. */
export function canonicalInteger(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** As `sscanf` reads it: 64 bits hold at their ends, and what is narrower is cut off from them. */
function parseInteger(text: string, bits: number, unsigned: boolean): number | bigint {
  if (!/^[+-]?\d{1,64}$/.test(text)) throw new LiteralError(`${text} is not a valid number`);
  const value = BigInt(text.replace(/^\+/, ''));
  if (!unsigned) {
    const wide = value > MAX_SIGNED ? MAX_SIGNED : value < MIN_SIGNED ? MIN_SIGNED : value;
    return canonicalInteger(BigInt.asIntN(bits, wide));
  }
  const wide = value > MAX_UNSIGNED || value < -MAX_UNSIGNED ? MAX_UNSIGNED : value;
  return canonicalInteger(BigInt.asUintN(bits, wide));
}

function parsePort(text: string): number {
  if (/^\d+$/.test(text)) return Number(BigInt.asUintN(16, BigInt(text)));
  const port = portOf(text);
  if (port === undefined) throw new LiteralError(`unrecognized protocol ${text}`);
  return port;
}

function parseBoolean(text: string): boolean {
  if (text !== 'true' && text !== 'false') {
    throw new LiteralError(`filter error: unrecognized boolean value ${text}`);
  }
  return text === 'true';
}

/** The value a literal has for a field of the type. Networks are not values; see `parseNetwork`. */
export function parseLiteral(text: ByteString, type: FieldType, bits = 64): Value {
  if (type !== 'bytes' && text.includes('\0')) {
    throw new LiteralError(`filter value for type '${type}' contains NUL byte`);
  }
  switch (type) {
    case 'string':
    case 'path':
    case 'bytes':
      return text;
    case 'bool':
      return parseBoolean(text);
    case 'port':
      return parsePort(text);
    case 'double':
      return parseInteger(text, 32, false);
    case 'address':
    case 'network': {
      const address = parseAddress(text);
      if (address !== undefined) return address;
      throw new LiteralError(
        `unrecognized ${text.includes('.') ? 'IPv4' : 'IPv6'} address ${text}`,
      );
    }
    default:
      return parseInteger(text, bits, UNSIGNED.has(type));
  }
}
