import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { after } from 'node:test';
import { waitFor } from './wait.ts';

const program = join(import.meta.dirname, '../../../../tocsin.js');
const running = new Set<TocsinProcess>();
after(() => {
  for (const one of running) one.kill('SIGKILL');
});

/** A real `tocsin` process. What still runs at the end of the test file is killed. */
export class TocsinProcess {
  stdout = '';
  stderr = '';
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #exit: Promise<number | string>;

  /** `wrapper` comes before node, for instance to drop privileges. */
  constructor(args: readonly string[], wrapper: readonly string[] = []) {
    const [command, ...rest] = [...wrapper, process.execPath, program, ...args] as [string];
    const environment = Object.entries(process.env).filter(([name]) => !name.startsWith('TOCSIN_'));
    this.#child = spawn(command, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: Object.fromEntries(environment),
      cwd: '/',
    });
    running.add(this);
    this.#child.stdout.on('data', (chunk) => {
      this.stdout += chunk;
    });
    this.#child.stderr.on('data', (chunk) => {
      this.stderr += chunk;
    });
    this.#exit = once(this.#child, 'close').then(([code, signal]) => {
      running.delete(this);
      return (code ?? signal) as number | string;
    });
  }

  get lines(): { rule: string; output: string; output_fields: Record<string, unknown> }[] {
    const whole = this.stdout.slice(0, this.stdout.lastIndexOf('\n') + 1);
    return whole
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Nobody reads its standard output any more. */
  closeStdout(): void {
    this.#child.stdout.destroy();
  }

  /** The exit code, or the name of the signal that ended it. */
  async exit(): Promise<number | string> {
    return this.#exit;
  }

  /** Waits until the agent sees events. */
  async ready(): Promise<void> {
    let ended = false;
    void this.#exit.then(() => {
      ended = true;
    });
    await waitFor('the line ready', () => ended || /^ready$/m.test(this.stderr));
    if (ended) throw new Error(`tocsin ended: ${this.stderr}`);
  }
}
