import { Buffer } from 'node:buffer';
import type { ByteString } from './field.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII includes the control characters.
const ASCII = /^[\x00-\x7f]*$/;

/** The UTF-8 bytes of a text. */
export function bytesOf(text: string): ByteString {
  return ASCII.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

/** The text of UTF-8 bytes; what is not UTF-8 becomes U+FFFD. */
export function textOf(bytes: ByteString): string {
  return ASCII.test(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8');
}

/** A C string: what comes before the first NUL. */
export function untilNul(bytes: ByteString): ByteString {
  const end = bytes.indexOf('\0');
  return end < 0 ? bytes : bytes.slice(0, end);
}

/** Lower case of the ASCII letters only, as C does in the POSIX locale. */
export function asciiLower(bytes: ByteString): ByteString {
  return bytes.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Upper case of the ASCII letters only. */
export function asciiUpper(bytes: ByteString): ByteString {
  return bytes.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
}
