/** The commands of the agent. Only here are the arguments, the environment, signals and exit codes of the process. */
import { setImmediate } from 'node:timers/promises';
import { SettingsError } from '@tocsin/openapi';
import closeWithGrace from 'close-with-grace';
import { Command, CommanderError } from 'commander';
import { type CommandContext, CommandError, type Service } from './commands/context.ts';
import { ExpectedError } from './expected-error.ts';

type Register = (program: Command, context: CommandContext) => void;

/** A command loads what it needs and no other does: agents start in little time and live in little memory. */
const COMMANDS: Readonly<Record<string, () => Promise<Register>>> = {
  agent: async () => (await import('./commands/agent.ts')).registerAgentCommand,
  enroll: async () => (await import('./commands/enroll.ts')).registerEnrollCommand,
  doctor: async () => (await import('./commands/doctor.ts')).registerDoctorCommand,
  rules: async () => {
    const { registerRulesCommand } = await import('./commands/rules.ts');
    const { kernelCostOf } = await import('./engine/kernel-cost.ts');
    const { kernelEventFields } = await import('./events/fields/source.ts');
    const { runningCoverage } = await import('./commands/running-coverage.ts');
    return (program, context) =>
      registerRulesCommand(program, {
        source: kernelEventFields,
        kernelCost: kernelCostOf,
        coverage: (config) => runningCoverage(config, context),
      });
  },
  fields: async () => (await import('./commands/fields.ts')).registerFieldsCommand,
  trace: async () => (await import('./commands/trace.ts')).registerTraceCommand,
  record: async () => (await import('./commands/record.ts')).registerRecordCommand,
  replay: async () => (await import('./commands/replay.ts')).registerReplayCommand,
};

const EXIT = { failed: 1, usage: 2, settings: 78 } as const;
/** The end comes within five seconds, whatever hangs. */
const STOP_MS = 4500;
/** Of the file system: its message says all, and a stack nothing. */
const OUTSIDE: readonly (string | undefined)[] = ['EACCES', 'EROFS', 'ENOSPC'];

/** Runs one command. Sets the exit code of the process. */
export async function main(argv: string[]): Promise<void> {
  const context: CommandContext = {
    environment: process.env,
    out: process.stdout,
    err: process.stderr,
    outClosed: new Promise((resolve) => process.stdout.on('error', () => resolve())),
    run: runService,
  };
  const program = new Command('tocsin').exitOverride();
  const asked = COMMANDS[argv[2] ?? ''];
  for (const load of asked ? [asked] : Object.values(COMMANDS)) (await load())(program, context);
  try {
    await program.parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error);
  }
}

function runService({ stop, signals = {}, ended }: Service): Promise<void> {
  for (const [signal, handle] of Object.entries(signals)) process.on(signal, handle);
  return new Promise((resolve) => {
    const onTimeout = () =>
      process.stderr.write(`tocsin: did not end within ${STOP_MS} ms and was cut off\n`);
    const grace = closeWithGrace(
      { delay: STOP_MS, logger: false, skip: ['SIGHUP', 'beforeExit'], onTimeout },
      async ({ err }) => {
        if (err) process.stderr.write(`tocsin: ${err.stack ?? err.message}\n`);
        let failed = err !== undefined;
        await stop().catch((error: Error) => {
          process.stderr.write(`tocsin: ${error.message}\n`);
          failed = true;
        });
        resolve();
        await setImmediate(); // The command has the last word; what it throws is the exit code.
        process.exit(failed ? EXIT.failed : process.exitCode);
      },
    );
    void ended?.then(() => grace.close());
  });
}

/** Says what went wrong; returns the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  if (error instanceof SettingsError) {
    const problems = error.problems.map(({ where, message }) => `  ${where}: ${message}\n`);
    process.stderr.write(`tocsin: the configuration is wrong:\n${problems.join('')}`);
    return EXIT.settings;
  }
  const { message, stack, code } = error as NodeJS.ErrnoException;
  if (error instanceof CommandError) {
    process.stderr.write(`tocsin: ${message}\n`);
    return error.exitCode;
  }
  const isExpected = error instanceof ExpectedError || OUTSIDE.includes(code);
  process.stderr.write(`tocsin: ${isExpected ? message : (stack ?? message)}\n`);
  return EXIT.failed;
}
