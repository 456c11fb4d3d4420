import { textOf } from '../byte-string.ts';
import type { ByteString } from '../field.ts';
import type { Location } from './diagnostic.ts';
import type { YamlFile, YamlScalar } from './yaml-node.ts';

/** Condition text that may be joined from several places, and knows where each part was written. */
export interface SourceText {
  readonly text: string;
  readonly parts: readonly {
    readonly start: number;
    readonly scalar: YamlScalar;
    readonly file: YamlFile;
  }[];
}

/** The text of one scalar. */
export function sourceText(scalar: YamlScalar, file: YamlFile): SourceText {
  return { text: scalar.text, parts: [{ start: 0, scalar, file }] };
}

/** The same without the blanks around it. */
export function trimmedText(scalar: YamlScalar, file: YamlFile): SourceText {
  return { ...sourceText(scalar, file), text: scalar.text.trim() };
}

/** Appends with one blank between. */
export function joinText(left: SourceText, right: SourceText): SourceText {
  const shift = left.text.length + 1;
  return {
    text: `${left.text} ${right.text}`,
    parts: [...left.parts, ...right.parts.map((part) => ({ ...part, start: part.start + shift }))],
  };
}

/**
 * Where in its file a character of the text was written. Folding changes only blanks, so the place is found by counting the
 * characters that are not blank; quoted scalars with escapes come out a little to the left.
 */
export function locateText({ text, parts }: SourceText, offset: number): Location {
  const part = parts.findLast(({ start }) => start <= offset) ?? parts[0];
  if (!part) return { file: '', line: 1, column: 1 };
  const { scalar, file } = part;
  const written = file.content.slice(scalar.start, scalar.end);
  const header = /^[|>][^\n]*\n/.exec(written)?.[0].length ?? (/^["']/.test(written) ? 1 : 0);
  let wanted = text.slice(part.start, offset).replace(/\s+/g, '').length;
  let at = header;
  while (at < written.length && (wanted > 0 || /\s/.test(written.charAt(at)))) {
    if (!/\s/.test(written.charAt(at))) wanted -= 1;
    at += 1;
  }
  return file.locate(scalar.start + Math.min(at, Math.max(written.trimEnd().length - 1, 0)));
}

/** The character that a byte offset falls on. */
export function characterOffset(bytes: ByteString, offset: number): number {
  return textOf(bytes.slice(0, offset)).length;
}
