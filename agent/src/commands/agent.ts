import { type Config, parsePriority } from '@tocsin/openapi';
import { type Command, InvalidArgumentError } from 'commander';
import pino from 'pino';
import { App, type AppOptions } from '../app.ts';
import type { OutputSetting } from '../outputs/open-outputs.ts';
import { describeMissing } from '../probe/capabilities.ts';
import { LIBRARY_FOLDER, readRuleFiles, watchRuleFiles } from '../rule-files.ts';
import { loadRules, type RulesFile } from '../rules/load-rules.ts';
import { SUGGESTED_FIELDS } from '../rules/loader/append-output.ts';
import { reportText } from '../rules/report.ts';
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

/** The machine lacks what the probe needs: starting again would not help. */
const CANNOT_RUN = 3;

async function runAgent(flags: AgentFlags, context: CommandContext): Promise<void> {
  const config = readConfig(flags.config, context.environment, settingsOf(flags));
  const { agent } = config;
  const rulePaths = agent.rules.length > 0 ? agent.rules : [LIBRARY_FOLDER];
  const files = readCheckedRules(rulePaths);
  const missing = describeMissing();
  if (missing !== undefined)
    throw new CommandError(`kernel events cannot be watched here:\n${missing}`, CANNOT_RUN);

  const app = await App.start(appOptions(config, files, context));
  const reload = ruleReloader(app, rulePaths, files, context);
  const unwatch = watchRuleFiles(rulePaths, reload);
  context.err.write('ready\n');
  let failure: Error | undefined;
  await context.run({
    stop: () => {
      unwatch();
      return app.stop();
    },
    signals: { SIGHUP: reload, SIGUSR1: () => app.reopen() },
    ended: Promise.race([
      context.outClosed,
      app.failed.then((error) => {
        failure = error;
      }),
    ]),
  });
  if (failure) throw failure;
}

const settingsOf = (flags: AgentFlags) => ({
  data_dir: flags.dataDir,
  log_level: flags.logLevel,
  'agent.server': flags.server,
  'agent.rules': flags.rules && JSON.stringify(flags.rules),
  'agent.rule_matching': flags.ruleMatching,
  'agent.outputs': flags.output && JSON.stringify(flags.output),
  'agent.join_token': flags.joinTokenFile && JSON.stringify({ file: flags.joinTokenFile }),
});

function appOptions(
  config: Config,
  files: readonly RulesFile[],
  context: CommandContext,
): AppOptions {
  const { agent } = config;
  const server = agent.server === undefined ? undefined : checkServer(agent.server, 'agent.server');
  const isAlone = server === undefined && agent.outputs.length === 0;
  return {
    engine: {
      files,
      // Falco's rules leave the container to its default configuration, and alerts are told apart by it.
      appendOutput: [{ extraFields: SUGGESTED_FIELDS }],
      matching: agent.rule_matching,
      minimumPriority: parsePriority(agent.priority),
      hostname: hostnameOf(config),
      ringBytes: agent.ring_bytes,
      ignoresOwn: true,
      ...dockerSocket(context.environment),
    },
    version: VERSION,
    dataDir: config.data_dir,
    outputs: isAlone ? ['stdout-json'] : agent.outputs,
    spoolBytes: agent.spool_bytes,
    server,
    joinToken: agent.join_token && readSecret(agent.join_token, context.environment),
    log: pino({ level: config.log_level, base: null }, pino.destination({ fd: 2, sync: true })),
    stdout: context.out,
  };
}

/** Docker's own variable says where its socket is, when it is not in the usual place. */
function dockerSocket({ DOCKER_HOST = '' }: CommandContext['environment']) {
  const path = /^unix:\/\/(\/.+)$/.exec(DOCKER_HOST)?.[1];
  return path === undefined ? {} : { runtimes: { dockerSocket: path } };
}

/** Reads rules and checks them as a whole. Throws CommandError with every problem. */
function readCheckedRules(paths: readonly string[]): RulesFile[] {
  const files = readRuleFiles(paths);
  const loaded = loadRules(files);
  if (!loaded.ok) throw new CommandError(`the rules cannot be used:\n${reportText(loaded, files)}`);
  return files;
}

/** Puts changed rules in place of those that run. A set that is broken changes nothing, and is told. */
function ruleReloader(
  app: App,
  paths: readonly string[],
  first: readonly RulesFile[],
  { err }: CommandContext,
): () => void {
  let current = JSON.stringify(first);
  const refuse = (error: unknown) =>
    err.write(`the old rules stay in force: ${(error as Error).message}\n`);
  return () => {
    try {
      const files = readCheckedRules(paths);
      const text = JSON.stringify(files);
      if (text === current) return;
      current = text;
      app.reload(files).then(() => err.write('rules reloaded\n'), refuse);
    } catch (error) {
      refuse(error);
    }
  };
}
