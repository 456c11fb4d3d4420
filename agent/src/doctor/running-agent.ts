import { parseEndpoint } from '../telemetry/metrics-server.ts';
import { type Finding, ok, warning } from './finding.ts';

const DEADLINE_MS = 2000;
const ANSWER_LIMIT = 16 * 1024 * 1024;
const COVERAGE = /^tocsin_rule_coverage_ratio\{rule="((?:[^"\\]|\\.)*)"\} ([\d.e+-]+)$/gm;

/** What the agent that runs on this host tells of itself: which rules did not see all that they should. */
export async function runningAgentFindings(metrics: string | undefined): Promise<Finding[]> {
  const endpoint = metrics === undefined ? undefined : parseEndpoint(metrics);
  if (endpoint === undefined || endpoint.port === 0) return [];
  const check = 'running agent';
  const text = await ask(endpoint.host, endpoint.port);
  if (text === undefined) return [ok(check, `none answers at ${metrics}`)];
  const rules = [...text.matchAll(COVERAGE)].map(([, name = '', ratio]) => ({
    name: name.replace(/\\(.)/g, '$1'),
    coverage: Number(ratio),
  }));
  const partly = rules
    .filter(({ coverage }) => coverage < 1)
    .sort((a, b) => a.coverage - b.coverage);
  if (partly.length === 0) return [ok(check, `its ${rules.length} rules saw all of their events`)];
  return [
    {
      ...warning(
        check,
        `${partly.length} of its ${rules.length} rules did not see all of their events`,
        'raise agent.ring_bytes, or narrow the rules; the alerts of lost events tell who flooded',
      ),
      lines: partly.map(({ name, coverage }) => `${name}: ${(coverage * 100).toFixed(2)} % seen`),
    },
  ];
}

async function ask(host: string, port: number): Promise<string | undefined> {
  // Where it listens on all addresses, the loopback is one of them.
  const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const url = `http://${name.includes(':') ? `[${name}]` : name}:${port}/metrics`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(DEADLINE_MS) });
    const text = answer.ok ? await answer.text() : undefined;
    return text !== undefined && text.length <= ANSWER_LIMIT ? text : undefined;
  } catch {
    return undefined;
  }
}
