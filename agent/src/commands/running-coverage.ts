import { SettingsError } from '@tocsin/openapi';
import { askCoverage, metricsEndpoint } from '../telemetry/rule-coverage.ts';
import type { CommandContext } from './context.ts';
import { readConfig } from './settings.ts';

/**
 * The coverage of the rules of the agent that runs with this configuration; undefined when none answers. A configuration that was
 * not asked for and is wrong is told, and is no reason to fail.
 */
export async function runningCoverage(
  config: string | undefined,
  { environment, err }: Pick<CommandContext, 'environment' | 'err'>,
): Promise<ReadonlyMap<string, number> | undefined> {
  try {
    const endpoint = metricsEndpoint(readConfig(config, environment, {}).agent.metrics);
    return endpoint && (await askCoverage(endpoint));
  } catch (error) {
    if (config !== undefined || !(error instanceof SettingsError)) throw error;
    const [problem] = error.problems;
    err.write(`tocsin: no running agent is asked: ${problem?.where}: ${problem?.message}\n`);
    return undefined;
  }
}
