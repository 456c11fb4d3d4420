/**
 * JSON text in which integers beyond 2^53 keep all their digits: a bigint is written as a plain number, as Falco writes
 * `evt.time`. Readers that need them exact must not parse into doubles.
 */
export function encodeJson(value: unknown): string {
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) {
    return `[${value.map((element) => encodeJson(element ?? null)).join(',')}]`;
  }
  if (typeof value === 'string') return quoteJson(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  const members = entries.map(([key, member]) => `${quoteJson(key)}:${encodeJson(member)}`);
  return `{${members.join(',')}}`;
}

/** Those that JSON lets pass as they are. */
const TERMINAL_CONTROLS = /[\u007f-\u009f]/g;

/** Text as a JSON string in which nothing can forge a line or move the cursor of a terminal. */
export function quoteJson(text: string): string {
  return JSON.stringify(text).replace(
    TERMINAL_CONTROLS,
    (character) => `\\u00${character.charCodeAt(0).toString(16)}`,
  );
}
