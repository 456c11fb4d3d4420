import type { ByteString } from '../field.ts';
import type {
  ConditionNode,
  FieldNode,
  LeftNode,
  RightNode,
  TransformerNode,
  TransformerOperand,
} from './ast.ts';
import { quote } from './quoting.ts';

const BARE_ARGUMENT = /^[^\][\s"']+$/;

function printArgument(argument: ByteString | undefined): ByteString {
  if (argument === undefined) return '';
  return `[${BARE_ARGUMENT.test(argument) ? argument : quoteAlways(argument)}]`;
}

function quoteAlways(value: ByteString): ByteString {
  const text = quote(value);
  return text.startsWith('"') ? text : `"${text}"`;
}

/** A field as it is written. */
export function printField(node: Omit<FieldNode, 'kind' | 'offset'>): ByteString {
  return node.name + printArgument(node.argument);
}

function printOperand(node: TransformerOperand): ByteString {
  switch (node.kind) {
    case 'field':
      return printField(node);
    case 'transformer':
      return printTransformer(node);
    case 'operands':
      return `(${node.items.map(printOperand).join(', ')})`;
    case 'value':
      return quoteAlways(node.text);
  }
}

function printTransformer(node: TransformerNode): ByteString {
  return `${node.name}(${node.operands.map(printOperand).join(', ')})${printArgument(node.argument)}`;
}

/** The left side of a check. */
export function printLeft(node: LeftNode): ByteString {
  return node.kind === 'field' ? printField(node) : printTransformer(node);
}

function printRight(node: RightNode): ByteString {
  switch (node.kind) {
    case 'value':
      return quote(node.text);
    case 'list':
      return `(${node.items.map(quote).join(', ')})`;
    case 'transformer':
      return printTransformer(node);
    case 'val':
      return `val(${printField(node.field)})${printArgument(node.argument)}`;
  }
}

/** A condition as text that reads back to the same tree. */
export function printCondition(node: ConditionNode): ByteString {
  switch (node.kind) {
    case 'and':
    case 'or':
      return `(${node.children.map(printCondition).join(` ${node.kind} `)})`;
    case 'not':
      // `not not x` would read as `x`; `not(` opens a level of its own.
      return node.child.kind === 'not'
        ? `not(${printCondition(node.child)})`
        : `not ${printCondition(node.child)}`;
    case 'macro':
      return node.name;
    case 'exists':
      return `${printLeft(node.left)} exists`;
    case 'compare': {
      const modifier = node.modifier === undefined ? '' : ` ${node.modifier}`;
      return `${printLeft(node.left)} ${node.operator}${modifier} ${printRight(node.right)}`;
    }
  }
}
