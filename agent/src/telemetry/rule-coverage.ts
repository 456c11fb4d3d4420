import { parseEndpoint } from './metrics-server.ts';

const DEADLINE_MS = 2000;
const ANSWER_LIMIT = 16 * 1024 * 1024;
const COVERAGE =
  /^tocsin_rule_coverage_ratio\{rule="((?:[^"\\]|\\.)*)"\} (\d(?:\.\d+)?(?:e-\d+)?)$/gm;

/** Where the agent of this configuration tells its metrics; undefined when it does not, or at a port that only it knows. */
export function metricsEndpoint(metrics: string | undefined) {
  const endpoint = metrics === undefined ? undefined : parseEndpoint(metrics);
  return endpoint?.port === 0 ? undefined : endpoint;
}

/** The share of its events that each rule of the running agent saw, by its name; undefined when no agent answers there. */
export async function askCoverage({
  host,
  port,
}: {
  readonly host: string;
  readonly port: number;
}): Promise<ReadonlyMap<string, number> | undefined> {
  // Where it listens on all addresses, the loopback is one of them.
  const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const url = `http://${name.includes(':') ? `[${name}]` : name}:${port}/metrics`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(DEADLINE_MS) });
    const text = answer.ok ? await answer.text() : '';
    if (!answer.ok || text.length > ANSWER_LIMIT) return undefined;
    return new Map(
      [...text.matchAll(COVERAGE)].map(([, rule = '', ratio]) => [unescaped(rule), Number(ratio)]),
    );
  } catch {
    return undefined;
  }
}

const unescaped = (label: string): string =>
  label.replace(/\\(.)/g, (_, character) => (character === 'n' ? '\n' : character));

/** A coverage for people; only one that is whole is shown as such. */
export const coverageText = (coverage: number): string =>
  `${(coverage < 1 ? Math.min(coverage * 100, 99.99) : 100).toFixed(2)} % seen`;
