import { textOf } from '../byte-string.ts';
import type { ByteString } from '../field.ts';

export type ConditionErrorCode =
  | 'syntax'
  | 'compile'
  | 'unknown-field'
  | 'unknown-event-type'
  | 'undefined-macro'
  | 'too-large';

/** A condition that cannot be read or compiled, and where: a byte offset into its text. */
export class ConditionError extends Error {
  override name = 'ConditionError';
  readonly code: ConditionErrorCode;
  readonly offset: number;

  constructor(code: ConditionErrorCode, message: ByteString, offset: number) {
    super(textOf(message));
    this.code = code;
    this.offset = offset;
  }
}

/** A place in a text: line and column count from 1, the column in characters. */
export interface TextPosition {
  readonly line: number;
  readonly column: number;
}

/** Line and column of a byte offset; `\r` and `\n` each start a line, as in Falco. */
export function positionOf(text: ByteString, offset: number): TextPosition {
  let line = 1;
  let column = 1;
  const end = Math.min(offset, text.length);
  for (let index = 0; index < end; index++) {
    const byte = text.charCodeAt(index);
    if (byte === 0x0a || byte === 0x0d) {
      line += 1;
      column = 1;
    } else if ((byte & 0xc0) !== 0x80) column += 1;
  }
  return { line, column };
}
