import type { ByteString } from '../field.ts';
import { ConditionError } from './condition-error.ts';

const BLANKS = new Set([' ', '\t', '\b', '\r', '\n']);

/** A position in a text that only moves over what it recognises; remembers the last token for messages. */
export class Cursor {
  readonly text: ByteString;
  offset = 0;
  lastToken = '';

  constructor(text: ByteString) {
    this.text = text;
  }

  get atEnd(): boolean {
    return this.offset >= this.text.length;
  }

  /** Skips blanks and tells whether there were any. */
  blanks(): boolean {
    const start = this.offset;
    while (BLANKS.has(this.text.charAt(this.offset))) this.offset += 1;
    return this.offset > start;
  }

  /** Takes exactly `token` if it comes next. */
  take(token: string): boolean {
    if (!this.text.startsWith(token, this.offset)) return false;
    this.offset += token.length;
    this.lastToken = token;
    return true;
  }

  /** Takes the first of `tokens` that comes next. */
  takeOneOf<T extends string>(tokens: readonly T[]): T | undefined {
    return tokens.find((token) => this.take(token));
  }

  /** Takes what a sticky pattern matches here. */
  match(pattern: RegExp): ByteString | undefined {
    pattern.lastIndex = this.offset;
    const found = pattern.exec(this.text)?.[0];
    if (found === undefined) return undefined;
    this.offset += found.length;
    this.lastToken = found;
    return found;
  }

  /**
   * Takes a quoted string with its quotes. It ends at the first delimiter whose previous raw character is not a backslash;
   * that only one character is looked at is Falco's rule (`"a\\"` does not end there).
   */
  quoted(): ByteString | undefined {
    const delimiter = this.text.charAt(this.offset);
    if (delimiter !== '"' && delimiter !== "'") return undefined;
    let end = this.text.indexOf(delimiter, this.offset + 1);
    while (end >= 0 && this.text.charAt(end - 1) === '\\') {
      end = this.text.indexOf(delimiter, end + 1);
    }
    if (end < 0) return undefined;
    const raw = this.text.slice(this.offset, end + 1);
    this.offset = end + 1;
    this.lastToken = raw;
    return raw;
  }

  fail(message: ByteString, offset = this.offset): never {
    throw new ConditionError('syntax', message, offset);
  }
}
