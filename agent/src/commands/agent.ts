import { type Command, InvalidArgumentError } from 'commander';
import pino from 'pino';
import { App, type AppOptions } from '../app.ts';
import type { OutputSetting } from '../outputs/open-outputs.ts';
import { LIBRARY_FOLDER, VERSION } from '../package-files.ts';
import { describeMissing } from '../probe/capabilities.ts';
import { shareMemory } from '../probe/release-memory.ts';
import { readRuleFiles } from '../rule-files.ts';
import { parseEndpoint } from '../telemetry/metrics-server.ts';
import { CANNOT_RUN, type CommandContext, CommandError } from './context.ts';
import { kubernetesSettings } from './kubernetes-settings.ts';
import { RuleReloader, type Sources } from './rule-reload.ts';
import { ruleSettingsOf } from './rule-settings.ts';
import { checkServer, configFileOf, hostnameOf, readConfig, readSecret } from './settings.ts';

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
  const read = () => readSources(flags, context);
  const sources = read();
  const missing = describeMissing();
  if (missing !== undefined)
    throw new CommandError(`kernel events cannot be watched here:\n${missing}`, CANNOT_RUN);
  shareMemory();
  const app = await App.start(appOptions(sources, context));
  const reloader = new RuleReloader(app, sources, read, context.err);
  let failure: Error | undefined;
  const ended = context.run({
    stop: () => {
      reloader.stop();
      return app.stop();
    },
    signals: { SIGHUP: reloader.reload, SIGUSR1: () => app.reopen() },
    ended: Promise.race([
      context.outClosed,
      app.failed.then((error) => {
        failure = error;
      }),
    ]),
  });
  // Only now: whoever waits for this line may send a signal at once.
  context.err.write('ready\n');
  await ended;
  if (failure) throw failure;
}

/** Reads the configuration and its rule files, which the engine checks. Throws with every problem. */
function readSources(flags: AgentFlags, { environment }: CommandContext): Sources {
  const config = readConfig(flags.config, environment, settingsOf(flags));
  const { agent } = config;
  const paths = agent.rules.length > 0 ? agent.rules : [LIBRARY_FOLDER];
  const rules = ruleSettingsOf(agent, readRuleFiles(paths));
  const file = configFileOf(flags.config, environment);
  return { config, rules, paths: file === undefined ? paths : [...paths, file] };
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

function appOptions({ config, rules }: Sources, context: CommandContext): AppOptions {
  const { agent } = config;
  const server = agent.server === undefined ? undefined : checkServer(agent.server, 'agent.server');
  const socket = dockerSocketOf(context.environment);
  const isAlone = server === undefined && agent.outputs.length === 0;
  return {
    engine: {
      ...rules,
      hostname: hostnameOf(config),
      iso8601: agent.time_format_iso_8601,
      ringBytes: agent.ring_bytes,
      pushdown: agent.pushdown,
      ignoresOwn: true,
      kubernetes: agent.kubernetes && kubernetesSettings(agent.kubernetes, context.environment),
      ...(socket !== undefined && { runtimes: { dockerSocket: socket } }),
    },
    version: VERSION,
    dataDir: config.data_dir,
    outputs: isAlone ? ['stdout-json'] : agent.outputs,
    spoolBytes: agent.spool_bytes,
    server,
    metrics: agent.metrics === undefined ? undefined : parseEndpoint(agent.metrics),
    joinToken: agent.join_token && readSecret(agent.join_token, context.environment),
    log: pino({ level: config.log_level, base: null }, pino.destination({ fd: 2, sync: true })),
    stdout: context.out,
  };
}

/** Docker's own variable says where its socket is, when it is not in the usual place. */
export function dockerSocketOf({
  DOCKER_HOST = '',
}: CommandContext['environment']): string | undefined {
  return /^unix:\/\/(\/.+)$/.exec(DOCKER_HOST)?.[1];
}
