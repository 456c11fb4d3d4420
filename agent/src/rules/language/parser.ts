import type { ByteString } from '../field.ts';
import type {
  CompareNode,
  ConditionNode,
  LeftNode,
  ListNode,
  Modifier,
  NotNode,
  Operator,
  RightNode,
  ValueNode,
} from './ast.ts';
import { ConditionError } from './condition-error.ts';
import { Cursor } from './cursor.ts';
import { OperandParser, stringValue } from './operand-parser.ts';

/** Falco's rule loader allows this many nested parse steps; a parenthesis costs about five. */
export const MAX_DEPTH = 1000;

const IDENTIFIER = /[a-zA-Z]+[a-zA-Z0-9_]*/y;
const HEX_NUMBER = /0[xX][0-9a-fA-F]+/y;
const NUMBER = /[+-]?[0-9]+\.?[0-9]*([eE][+-][0-9]+)?/y;
const NOT = /not[ \t\n\v\f\r]+/y;
const MODIFIER = /(oneof|anyof|allof)(?=[ \t\b\r\n])/y;

const NUMBER_OPERATORS = ['<=', '<', '>=', '>'] as const;
const STRING_SYMBOLS = ['==', '=', '!='] as const;
const STRING_WORDS = [
  'glob',
  'iglob',
  'contains',
  'icontains',
  'bcontains',
  'startswith',
  'bstartswith',
  'endswith',
  'regex',
] as const;
const LIST_OPERATORS = ['intersects', 'in', 'pmatch'] as const;
const STRING_WORD = new RegExp(`(${STRING_WORDS.join('|')})(?=[ \\t\\b\\r\\n])`, 'y');

/** Operators that take one string, and with a modifier a list of strings. */
export const STRING_OPERATORS: readonly string[] = [...STRING_SYMBOLS, ...STRING_WORDS];
/** Every operator as it may be written in a check or in an exception's `comps`. */
export const ALL_OPERATORS: readonly string[] = [
  ...NUMBER_OPERATORS,
  ...STRING_OPERATORS,
  ...LIST_OPERATORS,
];
export const MODIFIERS: readonly string[] = ['oneof', 'anyof', 'allof'];

/** Reads a condition. Throws `ConditionError`. */
export function parseCondition(text: ByteString, maxDepth = MAX_DEPTH): ConditionNode {
  return new ConditionParser(text, maxDepth).parse();
}

class ConditionParser {
  private readonly cursor: Cursor;
  private readonly operands: OperandParser;
  private readonly maxDepth: number;
  private depth = 0;

  constructor(text: ByteString, maxDepth: number) {
    this.cursor = new Cursor(text);
    this.maxDepth = maxDepth;
    this.operands = new OperandParser(this.cursor, (step) => this.nested(step));
  }

  parse(): ConditionNode {
    const { cursor } = this;
    if (cursor.text === '') throw new ConditionError('syntax', 'filter input string is empty', 0);
    const node = this.or();
    if (!cursor.atEnd) {
      cursor.fail(`unexpected token after '${cursor.lastToken}', expecting 'or', 'and'`);
    }
    return node;
  }

  private nested<T>(step: () => T): T {
    this.depth += 1;
    if (this.depth >= this.maxDepth) {
      this.cursor.fail(`exceeded max depth limit of ${this.maxDepth}`);
    }
    const result = step();
    this.depth -= 1;
    return result;
  }

  private or(): ConditionNode {
    return this.nested(() => this.chain('or', () => this.and()));
  }

  private and(): ConditionNode {
    return this.nested(() => this.chain('and', () => this.not()));
  }

  /** Left-associative and flat: one node for the whole chain, and none for a chain of one. */
  private chain(kind: 'and' | 'or', child: () => ConditionNode): ConditionNode {
    const { cursor } = this;
    cursor.blanks();
    const { offset } = cursor;
    const first = child();
    const children = [first];
    cursor.blanks();
    while (cursor.take(kind)) {
      if (cursor.blanks()) children.push(child());
      else if (cursor.take('(')) children.push(this.remainder());
      else cursor.fail(`expected blank or '(' after '${kind}'`);
      cursor.blanks();
    }
    return children.length === 1 ? first : { kind, children, offset };
  }

  private not(): ConditionNode {
    return this.nested(() => {
      const { cursor } = this;
      cursor.blanks();
      const { offset } = cursor;
      let negated = false;
      while (cursor.match(NOT) !== undefined) negated = !negated;
      let child: ConditionNode;
      if (cursor.take('not(')) {
        negated = !negated;
        child = this.remainder();
      } else child = this.check();
      return negated ? ({ kind: 'not', child, offset } satisfies NotNode) : child;
    });
  }

  /** What follows an opening parenthesis, up to the closing one. */
  private remainder(): ConditionNode {
    return this.nested(() => {
      const { cursor } = this;
      cursor.blanks();
      const node = this.or();
      cursor.blanks();
      if (!cursor.take(')')) cursor.fail("expected a ')' token");
      return node;
    });
  }

  private check(): ConditionNode {
    return this.nested(() => {
      const { cursor } = this;
      cursor.blanks();
      const { offset } = cursor;
      if (cursor.take('(')) return this.remainder();
      const left = this.operands.left();
      if (left) return this.comparison(left, offset);
      const name = cursor.match(IDENTIFIER);
      if (name !== undefined) return { kind: 'macro', name, offset };
      return cursor.fail("expected a '(' token, a field check, or an identifier");
    });
  }

  private comparison(left: LeftNode, offset: number): ConditionNode {
    return this.nested(() => {
      const { cursor } = this;
      cursor.blanks();
      if (cursor.take('exists')) return { kind: 'exists', left, offset };
      const numeric = cursor.takeOneOf(NUMBER_OPERATORS);
      if (numeric)
        return { kind: 'compare', left, operator: numeric, right: this.number(), offset };
      const string = cursor.takeOneOf(STRING_SYMBOLS) ?? cursor.match(STRING_WORD);
      if (string !== undefined) {
        const operator = (string === '==' ? '=' : string) as Operator;
        return { kind: 'compare', left, operator, ...this.modified(), offset };
      }
      const list = cursor.takeOneOf(LIST_OPERATORS);
      if (list) return { kind: 'compare', left, operator: list, right: this.list(), offset };
      const known = ['exists', ...ALL_OPERATORS].join(', ');
      return cursor.fail(`expected a valid check operator: one of ${known}`);
    });
  }

  private number(): RightNode {
    const { cursor } = this;
    cursor.blanks();
    const operand = this.operands.right();
    if (operand) return operand;
    const { offset } = cursor;
    const text = cursor.match(HEX_NUMBER) ?? cursor.match(NUMBER);
    if (text !== undefined) return { kind: 'value', text, offset };
    return cursor.fail(`expected a number value or ${this.operands.transformerHint}`);
  }

  /** The right side of a string operator: a modifier and its list, or one value. */
  private modified(): Pick<CompareNode, 'modifier' | 'right'> {
    const { cursor } = this;
    const start = cursor.offset;
    const { lastToken } = cursor;
    if (cursor.blanks()) {
      const modifier = cursor.match(MODIFIER) as Modifier | undefined;
      if (modifier) {
        cursor.blanks();
        const right = this.valueList() ?? this.listName();
        if (right) return { modifier, right };
        // Not followed by a list: the keyword is an ordinary string.
        cursor.offset = start;
        cursor.lastToken = lastToken;
      }
    }
    return { right: this.string() };
  }

  private listName(): ListNode | ValueNode | undefined {
    const { cursor } = this;
    const { offset } = cursor;
    const text = cursor.match(IDENTIFIER);
    if (text === undefined) return undefined;
    if (text === 'and' || text === 'or' || text === 'not') return undefined;
    return { kind: 'value', text, offset };
  }

  private string(): RightNode {
    const { cursor } = this;
    cursor.blanks();
    return (
      this.operands.right() ??
      stringValue(cursor) ??
      cursor.fail(`expected a string value or ${this.operands.transformerHint}`)
    );
  }

  private list(): RightNode {
    const { cursor } = this;
    cursor.blanks();
    const found = this.valueList() ?? this.operands.right();
    if (found) return found;
    const { offset } = cursor;
    const text = cursor.match(IDENTIFIER);
    if (text !== undefined) return { kind: 'value', text, offset };
    return cursor.fail(`expected a list, an identifier, or ${this.operands.transformerHint}`);
  }

  private valueList(): ListNode | undefined {
    const { cursor } = this;
    const { offset } = cursor;
    if (!cursor.take('(')) return undefined;
    cursor.blanks();
    const items: ByteString[] = [];
    let value = stringValue(cursor);
    while (value) {
      items.push(value.text);
      cursor.blanks();
      if (!cursor.take(',')) break;
      cursor.blanks();
      value = stringValue(cursor) ?? cursor.fail('expected a string value');
    }
    cursor.blanks();
    if (!cursor.take(')')) cursor.fail("expected a ')' token");
    return { kind: 'list', items, offset };
  }
}
