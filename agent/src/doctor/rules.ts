import { RuleJudge, RuleSetError, type RuleSettings } from '../engine/rule-judge.ts';
import { kernelEventFields } from '../events/fields/source.ts';
import { type Finding, failed, ok } from './finding.ts';

/** Compiles the configured rules as the engine would. */
export function rulesFindings(settings: RuleSettings): Finding[] {
  const check = 'rules';
  try {
    const { rules, warnings, blind } = RuleJudge.compile(
      settings,
      kernelEventFields,
      () => undefined,
      () => undefined,
    ).summary;
    const lines = [
      ...warnings,
      ...Object.entries(blind).map(
        ([rule, fields]) => `${rule}: cannot match, because never there is ${fields.join(', ')}`,
      ),
    ];
    if (rules === 0)
      return [failed(check, 'no rule is in force', 'enable some, see tocsin rules list')];
    if (lines.length === 0) return [ok(check, `${rules} rules are in force`)];
    return [
      {
        check,
        status: 'warning',
        detail: `${rules} rules are in force, with ${lines.length} remarks`,
        remedy: 'see the lines below, or tocsin rules check',
        lines,
      },
    ];
  } catch (error) {
    if (!(error instanceof RuleSetError)) throw error;
    return [
      {
        ...failed(check, 'the rules cannot be used', 'mend the places below'),
        lines: error.report.split('\n'),
      },
    ];
  }
}
