import { type Command, InvalidArgumentError } from 'commander';
import pino, { type Logger } from 'pino';
import { App, type AppOptions } from '../app.ts';
import { type Engine, startEngine } from '../engine/engine.ts';
import type { OutputSetting } from '../outputs/open-outputs.ts';
import { LIBRARY_FOLDER, readRuleFiles, watchRuleFiles } from '../rule-files.ts';
import { findRuleProblems } from '../rule-problems.ts';
import type { RulesFile } from '../rules/load-rules.ts';
import { type CommandContext, CommandError } from './context.ts';
import { checkServer, hostnameOf, readConfig, readSecret } from './settings.ts';
import { VERSION } from './version.ts';

interface AgentFlags {
  readonly config?: string;
  readonly rules?: readonly string[];
  readonly ruleMatching?: string;
  readonly output?: readonly OutputSetting[];
  readonly server?: string;
  readonly dataDir?: string;
  readonly joinTokenFile?: string;
  readonly logLevel?: string;
}

/** `tocsin agent`: watches this host. */
export function registerAgentCommand(program: Command, context: CommandContext): void {
  program
    .command('agent')
    .description('watch this host: kernel events, rules, alerts')
    .option(
      '-c, --config <file>',
      'configuration file (TOCSIN_CONFIG; default ./tocsin.yaml if it exists)',
    )
    .option(
      '-r, --rules <file...>',
      'rule files or folders, in order (TOCSIN_AGENT_RULES; default: our own packs)',
      collect,
    )
    .option('--rule-matching <which>', 'first or all (TOCSIN_AGENT_RULE_MATCHING)')
    .option(
      '-o, --output <output...>',
      'stdout, stdout-json, syslog or file:PATH (TOCSIN_AGENT_OUTPUTS)',
      collectOutput,
    )
    .option(
      '--server <url>',
      'URL of the control plane (TOCSIN_AGENT_SERVER); without it the agent is alone',
    )
    .option('--data-dir <folder>', 'where key, identity and spool live (TOCSIN_DATA_DIR)')
    .option('--join-token-file <file>', 'file with a one-time join token (TOCSIN_AGENT_JOIN_TOKEN)')
    .option('--log-level <level>', 'debug, info, warn or error (TOCSIN_LOG_LEVEL)')
    .action((flags: AgentFlags) => runAgent(flags, context));
}

const collect = (value: string, before: readonly string[] = []) => [...before, value];

function collectOutput(value: string, before: readonly OutputSetting[] = []): OutputSetting[] {
  if (value === 'stdout' || value === 'stdout-json' || value === 'syslog')
    return [...before, value];
  const path = /^file:(.+)$/.exec(value)?.[1];
  if (path === undefined)
    throw new InvalidArgumentError('must be stdout, stdout-json, syslog or file:PATH');
  return [...before, { file: path }];
}

async function runAgent(flags: AgentFlags, context: CommandContext): Promise<void> {
  const config = readConfig(flags.config, context.environment, {
    data_dir: flags.dataDir,
    log_level: flags.logLevel,
    'agent.server': flags.server,
    'agent.rules': flags.rules && JSON.stringify(flags.rules),
    'agent.rule_matching': flags.ruleMatching,
    'agent.outputs': flags.output && JSON.stringify(flags.output),
    'agent.join_token': flags.joinTokenFile && JSON.stringify({ file: flags.joinTokenFile }),
  });
  const { agent } = config;
  const server = agent.server === undefined ? undefined : checkServer(agent.server, 'agent.server');
  const rulePaths = agent.rules.length > 0 ? agent.rules : [LIBRARY_FOLDER];
  const files = readCheckedRules(rulePaths);
  const log = pino(
    { level: config.log_level, base: null },
    pino.destination({ fd: 2, sync: true }),
  );
  const hostname = hostnameOf(config);
  const options: AppOptions = {
    hostname,
    version: VERSION,
    dataDir: config.data_dir,
    outputs: agent.outputs.length > 0 || server !== undefined ? agent.outputs : ['stdout-json'],
    spoolBytes: agent.spool_bytes,
    server,
    joinToken: agent.join_token && readSecret(agent.join_token, context.environment),
    log,
    stdout: context.out,
  };
  const { app, engine } = await App.start(options, ({ onAlerts }) =>
    startEngine({
      files,
      matching: agent.rule_matching,
      minimumPriority: agent.priority,
      ringBytes: agent.ring_bytes,
      hostname,
      onAlerts,
    }),
  );
  const reload = ruleReloader(engine, rulePaths, files, log);
  const unwatch = watchRuleFiles(rulePaths, reload);
  context.err.write('ready\n');
  await context.run({
    stop: () => {
      unwatch();
      return app.stop();
    },
    signals: { SIGHUP: reload, SIGUSR1: () => app.reopen() },
    ended: context.outClosed,
  });
}

/** Reads rules and checks them as a whole. Throws CommandError with every problem. */
function readCheckedRules(paths: readonly string[]): RulesFile[] {
  const files = readRuleFiles(paths);
  const problems = findRuleProblems(files);
  if (problems.length === 0) return files;
  throw new CommandError(`the rules cannot be used:\n${problems.join('\n')}`);
}

/** Puts changed rules in place of those that run. A set that is broken changes nothing. */
function ruleReloader(
  engine: Engine,
  paths: readonly string[],
  first: readonly RulesFile[],
  log: Logger,
): () => void {
  let current = JSON.stringify(first);
  return () => {
    try {
      const files = readCheckedRules(paths);
      if (JSON.stringify(files) === current) return;
      current = JSON.stringify(files);
      engine.reload(files).then(
        () => log.warn({ files: files.map(({ name }) => name) }, 'rules were reloaded'),
        (error: Error) => log.error({ reason: error.message }, 'the old rules stay'),
      );
    } catch (error) {
      log.error(
        { reason: (error as Error).message },
        'the new rules are broken; the old rules stay',
      );
    }
  };
}
