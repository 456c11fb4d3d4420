import { askCoverage, coverageText, metricsEndpoint } from '../telemetry/rule-coverage.ts';
import { type Finding, ok, warning } from './finding.ts';

/** What the agent that runs on this host tells of itself: which rules did not see all that they should. */
export async function runningAgentFindings(metrics: string | undefined): Promise<Finding[]> {
  const endpoint = metricsEndpoint(metrics);
  if (endpoint === undefined) return [];
  const check = 'running agent';
  const rules = await askCoverage(endpoint);
  if (rules === undefined) return [ok(check, `none answers at ${metrics}`)];
  const partly = [...rules]
    .filter(([, coverage]) => coverage < 1)
    .sort(([, one], [, other]) => one - other);
  if (partly.length === 0) return [ok(check, `its ${rules.size} rules saw all of their events`)];
  return [
    {
      ...warning(
        check,
        `${partly.length} of its ${rules.size} rules did not see all of their events`,
        'raise agent.ring_bytes, or narrow the rules; the alerts of lost events tell who flooded',
      ),
      lines: partly.map(([name, coverage]) => `${name}: ${coverageText(coverage)}`),
    },
  ];
}
