/**
 * Text that an event chose. An attacker names processes and files, so whatever is shown to a person passes through here first:
 * bounded, on one line, and with nothing in it that a terminal, a mail reader or a browser would act on.
 */

const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const NAMED = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

/** Shows control, format and broken characters as visible escapes (`\n`, `\x1b`, `\u202e`) and cuts to `max` UTF-16 units. */
export function printable(text: string, max = Number.POSITIVE_INFINITY): string {
  return cut(cut(text, max + 1).replace(UNPRINTABLE, escapeCharacter), max);
}

/** At most `max` UTF-16 units, with an ellipsis when something was cut; never half of a character. */
export function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  return `${text.slice(0, max - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/** At most `max` bytes of UTF-8, with an ellipsis when something was cut; never half of a character. */
export function cutBytes(text: string, max: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= max) return text;
  const whole = bytes.toString('utf8', 0, max - Buffer.byteLength('…'));
  return `${whole.replace(/\ufffd+$/, '')}…`;
}

/** JSON on one line that no terminal acts on: the same data, with the characters JSON leaves as they are also escaped. */
export function jsonLine(value: unknown): string {
  return escapeJson(JSON.stringify(value));
}

/** The same on several lines, for people. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, null, 2).split('\n').map(escapeJson).join('\n');
}

/** Escapes the characters that mean something in HTML text and attribute values. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const escapeJson = (line: string): string =>
  line.replace(UNPRINTABLE, (character) =>
    Array.from({ length: character.length }, (_, unit) =>
      utf16Escape(character.charCodeAt(unit)),
    ).join(''),
  );

function escapeCharacter(character: string): string {
  const named = NAMED.get(character);
  if (named !== undefined) return named;
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code < 0x10000 ? utf16Escape(code) : `\\u{${code.toString(16)}}`;
}

const utf16Escape = (unit: number): string => `\\u${unit.toString(16).padStart(4, '0')}`;
