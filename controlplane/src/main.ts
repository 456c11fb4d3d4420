/** The commands of the control plane. Only here are the arguments, the environment, signals and exit codes of the process. */
import { constants } from 'node:os';
import { SettingsError } from '@tocsin/openapi';
import closeWithGrace from 'close-with-grace';
import { Command, CommanderError } from 'commander';
import { agentsCommand } from './commands/agents.ts';
import { alertsCommand } from './commands/alerts.ts';
import { ApiError } from './commands/api-client.ts';
import { channelsCommand } from './commands/channels.ts';
import type { CommandContext } from './commands/context.ts';
import { groupsCommand, ledgerCommand } from './commands/groups.ts';
import { routesCommand } from './commands/routes.ts';
import { runCommand } from './commands/run.ts';
import { serverCommand } from './commands/server.ts';
import { silencesCommand } from './commands/silences.ts';
import { timelineCommand } from './commands/timeline.ts';
import { tokensCommand } from './commands/tokens.ts';
import { StartupError } from './errors.ts';

const EXIT = { failed: 1, usage: 2, settings: 78 } as const;
/** Ctrl-C ends within five seconds, whatever hangs. */
const STOP_MS = 4500;

const COMMANDS = [
  ...[runCommand, serverCommand, channelsCommand, alertsCommand, agentsCommand, tokensCommand],
  ...[routesCommand, silencesCommand, groupsCommand, ledgerCommand, timelineCommand],
];

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** A command that is not made to be stopped leaves at once, but not without ending what it started. */
const leave = (signal: NodeJS.Signals) => process.exit(128 + constants.signals[signal]);

/** Runs one command. Sets the exit code of the process. */
export async function main(argv: string[]): Promise<void> {
  for (const signal of SIGNALS) process.once(signal, leave);
  // A reader that went away (`| head`) is no reason to fail.
  process.stdout.on('error', () => {});
  const program = new Command('tocsin').exitOverride();
  for (const add of COMMANDS) add(program, context);
  try {
    await program.parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error);
  }
}

const context: CommandContext = {
  environment: process.env,
  in: process.stdin,
  out: process.stdout,
  err: process.stderr,
  untilStopped: (stop) =>
    new Promise((resolve) => {
      for (const signal of SIGNALS) process.off(signal, leave);
      const onTimeout = () =>
        process.stderr.write(`tocsin: did not end within ${STOP_MS} ms and was cut off\n`);
      closeWithGrace(
        { delay: STOP_MS, logger: false, skip: ['beforeExit', 'SIGHUP'], onTimeout },
        async ({ err }) => {
          if (err) process.stderr.write(`tocsin: ${err.stack ?? err.message}\n`);
          await stop().catch((error: Error) => process.stderr.write(`tocsin: ${error.message}\n`));
          resolve();
        },
      );
    }),
};

/** Says what went wrong; returns the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  if (error instanceof SettingsError) {
    const problems = error.problems.map(({ where, message }) => `  ${where}: ${message}\n`);
    process.stderr.write(`tocsin: the configuration is wrong:\n${problems.join('')}`);
    return EXIT.settings;
  }
  const expected = error instanceof StartupError || error instanceof ApiError;
  const { message, stack } = error as Error;
  process.stderr.write(`tocsin: ${expected ? message : (stack ?? message)}\n`);
  return EXIT.failed;
}
