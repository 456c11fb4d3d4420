import { styleText } from 'node:util';
import { Config, loadSettings, SettingsError } from '@tocsin/openapi';
import type { Command } from 'commander';
import { controlPlaneFindings } from '../doctor/control-plane.ts';
import { type Finding, failed, ok } from '../doctor/finding.ts';
import { hostFindings } from '../doctor/host.ts';
import { kernelFindings } from '../doctor/kernel.ts';
import { rulesFindings } from '../doctor/rules.ts';
import { runningAgentFindings } from '../doctor/running-agent.ts';
import { storageFindings } from '../doctor/storage.ts';
import { LIBRARY_FOLDER } from '../package-files.ts';
import { RuleFileError, readRuleFiles } from '../rule-files.ts';
import { dockerSocketOf } from './agent.ts';
import type { CommandContext } from './context.ts';
import { ruleSettingsOf } from './rule-settings.ts';
import { checkServer, configFileOf, readConfig } from './settings.ts';
import { terminalText } from './terminal-text.ts';

interface DoctorFlags {
  readonly config?: string;
  readonly rules?: readonly string[];
  readonly server?: string;
  readonly dataDir?: string;
  readonly json?: boolean;
}

/** `tocsin doctor`: whether this host can run the agent, and what is wrong. */
export function registerDoctorCommand(program: Command, context: CommandContext): void {
  program
    .command('doctor')
    .description('check whether this host can run the agent; tell what is wrong and how to mend it')
    .option(
      '-c, --config <file>',
      'configuration file (TOCSIN_CONFIG; default ./tocsin.yaml if it exists)',
    )
    .option('-r, --rules <file...>', 'rule files or folders, in order (TOCSIN_AGENT_RULES)')
    .option('--server <url>', 'URL of the control plane (TOCSIN_AGENT_SERVER)')
    .option('--data-dir <folder>', 'where key, identity and spool live (TOCSIN_DATA_DIR)')
    .option('--json', 'print one JSON object')
    .action(async (flags: DoctorFlags) => {
      const findings = await examine(flags, context);
      const isWell = findings.every(({ status }) => status !== 'failed');
      context.out.write(
        flags.json ? `${JSON.stringify({ ok: isWell, findings })}\n` : textOf(findings),
      );
      process.exitCode = isWell ? 0 : 1;
    });
}

/** Every check, in the order in which things must work. Changes nothing. */
async function examine(flags: DoctorFlags, { environment }: CommandContext): Promise<Finding[]> {
  const { config, findings } = configurationOf(flags, environment);
  const { agent, data_dir: dataDir } = config ?? loadSettings(Config, {});
  const host = [...kernelFindings(agent.ring_bytes), ...hostFindings(dockerSocketOf(environment))];
  if (config === undefined) return [...findings, ...host];
  const server = agent.server === undefined ? undefined : checkServer(agent.server, 'agent.server');
  return [
    ...findings,
    ...host,
    ...rules(agent),
    ...storageFindings(dataDir, agent.spool_bytes),
    ...(await runningAgentFindings(agent.metrics)),
    ...(await controlPlaneFindings({
      server,
      dataDir,
      hasJoinToken: agent.join_token !== undefined,
    })),
  ];
}

/** The configuration, or what is wrong with it. */
function configurationOf(
  flags: DoctorFlags,
  environment: CommandContext['environment'],
): { config?: Config; findings: Finding[] } {
  const check = 'configuration';
  try {
    const config = readConfig(flags.config, environment, {
      data_dir: flags.dataDir,
      'agent.server': flags.server,
      'agent.rules': flags.rules && JSON.stringify(flags.rules),
    });
    if (config.agent.server !== undefined) checkServer(config.agent.server, 'agent.server');
    const file = configFileOf(flags.config, environment);
    const detail = file === undefined ? 'no file; flags, environment and defaults' : file;
    return { config, findings: [ok(check, detail)] };
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    const lines = error.problems.map(({ where, message }) => `${where}: ${message}`);
    const finding = failed(check, 'it cannot be used', 'mend the places below');
    return { findings: [{ ...finding, lines }] };
  }
}

function rules(agent: Config['agent']): Finding[] {
  try {
    const paths = agent.rules.length > 0 ? agent.rules : [LIBRARY_FOLDER];
    return rulesFindings(ruleSettingsOf(agent, readRuleFiles(paths)));
  } catch (error) {
    if (!(error instanceof RuleFileError)) throw error;
    return [failed('rules', error.message, 'name rule files that are there in agent.rules')];
  }
}

const STYLES = { ok: 'green', warning: 'yellow', failed: 'red' } as const;

function textOf(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const indent = ' '.repeat(9 + width + 2);
  const lines = findings.flatMap(({ check, status, detail, remedy, lines: evidence = [] }) => [
    `${styleText(STYLES[status], status.padEnd(9))}${check.padEnd(width)}  ${terminalText(detail)}`,
    ...(remedy === undefined ? [] : [`${indent}→ ${terminalText(remedy)}`]),
    ...evidence.map((line) => `${indent}| ${terminalText(line)}`),
  ]);
  const count = (status: Finding['status']) =>
    findings.filter((finding) => finding.status === status).length;
  const summary = `${count('ok')} ok, ${count('warning')} warnings, ${count('failed')} failed`;
  return `${lines.join('\n')}\n${summary}\n`;
}
