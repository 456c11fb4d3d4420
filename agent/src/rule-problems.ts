import type { RulesFile } from './rules/load-rules.ts';
import { loadRules } from './rules/load-rules.ts';
import type { Diagnostic } from './rules/loader/diagnostic.ts';

/** Everything that is wrong with a set of rules, one line each: file, line, column, what. Empty when it can be used. */
export function findRuleProblems(files: readonly RulesFile[]): string[] {
  return loadRules(files).files.flatMap(({ errors }) => errors.map(describeProblem));
}

/** One problem as compilers show it. */
export function describeProblem({
  file,
  line,
  column,
  message,
  itemType,
  item,
}: Diagnostic): string {
  const subject = item === '' ? '' : ` (${itemType} '${item}')`;
  return `${file}:${line}:${column}: ${message}${subject}`;
}
