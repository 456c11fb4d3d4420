import { RE2JS, RE2JSException } from 're2js';
import { textOf } from '../byte-string.ts';
import type { ByteString } from '../field.ts';

/** A pattern that is not a POSIX extended regular expression as RE2 reads it. */
export class RegexError extends Error {
  override name = 'RegexError';
}

/** Instructions of one compiled pattern; a pattern of nested repetitions must not eat the memory of the agent. */
const MAX_PROGRAM_SIZE = 20_000;
const LITERAL_ESCAPE = /^[^a-zA-Z0-9_]$|^[afnrtv]$/;
const QUANTIFIER = /[*+?]|\{\d+(,\d*)?\}/y;

/**
 * Rewrites POSIX ERE syntax, in which RE2 has no Perl classes, groups with `?` or lazy quantifiers (`a+?` is `(a+)?`), into
 * the Perl syntax that `re2js` reads.
 */
class PosixTranslator {
  private readonly pattern: string;
  private index = 0;

  constructor(pattern: string) {
    this.pattern = pattern;
  }

  translate(): string {
    const text = this.sequence(0);
    if (this.index < this.pattern.length) throw new RegexError(`unexpected ): ${this.pattern}`);
    return text;
  }

  private sequence(depth: number): string {
    if (depth > 200) throw new RegexError('expression nests too deeply');
    let text = '';
    while (this.index < this.pattern.length) {
      const char = this.pattern.charAt(this.index);
      if (char === ')') break;
      if (char === '|') {
        this.index += 1;
        text += '|';
      } else text += this.repeated(this.atom(depth));
    }
    return text;
  }

  private repeated(atom: string): string {
    let text = atom;
    for (let first = true; ; first = false) {
      QUANTIFIER.lastIndex = this.index;
      const quantifier = QUANTIFIER.exec(this.pattern)?.[0];
      if (quantifier === undefined) return text;
      this.index += quantifier.length;
      text = first ? text + quantifier : `(?:${text})${quantifier}`;
    }
  }

  private atom(depth: number): string {
    const char = this.next();
    switch (char) {
      case '(':
        return this.group(depth);
      case '[':
        return this.bracket();
      case '\\':
        return this.escape();
      case '*':
      case '+':
      case '?':
        throw new RegexError(`no argument for repetition operator: ${char}`);
      default:
        return char;
    }
  }

  private group(depth: number): string {
    const body = this.sequence(depth + 1);
    if (this.next() !== ')') throw new RegexError(`missing ): ${this.pattern}`);
    return `(?:${body})`;
  }

  private escape(): string {
    const char = this.next();
    if (char === '') throw new RegexError('trailing \\');
    if (LITERAL_ESCAPE.test(char) || char === 'x' || /[0-7]/.test(char)) return `\\${char}`;
    throw new RegexError(`invalid escape sequence: \\${char}`);
  }

  /** A bracket class; `]` first is a literal, and `[:class:]` may hold one. */
  private bracket(): string {
    let text = '[';
    if (this.pattern.charAt(this.index) === '^') text += this.next();
    for (let first = true; ; first = false) {
      const named = /^\[:\^?[a-z]+:\]/.exec(this.pattern.slice(this.index, this.index + 16))?.[0];
      if (named !== undefined) {
        text += named;
        this.index += named.length;
        continue;
      }
      const char = this.next();
      if (char === '') throw new RegexError(`missing ]: ${this.pattern}`);
      if (char === ']' && !first) return `${text}]`;
      if (char === '\\') text += this.escape();
      else text += char === ']' || char === '[' ? `\\${char}` : char;
    }
  }

  private next(): string {
    const char = this.pattern.charAt(this.index);
    this.index += 1;
    return char;
  }
}

/** Compiles a pattern that must match the whole value, in time linear to its length. */
export function compileRegex(pattern: ByteString): (value: ByteString) => boolean {
  const text = textOf(pattern);
  try {
    // RE2's POSIX mode reads ^ and $ as line ends.
    const regex = RE2JS.compile(new PosixTranslator(text).translate(), RE2JS.MULTILINE);
    if (regex.programSize() > MAX_PROGRAM_SIZE) throw new RegexError('pattern too large');
    return (value) => regex.testExact(textOf(value));
  } catch (error) {
    if (error instanceof RE2JSException) throw new RegexError(error.message);
    throw error;
  }
}

const PLAIN_PATTERN = /^\^?(\.[*+?])?([^\\.*+?()|[\]{}^$]*)(\.[*+?])?\$?$/;

/** Whether a pattern is only a literal with anchors or wildcards around it, which a cheaper operator could do. */
export function isTrivialRegex(pattern: ByteString): boolean {
  return PLAIN_PATTERN.test(pattern);
}
