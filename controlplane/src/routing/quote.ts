/** How Go writes and orders texts: keys of routes and groups are the same, byte by byte, as those of Alertmanager. */

/** Order of the UTF-8 bytes, which is not that of JavaScript's UTF-16. */
export const compareBytes = (a: string, b: string): number =>
  Buffer.compare(Buffer.from(a), Buffer.from(b));

const SHORT: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};
const TO_ESCAPE = /["\\]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu;

/** Text in double quotes, as Go's `%q`. */
export const quote = (text: string): string => `"${text.replace(TO_ESCAPE, escapeRune)}"`;

function escapeRune(rune: string): string {
  const short = SHORT[rune];
  if (short !== undefined) return short;
  const code = rune.codePointAt(0) as number;
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`;
  if (code < 0x10000) return `\\u${code.toString(16).padStart(4, '0')}`;
  return `\\U${code.toString(16).padStart(8, '0')}`;
}

/** Text in double quotes, as OpenMetrics escapes values: only backslash, line feed and quote. */
export const quoteValue = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')}"`;

/** What an unquoted word cannot hold. */
export const RESERVED = /[\s\u0085{}!=~,\\"'`]/;

const PIECE =
  /\\(?:[abfnrtv\\"]|[0-7]{3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})|[^\\"\n]+/gy;
const UNSHORT = new Map(Object.entries(SHORT).map(([rune, short]) => [short, rune]));

/** Reads the inside of a Go string literal; undefined when it is none, or not UTF-8. */
export function unquote(inside: string): string | undefined {
  const pieces = inside.match(PIECE) ?? [];
  if (pieces.join('').length !== inside.length) return undefined;
  const bytes = pieces.map((piece) =>
    piece.startsWith('\\') ? bytesOf(piece) : Buffer.from(piece),
  );
  if (!bytes.every((piece) => piece !== undefined)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(bytes));
  } catch {
    return undefined;
  }
}

/** The bytes of one escape. */
function bytesOf(sequence: string): Buffer | undefined {
  const short = UNSHORT.get(sequence);
  if (short !== undefined) return Buffer.from(short);
  const kind = sequence.charAt(1);
  if (/[0-7x]/.test(kind)) {
    const byte =
      kind === 'x' ? Number.parseInt(sequence.slice(2), 16) : Number.parseInt(sequence.slice(1), 8);
    return byte > 255 ? undefined : Buffer.from([byte]);
  }
  const code = Number.parseInt(sequence.slice(2), 16);
  const surrogate = code >= 0xd800 && code <= 0xdfff;
  return code > 0x10ffff || surrogate ? undefined : Buffer.from(String.fromCodePoint(code));
}
