import { once } from 'node:events';
import type { Command } from 'commander';
import { CaptureError } from '../capture/format.ts';
import { readCapture } from '../capture/read-capture.ts';
import { Replay } from '../engine/replay.ts';
import { openCapture } from '../engine/replay-file.ts';
import { toAlertLine } from '../outputs/alert-line.ts';
import { toTextLine } from '../outputs/text-line.ts';
import { LIBRARY_FOLDER } from '../package-files.ts';
import { readRuleFiles } from '../rule-files.ts';
import { loadRules } from '../rules/load-rules.ts';
import { reportText } from '../rules/report.ts';
import { type CommandContext, CommandError } from './context.ts';
import { ruleSettingsOf } from './rule-settings.ts';
import { readConfig } from './settings.ts';
import { terminalText } from './terminal-text.ts';

interface ReplayFlags {
  readonly config?: string;
  readonly rules?: readonly string[];
  readonly ruleMatching?: string;
  readonly json?: boolean;
}

/** Lines are written in pieces of this many characters. */
const OUTPUT_CHUNK = 64 * 1024;

/** Adds `tocsin replay`, which judges a capture as if its events happened now. */
export function registerReplayCommand(program: Command, context: CommandContext): void {
  program
    .command('replay')
    .description('Judge the events of a capture, and print the alerts. Needs no privileges.')
    .argument(
      '<file>',
      'a capture of tocsin record, or a .scap of Falco or sysdig; - is standard input',
    )
    .option(
      '-c, --config <file>',
      'configuration file (TOCSIN_CONFIG; default ./tocsin.yaml if it exists)',
    )
    .option(
      '-r, --rules <file...>',
      'rule files or folders, in order (TOCSIN_AGENT_RULES; default: our own packs)',
    )
    .option('--rule-matching <which>', 'first or all (TOCSIN_AGENT_RULE_MATCHING)')
    .option('--json', 'print one JSON object a line')
    .action((file: string, flags: ReplayFlags) => replay(file, flags, context));
}

async function replay(file: string, flags: ReplayFlags, context: CommandContext): Promise<void> {
  const { out, err } = context;
  let lines: string[] = [];
  let waiting = 0;
  const replayed = new Replay({
    ...settingsOf(flags, context),
    onAlert: (alert) => {
      const line = flags.json ? toAlertLine(alert).line : toTextLine(alert);
      lines.push(line);
      waiting += line.length;
    },
  });
  let isClosed = false;
  void context.outClosed.then(() => {
    isClosed = true;
  });
  const flush = async (): Promise<void> => {
    if (lines.length === 0 || isClosed) return;
    const text = `${lines.join('\n')}\n`;
    lines = [];
    waiting = 0;
    if (!out.write(text)) await Promise.race([once(out, 'drain'), context.outClosed]);
  };
  const start = performance.now();
  try {
    const end = await readCapture(openCapture(file), replayed, async () => {
      if (waiting >= OUTPUT_CHUNK) await flush();
      if (isClosed) throw new CaptureError('nobody reads the alerts any more');
    });
    replayed.end();
    await flush();
    const seconds = (performance.now() - start) / 1000;
    for (const warning of [...replayed.warnings, ...end.warnings])
      err.write(`tocsin replay: warning: ${terminalText(warning)}\n`);
    const rate = Math.round(end.records / seconds);
    err.write(
      `${end.records} events, ${replayed.alerts} alerts in ${seconds.toFixed(2)} s, ${rate} events/s\n`,
    );
    if (end.damaged) process.exitCode = 1;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (isClosed) return;
    await flush();
    if (error instanceof CaptureError || code !== undefined)
      throw new CommandError(`${file}: ${terminalText((error as Error).message)}`);
    throw error;
  }
}

/** Rules as the agent would take them. Throws with every problem. */
function settingsOf(flags: ReplayFlags, { environment }: CommandContext) {
  const { agent } = readConfig(flags.config, environment, {
    'agent.rules': flags.rules && JSON.stringify(flags.rules),
    'agent.rule_matching': flags.ruleMatching,
  });
  const paths = agent.rules.length > 0 ? agent.rules : [LIBRARY_FOLDER];
  const rules = ruleSettingsOf(agent, readRuleFiles(paths));
  const loaded = loadRules(rules.files, rules);
  if (!loaded.ok)
    throw new CommandError(`the rules cannot be used:\n${reportText(loaded, rules.files)}`);
  return { rules, iso8601: agent.time_format_iso_8601 };
}
