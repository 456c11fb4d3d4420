import type { ByteString } from '../field.ts';
import type {
  FieldNode,
  FieldValueNode,
  LeftNode,
  OperandListItem,
  OperandListNode,
  TransformerNode,
  TransformerOperand,
  ValueNode,
} from './ast.ts';
import type { Cursor } from './cursor.ts';
import { EscapeError, unquote } from './quoting.ts';

const FIELD_NAME = /[a-zA-Z]+[a-zA-Z0-9_]*(\.[a-zA-Z]+[a-zA-Z0-9_]*)+/y;
// biome-ignore lint/complexity/noUselessEscapeInRegex: the bracket class reads better escaped.
const BARE_ARGUMENT = /[^\]\["' \t\n\v\f\r]+/y;
const BARE_STRING = /[^()"' \t\n\v\f\r=,]+/y;
const HEX_NUMBER = /0[xX][0-9a-fA-F]+/y;
const NUMBER = /[+-]?[0-9]+\.?[0-9]*([eE][+-][0-9]+)?/y;

/** Transformers that may stand on either side, as they are written. */
const TRANSFORMER_NAMES = [
  'tolower',
  'toupper',
  'b64',
  'basename',
  'len',
  'join',
  'concat',
  'getopt',
] as const;

/** A number as it is written; the type of the field says later what it means. */
export function numberToken(cursor: Cursor): string | undefined {
  return cursor.match(HEX_NUMBER) ?? cursor.match(NUMBER);
}

/** A quoted string without its quotes and escapes; nothing if none comes next. */
function quotedValue(cursor: Cursor): ByteString | undefined {
  const { offset } = cursor;
  const raw = cursor.quoted();
  if (raw === undefined) return undefined;
  try {
    return unquote(raw);
  } catch (error) {
    if (error instanceof EscapeError) return cursor.fail(error.message, offset);
    throw error;
  }
}

/** A quoted or bare string; nothing if none comes next. */
export function stringValue(cursor: Cursor): ValueNode | undefined {
  const { offset } = cursor;
  const text = quotedValue(cursor) ?? cursor.match(BARE_STRING);
  return text === undefined ? undefined : { kind: 'value', text, offset };
}

/** Reads fields, transformers and `val(...)`. */
export class OperandParser {
  readonly transformerHint =
    `a field with a valid transformer: ${TRANSFORMER_NAMES.join(', ')}, val`;
  private readonly cursor: Cursor;
  private readonly nested: <T>(step: () => T) => T;

  constructor(cursor: Cursor, nested: <T>(step: () => T) => T) {
    this.cursor = cursor;
    this.nested = nested;
  }

  /** A field or a transformer. */
  left(): LeftNode | undefined {
    return this.field() ?? this.transformer();
  }

  /** A transformer or `val(field)`. */
  right(): TransformerNode | FieldValueNode | undefined {
    const { cursor } = this;
    const { offset } = cursor;
    if (cursor.take('val(')) {
      cursor.blanks();
      const field = this.field() ?? cursor.fail("expected a field within 'val' transformer");
      cursor.blanks();
      if (!cursor.take(')')) cursor.fail("expected a ')' token");
      return { kind: 'val', field, offset, ...this.argument() };
    }
    return this.transformer();
  }

  private field(): FieldNode | undefined {
    const { offset } = this.cursor;
    const name = this.cursor.match(FIELD_NAME);
    return name === undefined ? undefined : { kind: 'field', name, offset, ...this.argument() };
  }

  private argument(): { argument?: ByteString } {
    const { cursor } = this;
    if (!cursor.take('[')) return {};
    const argument = quotedValue(cursor) ?? cursor.match(BARE_ARGUMENT);
    if (argument === undefined) {
      return cursor.fail('expected a valid field argument: a quoted string or a bare string');
    }
    if (!cursor.take(']')) cursor.fail("expected a ']' token");
    return { argument };
  }

  private transformer(): TransformerNode | undefined {
    const { cursor } = this;
    const { offset } = cursor;
    const name = TRANSFORMER_NAMES.find((known) => cursor.text.startsWith(`${known}(`, offset));
    if (!name) return undefined;
    cursor.take(`${name}(`);
    return this.nested(() => {
      const operands: TransformerOperand[] = [];
      do {
        cursor.blanks();
        operands.push(this.operand() ?? cursor.fail('expected a transformer argument'));
        cursor.blanks();
      } while (cursor.take(','));
      if (!cursor.take(')')) cursor.fail("expected a ')' token");
      return { kind: 'transformer', name, operands, offset, ...this.argument() };
    });
  }

  private operand(): TransformerOperand | undefined {
    return this.item() ?? this.operandList();
  }

  private item(): OperandListItem | undefined {
    const { cursor } = this;
    const { offset } = cursor;
    const text = numberToken(cursor) ?? quotedValue(cursor);
    if (text !== undefined) return { kind: 'value', text, offset };
    return this.transformer() ?? this.field();
  }

  private operandList(): OperandListNode | undefined {
    const { cursor } = this;
    const { offset } = cursor;
    if (!cursor.take('(')) return undefined;
    cursor.blanks();
    const items: OperandListItem[] = [];
    let item = this.item();
    while (item) {
      items.push(item);
      cursor.blanks();
      if (!cursor.take(',')) break;
      cursor.blanks();
      item = this.item() ?? cursor.fail('expected a transformer argument');
    }
    cursor.blanks();
    if (!cursor.take(')')) cursor.fail("expected a ')' token");
    return { kind: 'operands', items, offset };
  }
}
