/** Regular expressions as Go reads them: RE2, in time linear to the value, whatever the pattern. */
import { RE2JS, RE2JSException } from 're2js';

/** A pattern that RE2 does not take. */
export class RegexError extends Error {
  override name = 'RegexError';
}

/** Of one pattern: characters, and instructions it becomes; nested repetitions must not eat the memory of the control plane. */
const MAX_LENGTH = 8192;
const MAX_PROGRAM = 20_000;
/** Texts and nothing else; `match_re` lays anchors around. */
const ALTERNATIVES = /^(\^\(\?:)?([\w\-/:@ ]+(?:\|[\w\-/:@ ]+)*)(\)\$)?$/;

export interface AnchoredRegex {
  /** Whether the pattern matches the whole text. */
  test(text: string): boolean;
  /** All texts that it matches, when it is only a list of them. */
  readonly literals: readonly string[] | undefined;
}

/** Compiles a pattern that must match from end to end. Throws RegexError. */
export function compileAnchored(pattern: string): AnchoredRegex {
  if (pattern.length > MAX_LENGTH)
    throw new RegexError(`the regular expression is longer than ${MAX_LENGTH} characters`);
  const [, open, texts, close] = ALTERNATIVES.exec(pattern) ?? [];
  if (texts !== undefined && (open === undefined) === (close === undefined)) {
    const literals = new Set(texts.split('|'));
    return { test: (text) => literals.has(text), literals: [...literals] };
  }
  return { test: compile(`^(?:${pattern})$`), literals: undefined };
}

/** A pattern in which only `*` (any run) and `?` (any one character) are special; matches from end to end. */
export function compileGlob(pattern: string): (text: string) => boolean {
  if (pattern.length > MAX_LENGTH)
    throw new RegexError(`the pattern is longer than ${MAX_LENGTH} characters`);
  const parts = pattern.split(/([*?])/).map((part) => {
    if (part === '*') return '.*';
    return part === '?' ? '.' : RE2JS.quote(part);
  });
  return compile(`(?s)^${parts.join('')}$`);
}

function compile(pattern: string): (text: string) => boolean {
  let regex: RE2JS;
  try {
    regex = RE2JS.compile(pattern);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    throw new RegexError(`not a regular expression as RE2 reads it: ${error.message}`);
  }
  if (regex.programSize() > MAX_PROGRAM)
    throw new RegexError('the regular expression is too large');
  return (text) => regex.test(text);
}
