import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { Writable } from 'node:stream';
import { parseDuration } from '@tocsin/openapi';
import { type Command, InvalidArgumentError } from 'commander';
import { interestOf, recordableInterest } from '../engine/interest.ts';
import { Recorder, type RecordSummary } from '../engine/recorder.ts';
import { RuleJudge } from '../engine/rule-judge.ts';
import { kernelEventFields } from '../events/fields/source.ts';
import { VERSION } from '../package-files.ts';
import { describeMissing } from '../probe/capabilities.ts';
import type { Interest } from '../probe/probe.ts';
import { readRuleFiles } from '../rule-files.ts';
import { dockerSocketOf } from './agent.ts';
import { CANNOT_RUN, type CommandContext, CommandError } from './context.ts';

interface RecordFlags {
  readonly duration?: number;
  readonly rules?: readonly string[];
  readonly all?: boolean;
}

/** Adds `tocsin record`, which keeps kernel events for `tocsin replay`. */
export function registerRecordCommand(program: Command, context: CommandContext): void {
  program
    .command('record')
    .description(
      'Record kernel events to a file, to be judged later by tocsin replay. It holds command lines, environments and names of users.',
    )
    .argument('<file>', 'the capture to write; - is standard output')
    .option('-d, --duration <time>', 'end after so long, such as 10s', toDuration)
    .option('-r, --rules <file...>', 'only what these rules need; default: what any rule may need')
    .option('--all', 'every system call, reads and writes included')
    .action((file: string, flags: RecordFlags) => record(file, flags, context));
}

function toDuration(text: string): number {
  const time = parseDuration(text);
  if (time === undefined || time === 0)
    throw new InvalidArgumentError('must be a time such as 10s or 5m');
  return time;
}

async function record(file: string, flags: RecordFlags, context: CommandContext): Promise<void> {
  if (flags.all && flags.rules) throw new CommandError('give --rules or --all, not both', 2);
  if (file === '-' && (context.out as Writable & { isTTY?: boolean }).isTTY)
    throw new CommandError('a capture is no text: send standard output to a file or a program', 2);
  const interest = interestFor(flags);
  const missing = describeMissing();
  if (missing !== undefined)
    throw new CommandError(`kernel events cannot be watched here:\n${missing}`, CANNOT_RUN);
  const { write, close } = await openTarget(file, context.out);
  const dockerSocket = dockerSocketOf(context.environment);
  const recorder = new Recorder({
    ...{ interest, hostname: hostname(), version: VERSION, write },
    ...(dockerSocket !== undefined && { runtimes: { dockerSocket } }),
  });
  recorder.start();
  let summary: RecordSummary | undefined;
  let timer: NodeJS.Timeout | undefined;
  let finished: Promise<void> | undefined;
  const finish = () => {
    finished ??= (async () => {
      clearTimeout(timer);
      summary = await recorder.stop();
      await close();
    })();
    return finished;
  };
  // Nobody waits for the end then, and what takes the bytes may be as slow as it likes.
  const elapsed = new Promise<void>((resolve) => {
    if (flags.duration !== undefined)
      timer = setTimeout(() => finish().then(resolve, () => resolve()), flags.duration);
  });
  const ended = context.run({
    stop: finish,
    ended: Promise.race([elapsed, context.outClosed, recorder.failed.then(() => undefined)]),
  });
  context.err.write('ready\n');
  await ended;
  if (summary === undefined)
    throw new CommandError(`${file} is not whole: it could not be written`);
  context.err.write(`${summaryText(file, summary)}\n`);
}

function interestFor({ rules, all }: RecordFlags): Interest {
  if (rules === undefined) return recordableInterest(all ?? false);
  const settings = { files: readRuleFiles(rules), matching: 'all' as const };
  const judge = RuleJudge.compile(
    settings,
    kernelEventFields,
    () => undefined,
    () => {},
  );
  // The capture tells its types, and of those it holds everything.
  return interestOf(judge.compiled, false);
}

/** A link somebody put there would lead a recorder with privileges elsewhere. */
const PRIVATE_FILE =
  constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;

interface Target {
  write(bytes: Buffer): Promise<void>;
  close(): Promise<void>;
}

async function openTarget(file: string, out: Writable): Promise<Target> {
  if (file === '-') {
    const write = (bytes: Buffer) =>
      new Promise<void>((resolve, reject) => {
        out.write(bytes, (error) => (error ? reject(error) : resolve()));
      });
    return { write, close: async () => {} };
  }
  const handle = await open(file, PRIVATE_FILE, 0o600).catch((error: Error) => {
    throw new CommandError(`${file} cannot be written: ${error.message}`);
  });
  // Command lines and environments hold secrets; a file that was there may be open to others.
  if ((await handle.stat()).isFile()) await handle.chmod(0o600);
  return { write: (bytes) => handle.writeFile(bytes), close: () => handle.close() };
}

function summaryText(file: string, { records, bytes, kernel, unwritten }: RecordSummary): string {
  const causes = kernel.map(({ kind, fate, count }) => `${count} ${kind} (${fate})`);
  if (unwritten > 0) causes.push(`${unwritten} because the file took too long`);
  const lost = causes.length === 0 ? 'none lost' : `lost: ${causes.join(', ')}`;
  return `${file}: ${records} records in ${bytes} bytes, ${lost}`;
}
