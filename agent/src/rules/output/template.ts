import { bytesOf, textOf } from '../byte-string.ts';
import type { Operand } from '../condition/condition.ts';
import type { ConditionResolver } from '../condition/resolve.ts';
import { FieldError } from '../fields/registry.ts';
import type { FieldNode, LeftNode } from '../language/ast.ts';
import { ConditionError } from '../language/condition-error.ts';
import { Cursor } from '../language/cursor.ts';
import { OperandParser } from '../language/operand-parser.ts';
import { TransformerError } from '../transformers/transformer.ts';

/** A field of a template: its key in `output_fields`, the operand, and the width it is padded or cut to. */
export interface TemplateToken {
  readonly key: string;
  readonly operand: Operand;
  readonly width?: number;
}

/** A template is text and tokens in turn. */
export type TemplatePart = string | TemplateToken;

/** A template that cannot be read; `unknown` if only because a field does not exist. */
export class TemplateError extends Error {
  override name = 'TemplateError';
  readonly unknown: boolean;
  /** Byte offset of the token. */
  readonly offset: number;

  constructor(message: string, offset: number, unknown = false) {
    super(message);
    this.offset = offset;
    this.unknown = unknown;
  }
}

const MAX_WIDTH = 4096;
const DIGITS = /[0-9]+/y;

class TemplateParser {
  private readonly cursor: Cursor;
  private readonly operands: OperandParser;
  private readonly resolver: ConditionResolver;

  constructor(template: string, resolver: ConditionResolver) {
    this.cursor = new Cursor(bytesOf(template));
    this.operands = new OperandParser(this.cursor, (step) => step());
    this.resolver = resolver;
  }

  parse(): TemplatePart[] {
    const { cursor } = this;
    const { text } = cursor;
    const parts: TemplatePart[] = [];
    // A leading star asks that missing values do not suppress the line, which they never do here.
    if (text.startsWith('*')) cursor.offset = 1;
    while (!cursor.atEnd) {
      const percent = text.indexOf('%', cursor.offset);
      const end = percent < 0 ? text.length : percent;
      if (end > cursor.offset) parts.push(textOf(text.slice(cursor.offset, end)));
      cursor.offset = end;
      if (percent >= 0) parts.push(this.token());
    }
    return parts;
  }

  private token(): TemplateToken {
    const { cursor } = this;
    const start = cursor.offset;
    cursor.take('%');
    const reject = (what: string): never => {
      throw new TemplateError(
        `invalid formatting syntax: formatting cannot end with a ${what}`,
        start,
      );
    };
    if (cursor.atEnd) reject('%');
    const digits = cursor.match(DIGITS);
    if (digits !== undefined && cursor.atEnd) reject('number');
    const from = cursor.offset;
    const operand = this.operand(start);
    const key = textOf(cursor.text.slice(from, cursor.offset));
    if (digits === undefined) return { key, operand };
    return { key, operand, width: Math.min(Number(digits), MAX_WIDTH) };
  }

  /** The longest text that reads and resolves; what is left of a name is plain text again. */
  private operand(start: number): Operand {
    const { cursor } = this;
    const from = cursor.offset;
    let node: LeftNode | undefined;
    try {
      node = this.operands.left();
    } catch (error) {
      if (!(error instanceof ConditionError)) throw error;
      cursor.offset = from;
    }
    if (!node) {
      const word = /^[\w.[\]]*/.exec(cursor.text.slice(from))?.[0] ?? '';
      if (word === '') throw new TemplateError('empty formatting token', start);
      return this.fail(word, start);
    }
    try {
      return this.resolver.operand(node);
    } catch (error) {
      const shorter = node.kind === 'field' ? this.shorter(node) : undefined;
      if (shorter) return shorter;
      if (error instanceof FieldError || error instanceof TransformerError) {
        const text = textOf(cursor.text.slice(from, cursor.offset));
        if (error instanceof FieldError && error.unknown) return this.fail(text, start);
        throw new TemplateError(`invalid formatting token ${text}: ${error.message}`, start);
      }
      throw error;
    }
  }

  private shorter(node: FieldNode): Operand | undefined {
    for (let length = node.name.length - 1; length > 0; length--) {
      const name = node.name.slice(0, length);
      const definition = this.resolver.registry.get(name);
      if (!definition || definition.argument?.required) continue;
      this.cursor.offset = node.offset + length;
      return this.resolver.operand({ kind: 'field', name, offset: node.offset });
    }
    return undefined;
  }

  private fail(text: string, start: number): never {
    const hint = this.resolver.registry.suggestion(text);
    throw new TemplateError(`invalid formatting token ${text}${hint}`, start, true);
  }
}

/** Reads an output template. Throws `TemplateError`. */
export function parseTemplate(template: string, resolver: ConditionResolver): TemplatePart[] {
  return new TemplateParser(template, resolver).parse();
}
