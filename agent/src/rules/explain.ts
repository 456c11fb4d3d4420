import { textOf } from './byte-string.ts';
import { interpretCondition } from './compiler/interpreter.ts';
import { FieldBinder, operandReader, type ReadField } from './compiler/operand-reader.ts';
import { type Condition, fieldsOf, type Leaf, leavesOf } from './condition/condition.ts';
import type { FieldSource } from './field.ts';
import { textOfValue } from './output/value-text.ts';

/** A long right-hand side is cut in the tree: the value beside it is what matters. */
const MAX_TEXT = 160;

function valuesOf<E>(leaf: Leaf, event: E, read: ReadField<E>): string {
  const operands = [leaf.left, ...(leaf.right ? [leaf.right] : [])];
  const fields = new Map(operands.flatMap(fieldsOf).map((field) => [field.text, field]));
  return [...fields.values()]
    .map((field) => {
      const value = operandReader(field, read)(event);
      const text =
        value === undefined
          ? '(missing)'
          : JSON.stringify(textOfValue(value, field.type, field.list));
      return `${field.text} = ${text}`;
    })
    .join(', ');
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT - 3)}...` : text;
}

/** The tree of a condition, a line for each check with its verdict and the values it saw. */
export function explainCondition<E>(
  condition: Condition,
  source: FieldSource<E>,
  event: E,
): string[] {
  const { read } = new FieldBinder(source);
  const lines: string[] = [];
  const visit = (node: Condition, depth: number): void => {
    const mark = interpretCondition(node, read)(event) ? 'yes' : 'no ';
    const indent = '  '.repeat(depth);
    if (node.kind === 'leaf') {
      lines.push(`${mark} ${indent}${cut(textOf(node.text))}   [${valuesOf(node, event, read)}]`);
      return;
    }
    lines.push(`${mark} ${indent}${node.kind}`);
    for (const child of node.kind === 'not' ? [node.child] : node.children) visit(child, depth + 1);
  };
  visit(condition, 0);
  return lines;
}

/** The fields of a condition, by name, for messages. */
export function fieldTextsOf(condition: Condition): string[] {
  const texts = new Set<string>();
  for (const leaf of leavesOf(condition)) {
    for (const field of fieldsOf(leaf.left)) texts.add(textOf(field.text));
  }
  return [...texts].sort();
}
