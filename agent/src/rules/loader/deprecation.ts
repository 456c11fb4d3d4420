import { type Condition, fieldsOf, leavesOf } from '../condition/condition.ts';
import type { TemplatePart } from '../output/template.ts';

/** Deprecated fields that a rule still names. */
export function deprecatedIn(
  condition: Condition,
  parts: readonly TemplatePart[],
): { inCondition: ReadonlySet<string>; inOutput: ReadonlySet<string> } {
  const inCondition = new Set<string>();
  for (const leaf of leavesOf(condition)) {
    for (const operand of leaf.right ? [leaf.left, leaf.right] : [leaf.left]) {
      for (const { reference } of fieldsOf(operand)) {
        if (reference.definition.deprecated) inCondition.add(reference.definition.name);
      }
    }
  }
  const inOutput = new Set<string>();
  for (const part of parts) {
    if (typeof part === 'string') continue;
    for (const { reference } of fieldsOf(part.operand)) {
      if (reference.definition.deprecated) inOutput.add(reference.definition.name);
    }
  }
  return { inCondition, inOutput };
}

/** Remarks of the compiler on the checks of a condition, each once. */
export function remarksOn(condition: Condition): ReadonlySet<string> {
  return new Set([...leavesOf(condition)].flatMap((leaf) => leaf.warnings));
}
