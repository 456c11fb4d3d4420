/** Runs a program once, in a process group of its own that is gone when the attempt ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Outcome } from '../../channel.ts';
import { startDeadline } from '../../deadline.ts';
import { ambiguous, describeError, ok, permanent, reasonOfAbort, retry } from '../../outcome.ts';

/** sysexits.h EX_TEMPFAIL. */
const TRY_AGAIN_STATUS = 75;
/** How much of each output is kept, from its end; the rest is read and forgotten, so that the program never blocks on it. */
const KEPT_BYTES = 4096;
/** How long output is still read after the exit. */
const DRAIN_MS = 250;

export interface Program {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly timeoutMs: number;
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
  readonly maxMemoryBytes: number | undefined;
}

/** Resolves when the program has exited and its group was killed. */
export function runProgram(program: Program, input: string, signal: AbortSignal): Promise<Outcome> {
  const { signal: bounded, release } = startDeadline([signal], program.timeoutMs);
  return new Promise((resolve) => {
    const child = start(program);
    const output = keepTail(child.stdout);
    const errors = keepTail(child.stderr);
    const kill = () => killGroup(child);
    let drain: NodeJS.Timeout | undefined;
    const end = (outcome: Outcome) => {
      release();
      clearTimeout(drain);
      child.stdout?.destroy();
      child.stderr?.destroy();
      resolve(outcome);
    };
    const readEnd = () => {
      const words = errors() || output();
      end(bounded.aborted ? stopped(bounded, words) : readExit(child, words));
    };
    child.on('error', (error) => end(readStartError(error, program)));
    child.on('exit', () => {
      bounded.removeEventListener('abort', kill);
      kill();
      // A child that left the group may hold the output open for ever.
      drain = setTimeout(readEnd, DRAIN_MS);
    });
    child.on('close', readEnd);
    // A program need not read its input.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
    if (bounded.aborted) kill();
    else bounded.addEventListener('abort', kill, { once: true });
  });
}

/**
 * A program that is kept and gets a line a notification. It says nothing of what it makes of one: what went into its pipe
 * counts as told. One that ended is started again with the next line.
 */
export class KeptProgram {
  readonly #program: Program;
  #child: ChildProcess | undefined;
  #words: () => string = () => '';

  constructor(program: Program) {
    this.#program = program;
  }

  async write(line: string, signal: AbortSignal): Promise<Outcome> {
    const { signal: bounded, release } = startDeadline([signal], this.#program.timeoutMs);
    const child = this.#running();
    return new Promise((resolve) => {
      const end = (outcome: Outcome) => {
        release();
        child.off('error', onError).off('exit', onExit);
        bounded.removeEventListener('abort', onAbort);
        resolve(outcome);
      };
      const onError = (error: Error) => end(readStartError(error, this.#program));
      const onExit = () =>
        end(ambiguous('exit_status', `ended: ${readExit(child, this.#words()).detail}`));
      const onAbort = () => {
        killGroup(child);
        end(ambiguous(reasonOfAbort(bounded), 'killed: the line was not read in time'));
      };
      child.once('error', onError).once('exit', onExit);
      if (bounded.aborted) onAbort();
      else bounded.addEventListener('abort', onAbort, { once: true });
      child.stdin?.write(line, (error) => {
        // Why it does not read is told by its exit.
        if (!error) end(ok('written to the program'));
      });
    });
  }

  close(): void {
    if (this.#child) killGroup(this.#child);
  }

  #running(): ChildProcess {
    if (this.#child) return this.#child;
    const child = start(this.#program);
    const errors = keepTail(child.stderr);
    const output = keepTail(child.stdout);
    this.#words = () => errors() || output();
    const gone = () => {
      killGroup(child);
      if (this.#child === child) this.#child = undefined;
    };
    child.stdin?.on('error', () => {});
    child.on('exit', gone).on('error', gone);
    this.#child = child;
    return child;
  }
}

/** Tells by whom a process was started, whatever group or parent it has: it is inherited. */
const RUN_VARIABLE = 'TOCSIN_RUN';
const runs = new WeakMap<ChildProcess, string>();

function start(program: Program): ChildProcess {
  const { environment, workingDirectory, user } = program;
  const [file = '', ...args] = argumentsOf(program);
  const run = randomUUID();
  const child = spawn(file, args, {
    ...user,
    cwd: workingDirectory,
    env: { ...environment, [RUN_VARIABLE]: run },
    // Leads a process group: whatever it starts dies with it.
    detached: true,
    shell: false,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  runs.set(child, run);
  return child;
}

/** The limit is set by a program of util-linux, which then becomes the one that is meant. */
const argumentsOf = ({ argv, maxMemoryBytes: most }: Program): readonly string[] =>
  most === undefined ? argv : ['/usr/bin/prlimit', `--as=${most}`, '--', ...argv];

function readExit({ exitCode: status, signalCode }: ChildProcess, words: string): Outcome {
  const detail = `${status === null ? `killed by ${signalCode}` : `exit status ${status}`}${words && `: ${words}`}`;
  // It had no say: nobody knows how far it came.
  if (status === null) return ambiguous('exit_status', detail);
  if (status === 0) return ok(detail);
  return status === TRY_AGAIN_STATUS
    ? retry('exit_status', detail)
    : permanent('exit_status', detail);
}

function stopped(signal: AbortSignal, words: string): Outcome {
  const reason = reasonOfAbort(signal);
  const why = reason === 'timeout' ? 'killed: not done in time' : 'killed: stopping';
  return ambiguous(reason, `${why}${words && `: ${words}`}`);
}

function readStartError(error: Error, { workingDirectory }: Program): Outcome {
  const { code, message } = describeError(error);
  // The system says the same of a program that is not there.
  if (code === 'ENOENT' && !existsSync(workingDirectory))
    return permanent('configuration', `working_directory: there is no ${workingDirectory}`);
  return /^(ENOENT|EACCES|ENOTDIR|ENOEXEC|E2BIG|EINVAL|ENAMETOOLONG)$/.test(code ?? '')
    ? permanent('configuration', message)
    : retry('configuration', message);
}

/** Kills the group of a program, those of its run that left the group and, while it lives, whoever is below it. */
function killGroup(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined) return;
  const known = new Set([-pid, ...descendantsOf(pid)]);
  kill(known);
  kill(membersOf(runs.get(child) ?? '', pid).filter((member) => !known.has(member)));
}

function kill(targets: Iterable<number>): void {
  for (const target of targets) {
    try {
      process.kill(target, 'SIGKILL');
    } catch {
      // It is gone already.
    }
  }
}

/** Pids of a run. They are higher than that of the first, unless they began anew in between. */
function membersOf(run: string, first: number): number[] {
  const mark = `\0${RUN_VARIABLE}=${run}\0`;
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > first && environmentOf(pid).includes(mark));
}

/** Empty when the process is gone or another user's. */
function environmentOf(pid: number): string {
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}`;
  } catch {
    return '';
  }
}

const MAX_DESCENDANTS = 1000;

/** Pids of the children of a process, of their children and so on. */
function descendantsOf(pid: number): number[] {
  const found = [pid];
  for (const parent of found) {
    if (found.length > MAX_DESCENDANTS) break;
    found.push(...childrenOf(parent));
  }
  return found.slice(1);
}

/** Empty when the process is gone, and of a kernel without such lists. */
function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8')
        .split(' ')
        .filter(Boolean)
        .map(Number),
    );
  } catch {
    return [];
  }
}

function keepTail(stream: ChildProcess['stdout']): () => string {
  let tail = Buffer.alloc(0);
  stream?.on('error', () => {});
  stream?.on('data', (chunk: Buffer) => {
    tail = Buffer.concat([tail, chunk.subarray(-KEPT_BYTES)]).subarray(-KEPT_BYTES);
  });
  return () => tail.toString('utf8').trim().slice(-400);
}
