import type { LoadResult, RulesFile } from './load-rules.ts';
import type { Diagnostic } from './loader/diagnostic.ts';

/** Longest part of a source line that is shown. */
const MAX_SNIPPET = 160;

// biome-ignore lint/suspicious/noControlCharactersInRegex: a rules file must not steer the terminal.
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

/** Text from a file without the control characters a terminal would obey. */
function printable(text: string): string {
  return text.replace(CONTROL, '\ufffd').replaceAll('\t', ' ');
}

/** The line a problem is in, with a caret below its column. */
function snippet(content: string, { line, column }: Diagnostic): string[] {
  const text = content.split('\n')[line - 1];
  if (text === undefined || text.trim() === '') return [];
  const from = Math.max(0, Math.min(column - 1 - MAX_SNIPPET / 2, text.length - MAX_SNIPPET));
  const shown = printable(text.slice(from, from + MAX_SNIPPET)).trimEnd();
  const gutter = String(line);
  return [
    `  ${gutter} | ${shown}`,
    `  ${' '.repeat(gutter.length)} | ${' '.repeat(Math.max(0, column - 1 - from))}^`,
  ];
}

function describe(kind: string, diagnostic: Diagnostic, content: string): string {
  const { file, line, column, code, message, itemType, item } = diagnostic;
  const subject = item === '' ? itemType : `${itemType} '${item}'`;
  return [
    `${file}:${line}:${column}: ${kind}: ${printable(`${subject}: ${message}`)} [${code}]`,
    ...snippet(content, diagnostic),
  ].join('\n');
}

/** Everything found in rules files, for a terminal. */
export function reportText(result: LoadResult, files: readonly RulesFile[]): string {
  const contents = new Map(files.map(({ name, content }) => [name, content]));
  const lines: string[] = [];
  for (const { name, ok, errors, warnings } of result.files) {
    const content = contents.get(name) ?? '';
    // The loader goes through a file several times; who reads goes through it once.
    const found = [
      ...errors.map((one) => ['error', one] as const),
      ...warnings.map((one) => ['warning', one] as const),
    ].sort(([, a], [, b]) => a.line - b.line || a.column - b.column);
    for (const [kind, one] of found) lines.push(describe(kind, one, content));
    lines.push(`${name}: ${ok ? 'ok' : `${errors.length} error(s)`}`);
  }
  lines.push(`${result.rules} rules, ${result.macros} macros, ${result.lists} lists`);
  return lines.join('\n');
}

/** The same for programs. */
export function reportJson(result: LoadResult): object {
  const { ok, rules, macros, lists } = result;
  const shape = ({ code, message, item, line, column }: Diagnostic) => ({
    code,
    message,
    item,
    line,
    column,
  });
  const files = result.files.map(({ name, ok: fileOk, errors, warnings }) => ({
    name,
    ok: fileOk,
    errors: errors.map(shape),
    warnings: warnings.map(shape),
  }));
  return { ok, rules, macros, lists, files };
}
