import type { ByteString } from '../field.ts';

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  // One old rule writes "\ " for a backslash; Falco keeps that reading.
  [' ', '\\'],
  ['\\', '\\'],
  ['/', '/'],
]);

const NAMES: ReadonlyMap<string, string> = new Map([
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\\', '\\\\'],
  ['"', '\\"'],
]);

/** Thrown by `unquote`; the caller knows where. */
export class EscapeError extends Error {
  override name = 'EscapeError';
}

function hexByte(body: string, at: number): string {
  const digits = body.slice(at, at + 2);
  if (digits.length < 2) throw new EscapeError('truncated hex char escape sequence');
  if (!/^[0-9a-fA-F]{2}$/.test(digits)) {
    throw new EscapeError(`invalid hex char escape sequence: ${digits}`);
  }
  return String.fromCharCode(Number.parseInt(digits, 16));
}

/** The value of a quoted string, given with its quotes. */
export function unquote(raw: ByteString): ByteString {
  const delimiter = raw.charAt(0);
  const body = raw.slice(1, -1);
  if (!body.includes('\\')) return body;
  let value = '';
  for (let index = 0; index < body.length; index++) {
    const char = body.charAt(index);
    if (char !== '\\') {
      value += char;
      continue;
    }
    const code = body.charAt(++index);
    if (code === 'x') {
      value += hexByte(body, index + 1);
      index += 2;
    } else if (code === delimiter) value += code;
    else if (code === '"' || code === "'") {
      throw new EscapeError(`invalid \\${code} escape in ${delimiter}-quoted string`);
    } else {
      const plain = ESCAPES.get(code);
      if (plain === undefined) {
        throw new EscapeError(`unsupported string escape sequence: \\${code}`);
      }
      value += plain;
    }
  }
  return value;
}

/** A value as condition text: bare where that can be, else in double quotes. */
export function quote(value: ByteString): ByteString {
  // A value that is not a bare string token cannot be written bare, or it would not read back.
  if (/^[^()"'\s=,\\\b\0]+$/.test(value)) return value;
  // A backslash before the closing quote would keep it from closing; the other spelling of a backslash does not.
  const last = value.endsWith('\\') ? '\\ ' : '';
  let text = '"';
  for (const char of last === '' ? value : value.slice(0, -1)) {
    const code = char.charCodeAt(0);
    text += NAMES.get(char) ?? (code < 0x20 ? `\\x${code.toString(16).padStart(2, '0')}` : char);
  }
  return `${text}${last}"`;
}
