import type { ByteString } from '../field.ts';

/** One element of a glob pattern: any run, or a test of one byte. */
type Element = '*' | ((byte: number) => boolean);

const CLASSES: ReadonlyMap<string, RegExp> = new Map([
  ['alnum', /[0-9A-Za-z]/],
  ['alpha', /[A-Za-z]/],
  ['blank', /[ \t]/],
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is the class of control characters.
  ['cntrl', /[\x00-\x1f\x7f]/],
  ['digit', /[0-9]/],
  ['graph', /[!-~]/],
  ['lower', /[a-z]/],
  ['print', /[ -~]/],
  ['punct', /[!-/:-@[-`{-~]/],
  ['space', /[ \t-\r]/],
  ['upper', /[A-Z]/],
  ['xdigit', /[0-9A-Fa-f]/],
]);

function fold(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}

class GlobParser {
  private readonly pattern: ByteString;
  private readonly ignoreCase: boolean;
  private index = 0;

  constructor(pattern: ByteString, ignoreCase: boolean) {
    this.pattern = pattern;
    this.ignoreCase = ignoreCase;
  }

  /** Nothing when the pattern can match no value: `fnmatch` fails on a backslash at the end. */
  parse(): Element[] | undefined {
    const elements: Element[] = [];
    while (this.index < this.pattern.length) {
      const char = this.pattern.charAt(this.index++);
      if (char === '*') {
        if (elements.at(-1) !== '*') elements.push('*');
      } else if (char === '?') elements.push(() => true);
      else if (char === '[') elements.push(this.bracket() ?? this.literal('['));
      else if (char === '\\') {
        if (this.index >= this.pattern.length) return undefined;
        elements.push(this.literal(this.pattern.charAt(this.index++)));
      } else elements.push(this.literal(char));
    }
    return elements;
  }

  private literal(char: string): (byte: number) => boolean {
    const code = char.charCodeAt(0);
    if (!this.ignoreCase) return (byte) => byte === code;
    const folded = fold(code);
    return (byte) => fold(byte) === folded;
  }

  /** A bracket expression after its `[`; nothing (and no move) when it is not closed, so that `[` is a literal. */
  private bracket(): ((byte: number) => boolean) | undefined {
    const start = this.index;
    const table = new Uint8Array(256);
    const negated = /[!^]/.test(this.pattern.charAt(this.index));
    if (negated) this.index += 1;
    for (let first = true; ; first = false) {
      if (this.index >= this.pattern.length) {
        this.index = start;
        return undefined;
      }
      if (this.pattern.charAt(this.index) === ']' && !first) break;
      this.bracketItem(table);
    }
    this.index += 1;
    const wanted = negated ? 0 : 1;
    return (byte) => table[byte] === wanted;
  }

  private bracketItem(table: Uint8Array): void {
    const named = /^\[:([a-z]+):\]/.exec(this.pattern.slice(this.index, this.index + 12));
    const test = named?.[1] === undefined ? undefined : CLASSES.get(named[1]);
    if (named && test) {
      this.index += named[0].length;
      for (let byte = 0; byte < 256; byte++) {
        if (test.test(String.fromCharCode(byte))) this.mark(table, byte);
      }
      return;
    }
    const from = this.bracketByte();
    const isRange =
      this.pattern.charAt(this.index) === '-' &&
      this.index + 1 < this.pattern.length &&
      this.pattern.charAt(this.index + 1) !== ']';
    if (!isRange) {
      this.mark(table, from);
      return;
    }
    this.index += 1;
    const to = this.bracketByte();
    for (let byte = from; byte <= to; byte++) this.mark(table, byte);
  }

  private bracketByte(): number {
    if (this.pattern.charAt(this.index) === '\\' && this.index + 1 < this.pattern.length) {
      this.index += 1;
    }
    return this.pattern.charCodeAt(this.index++);
  }

  private mark(table: Uint8Array, byte: number): void {
    table[byte] = 1;
    if (!this.ignoreCase) return;
    const char = String.fromCharCode(byte);
    if (/[a-z]/i.test(char)) {
      table[char.toLowerCase().charCodeAt(0)] = 1;
      table[char.toUpperCase().charCodeAt(0)] = 1;
    }
  }
}

/** Matches greedily with one point to fall back to, so the time is at most pattern times value. */
function matches(elements: readonly Element[], value: ByteString): boolean {
  let at = 0;
  let index = 0;
  let starAt = -1;
  let starIndex = 0;
  while (index < value.length) {
    const element = elements[at];
    if (element === '*') {
      starAt = at++;
      starIndex = index;
    } else if (element?.(value.charCodeAt(index))) {
      at += 1;
      index += 1;
    } else if (starAt >= 0) {
      at = starAt + 1;
      index = ++starIndex;
    } else return false;
  }
  while (elements[at] === '*') at += 1;
  return at === elements.length;
}

/** Compiles a shell pattern as `fnmatch(pattern, value, 0)` reads it: `*` and `?` match `/` and leading dots too. */
export function compileGlob(
  pattern: ByteString,
  ignoreCase = false,
): (value: ByteString) => boolean {
  const elements = new GlobParser(pattern, ignoreCase).parse();
  return elements ? (value) => matches(elements, value) : () => false;
}
