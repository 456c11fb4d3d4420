import { LIMITS } from '../limits.ts';

/** A list with the text that is put into conditions for its name. */
export interface CompiledList {
  readonly name: string;
  readonly text: string;
}

/** One replacement: from where in the text before to where in the text after. */
interface Edit {
  readonly nameStart: number;
  readonly fromEnd: number;
  readonly toStart: number;
  readonly toEnd: number;
}

/** A condition with lists in place, which of them it used, and the way back to offsets of the text before. */
export interface Substituted {
  readonly text: string;
  readonly used: readonly string[];
  originOf(offset: number): number;
}

/** A condition that lists blow up. */
export class ExpansionError extends Error {
  override name = 'ExpansionError';
}

const BLANK = /[ \t\r\n]/;
const DELIMITER = /[ \t\r\n(),=]/;

function isDelimited(text: string, start: number, end: number): boolean {
  const before = start === 0 || DELIMITER.test(text.charAt(start - 1));
  return before && (end === text.length || DELIMITER.test(text.charAt(end)));
}

/** What a replacement takes: the name, the blanks around it, and one comma when nothing takes its place. */
function spanOf(
  text: string,
  nameStart: number,
  nameEnd: number,
  from: number,
  isEmpty: boolean,
): { start: number; end: number } {
  let start = nameStart;
  while (start > from && BLANK.test(text.charAt(start - 1))) start -= 1;
  let end = nameEnd;
  while (end < text.length && BLANK.test(text.charAt(end))) end += 1;
  if (!isEmpty) return { start, end };
  if (start > from && text.charAt(start - 1) === ',') start -= 1;
  else if (text.charAt(end) === ',') end += 1;
  return { start, end };
}

/** Replaces a list's name wherever delimiters surround it, in quotes too, as Falco does before it parses. */
function substitute(text: string, list: CompiledList, edits: Edit[]): string {
  const { name, text: replacement } = list;
  let out = '';
  let copied = 0;
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    const nameEnd = at + name.length;
    if (at < copied || !isDelimited(text, at, nameEnd)) continue;
    const { start, end } = spanOf(text, at, nameEnd, copied, replacement === '');
    out += text.slice(copied, start);
    const toStart = out.length;
    out += start > 0 ? ` ${replacement} ` : `${replacement} `;
    edits.push({ nameStart: at, fromEnd: end, toStart, toEnd: out.length });
    copied = end;
    if (out.length > LIMITS.conditionLength) {
      throw new ExpansionError(
        `The condition grows beyond ${LIMITS.conditionLength} bytes when list '${name}' is put in`,
      );
    }
  }
  return out + text.slice(copied);
}

/** Applies every list in order of definition, so that a name a list brings in may be replaced by a later one. */
export function substituteLists(text: string, lists: Iterable<CompiledList>): Substituted {
  const passes: Edit[][] = [];
  const used: string[] = [];
  let current = text;
  for (const list of lists) {
    if (list.name === '' || !current.includes(list.name)) continue;
    const edits: Edit[] = [];
    current = substitute(current, list, edits);
    if (edits.length === 0) continue;
    passes.push(edits);
    used.push(list.name);
  }
  const originOf = (offset: number): number =>
    passes.reduceRight((at, edits) => {
      const edit = edits.findLast(({ toStart }) => toStart <= at);
      if (!edit) return at;
      if (at < edit.toEnd) return edit.nameStart;
      return at - edit.toEnd + edit.fromEnd;
    }, offset);
  return { text: current, used, originOf };
}

/** A list as it is put in: an item that holds a blank gets quotes unless it brings its own. */
export function compileList(name: string, items: readonly string[]): CompiledList {
  const quoted = items.map((item) =>
    BLANK.test(item) && !/^["']/.test(item) ? `"${item}"` : item,
  );
  return { name, text: quoted.join(', ') };
}
