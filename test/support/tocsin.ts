/** The `tocsin` command as a real process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { waitFor } from './wait.ts';

export const ROOT = join(import.meta.dirname, '../../..');

export interface Running {
  readonly process: ChildProcess;
  /** What it has written so far. */
  stdout(): string;
  stderr(): string;
  /** Waits until a line of stdout or stderr matches. */
  line(pattern: RegExp, deadlineMs?: number): Promise<RegExpMatchArray>;
  /** Sends a signal and resolves with the exit code (or the signal's name). */
  stop(signal?: NodeJS.Signals): Promise<number | string>;
}

/** `through` is a program with its first arguments that prepares and then becomes tocsin. */
export function tocsin(
  args: readonly string[],
  environment: Record<string, string> = {},
  through: readonly string[] = [],
): Running {
  const [program = '', ...words] = [...through, process.execPath, join(ROOT, 'tocsin.js'), ...args];
  const child = spawn(program, words, {
    cwd: ROOT,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    text.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    text.stderr += chunk;
  });
  const exited = new Promise<number | string>((resolve) =>
    child.on('exit', (code, signal) => resolve(code ?? signal ?? 'gone')),
  );
  const told = () =>
    `\n--- stdout\n${text.stdout.slice(-4000)}\n--- stderr\n${text.stderr.slice(-4000)}`;
  return {
    process: child,
    stdout: () => text.stdout,
    stderr: () => text.stderr,
    line: (pattern, deadlineMs = 30_000) =>
      waitFor(
        `${pattern} from tocsin ${args.join(' ')}`,
        () => {
          const found = text.stdout.match(pattern) ?? text.stderr.match(pattern);
          if (!found && child.exitCode !== null)
            throw new Error(`tocsin ended with ${child.exitCode}${told()}`);
          return found ?? undefined;
        },
        deadlineMs,
      ).catch((error: Error) => {
        throw new Error(`${error.message}${told()}`);
      }),
    stop: (signal = 'SIGTERM') => {
      child.kill(signal);
      return exited;
    },
  };
}
