/**
 * Reads matchers: Alertmanager's classic notation, its UTF-8 notation, and ours with typed operators (`priority >= warning`,
 * `tag has mitre_*`, `fd.sip in 10.0.0.0/8`, `image glob "*:latest"`). What the classic notation can read means what it says there.
 */
import { Condition, ConditionError, type Operator } from './conditions.ts';
import { RESERVED, unquote } from './quote.ts';
import { RegexError } from './regex.ts';

/** A text is no matcher; the message tells where and what was expected. */
export class MatcherError extends Error {
  override name = 'MatcherError';
}

const MAX_TEXT = 16_384;
const CLASSIC =
  /^[\t\n\f\r ]*([a-zA-Z_:][a-zA-Z0-9_:]*)[\t\n\f\r ]*(=~|=|!=|!~)[\t\n\f\r ]*([\s\S]*)$/;

/** Reads one matcher: `env="prod"`. Throws MatcherError. */
export function parseMatcher(text: string): Condition {
  checkText(text);
  if (/^\{|\}$/.test(text)) throw new MatcherError(`one matcher has no braces: ${shown(text)}`);
  const classic = readClassic(text);
  if (classic) return build(...classic);
  const [first, second] = new MatchersReader(text).read();
  if (!first) throw new MatcherError('there is no matcher in it');
  if (second) throw new MatcherError(`one matcher is expected, not more: ${shown(text)}`);
  return first;
}

/** Reads any number of matchers, all of which must hold: `{env="prod", team=~"a|b"}`; the braces may be left out. Throws MatcherError. */
export function parseMatchers(text: string): Condition[] {
  checkText(text);
  const classic = splitClassic(text).map(readClassic);
  if (classic.every((one) => one !== undefined)) return classic.map((one) => build(...one));
  return new MatchersReader(text).read();
}

/** Makes a condition and tells of it what is wrong. Throws MatcherError. */
export function build(name: string, operator: Operator, value: string): Condition {
  try {
    return new Condition(name, operator, value);
  } catch (error) {
    if (!(error instanceof RegexError || error instanceof ConditionError)) throw error;
    throw new MatcherError(`${shown(name)} ${operator} ${shown(value)}: ${error.message}`);
  }
}

function checkText(text: string): void {
  if (text.length > MAX_TEXT) throw new MatcherError(`is longer than ${MAX_TEXT} characters`);
  if (/\p{Surrogate}/u.test(text)) throw new MatcherError('is not valid Unicode');
}

const shown = (text: string) => JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);

/** Divides at commas outside of quotes, as the classic notation does it. */
function splitClassic(text: string): string[] {
  const inside = text.replace(/^\{/, '').replace(/\}$/, '');
  const parts: string[] = [];
  let [part, quoted, escaped] = ['', false, false];
  for (const rune of inside) {
    if (rune === ',' && !quoted) {
      parts.push(part);
      part = '';
      continue;
    }
    if (rune === '"' && !escaped) quoted = !quoted;
    escaped = rune === '\\' && !escaped;
    part += rune;
  }
  return part.trim() === '' ? parts : [...parts, part.trim()];
}

type Read = [name: string, operator: Operator, value: string];

/** The classic notation: the value may do without quotes, and a backslash before anything but `n`, `"` and `\` is one. */
function readClassic(text: string): Read | undefined {
  const [, name, operator, rest] = CLASSIC.exec(text) ?? [];
  if (name === undefined || operator === undefined || rest === undefined) return undefined;
  let end = rest.length;
  while ('\t\n\f\r '.includes(rest[end - 1] ?? '-')) end--;
  const given = rest.slice(0, end);
  const quoted = given.startsWith('"');
  if (quoted && (given.length < 2 || !given.endsWith('"'))) return undefined;
  const inside = quoted ? given.slice(1, -1) : given;
  // A quote within, or one at the end that a backslash takes away, is not closed.
  if (/(?:^|[^\\])(?:\\\\)*"/.test(inside) || (quoted && /(?:^|[^\\])(?:\\\\)*\\$/.test(inside)))
    return undefined;
  const value = inside.replace(/\\([n"\\])/g, (_, rune: string) => (rune === 'n' ? '\n' : rune));
  return [name, operator as Operator, value];
}

const SYMBOLS = /[=!]~|!=|=|>=|<=|>|</y;
const WORDS = /(?:not\s+)?(?:has|in|glob)(?=[\s"])/y;
const QUOTED = /"((?:[^"\\]|\\[\s\S])*)"/y;

/** The UTF-8 notation and ours, read from left to right. */
class MatchersReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): Condition[] {
    const found: Condition[] = [];
    const braces = this.#take('{');
    for (;;) {
      this.#blanks();
      if (this.#at === this.#text.length || this.#text[this.#at] === '}') break;
      found.push(this.#matcher());
      if (!this.#take(',')) break;
    }
    if (braces && !this.#take('}')) this.#fail("a comma or the closing '}' is expected");
    this.#blanks();
    if (this.#at < this.#text.length)
      this.#fail(braces ? 'nothing more is expected' : 'a comma or the end is expected');
    return found;
  }

  #matcher(): Condition {
    const name = this.#name();
    const operator = this.#operator();
    const value = this.#value();
    return build(name, operator, value);
  }

  #name(): string {
    this.#blanks();
    const name = this.#quoted() ?? this.#unquoted(/[<>]/);
    if (name === undefined || name === '') this.#fail('the name of a label is expected');
    return name;
  }

  #operator(): Operator {
    this.#blanks();
    const symbol = this.#match(SYMBOLS);
    const operator = symbol ?? this.#match(WORDS)?.replace(/\s+/g, ' ');
    if (operator === undefined)
      this.#fail('an operator is expected: =, !=, =~, !~, >=, <=, >, <, has, in or glob');
    return operator as Operator;
  }

  #value(): string {
    this.#blanks();
    const value = this.#quoted() ?? this.#unquoted();
    if (value === undefined) this.#fail('a value is expected');
    return value;
  }

  /** A text in double quotes; undefined when there is none here. */
  #quoted(): string | undefined {
    if (this.#text[this.#at] !== '"') return undefined;
    const from = this.#at;
    const whole = this.#match(QUOTED);
    if (whole === undefined) this.#fail('the quote is not closed');
    const value = unquote(whole.slice(1, -1));
    if (value !== undefined) return value;
    this.#at = from;
    return this.#fail('the quoted text has an escape that is none, or a line break');
  }

  /** A run without reserved characters; undefined when there is none here. */
  #unquoted(end?: RegExp): string | undefined {
    const from = this.#at;
    while (this.#at < this.#text.length) {
      const rune = this.#text[this.#at] as string;
      if (RESERVED.test(rune) || end?.test(rune)) break;
      this.#at++;
    }
    return this.#at > from ? this.#text.slice(from, this.#at) : undefined;
  }

  #take(rune: string): boolean {
    this.#blanks();
    if (this.#text[this.#at] !== rune) return false;
    this.#at++;
    return true;
  }

  #blanks(): void {
    while (/[\s\u0085]/.test(this.#text[this.#at] ?? '')) this.#at++;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #fail(expected: string): never {
    const found = this.#text.slice(this.#at, this.#at + 20);
    const got = found === '' ? 'but it ends there' : `found ${JSON.stringify(found)}`;
    throw new MatcherError(`at character ${this.#at + 1}: ${expected}, ${got}`);
  }
}
