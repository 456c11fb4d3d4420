import { type Condition, fieldsOf, leavesOf, type Operand } from '../condition/condition.ts';
import type { TemplatePart } from '../output/template.ts';

function deprecatedFields(operands: readonly Operand[]): ReadonlySet<string> {
  const definitions = operands.flatMap(fieldsOf).map(({ reference }) => reference.definition);
  return new Set(definitions.filter(({ deprecated }) => deprecated).map(({ name }) => name));
}

/** Deprecated fields that a rule still names. */
export function deprecatedIn(
  condition: Condition,
  parts: readonly TemplatePart[],
): { inCondition: ReadonlySet<string>; inOutput: ReadonlySet<string> } {
  const operands = [...leavesOf(condition)].flatMap(({ left, right }) =>
    right ? [left, right] : [left],
  );
  const shown = parts.flatMap((part) => (typeof part === 'string' ? [] : [part.operand]));
  return { inCondition: deprecatedFields(operands), inOutput: deprecatedFields(shown) };
}

/** Remarks of the compiler on the checks of a condition, each once. */
export function remarksOn(condition: Condition): ReadonlySet<string> {
  return new Set([...leavesOf(condition)].flatMap((leaf) => leaf.warnings));
}
