/** The commands of the agent. Only here are the arguments, the environment, signals and exit codes of the process. */
import { SettingsError } from '@tocsin/openapi';
import closeWithGrace from 'close-with-grace';
import { Command, CommanderError } from 'commander';
import { registerAgentCommand } from './commands/agent.ts';
import { type CommandContext, CommandError, type Service } from './commands/context.ts';
import { registerDoctorCommand } from './commands/doctor.ts';
import { registerEnrollCommand } from './commands/enroll.ts';
import { registerFieldsCommand } from './commands/fields.ts';
import { registerRecordCommand } from './commands/record.ts';
import { registerReplayCommand } from './commands/replay.ts';
import { registerRulesCommand } from './commands/rules.ts';
import { registerTraceCommand } from './commands/trace.ts';
import { EngineError } from './engine/engine.ts';
import { kernelCostOf } from './engine/kernel-cost.ts';
import { RuleSetError } from './engine/rule-judge.ts';
import { kernelEventFields } from './events/fields/source.ts';
import { OutputError } from './outputs/output.ts';
import { ProbeError } from './probe/live.ts';
import { RuleFileError } from './rule-files.ts';
import { MetricsServerError } from './telemetry/metrics-server.ts';
import { DirectoryLockError } from './uplink/directory-lock.ts';
import { KeyFileError } from './uplink/key-pair.ts';

const EXIT = { failed: 1, usage: 2, settings: 78 } as const;
/** The end comes within five seconds, whatever hangs. */
const STOP_MS = 4500;

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
  registerAgentCommand(program, context);
  registerEnrollCommand(program, context);
  registerDoctorCommand(program, context);
  registerRulesCommand(program, { source: kernelEventFields, kernelCost: kernelCostOf });
  registerFieldsCommand(program);
  registerTraceCommand(program);
  registerRecordCommand(program, context);
  registerReplayCommand(program, context);
  try {
    await program.parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error);
  }
}

function runService({ stop, signals = {}, ended }: Service): Promise<void> {
  for (const [signal, handle] of Object.entries(signals)) process.on(signal, handle);
  return new Promise((resolve) => {
    const grace = closeWithGrace(
      { delay: STOP_MS, logger: false, skip: ['SIGHUP', 'beforeExit'] },
      async ({ err }) => {
        if (err) process.stderr.write(`tocsin: ${err.stack ?? err.message}\n`);
        await stop().catch((error: Error) => process.stderr.write(`tocsin: ${error.message}\n`));
        resolve();
      },
    );
    void ended?.then(() => grace.close());
  });
}

const EXPECTED = [
  EngineError,
  OutputError,
  ProbeError,
  RuleFileError,
  RuleSetError,
  DirectoryLockError,
  KeyFileError,
  MetricsServerError,
];

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
  const isExpected = EXPECTED.some((kind) => error instanceof kind) || code === 'EACCES';
  process.stderr.write(`tocsin: ${isExpected ? message : (stack ?? message)}\n`);
  return EXIT.failed;
}
