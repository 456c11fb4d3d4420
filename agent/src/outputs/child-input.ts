import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

const END_MS = 500;

/** The standard input of a program that is started when it is needed, and started again after it ended. Its own output goes to our stderr. */
export class ChildInput {
  readonly #argv: readonly string[];
  readonly #onEnd: (how: string) => void;
  #child: ChildProcess | undefined;
  #isClosed = false;

  constructor(argv: readonly string[], onEnd: (how: string) => void) {
    this.#argv = argv;
    this.#onEnd = onEnd;
    this.#child = this.#start();
  }

  #start(): ChildProcess {
    const [program = '', ...rest] = this.#argv;
    const child = spawn(program, rest, { stdio: ['pipe', 2, 2] });
    const ended = (how: string) => {
      if (this.#child === child) this.#child = undefined;
      if (!this.#isClosed) this.#onEnd(how);
    };
    child.once('error', (error) => ended(`cannot be started: ${error.message}`));
    child.once('exit', (code, signal) =>
      ended(signal ? `was ended by ${signal}` : `ended with code ${code}`),
    );
    // The callback of the write tells of it.
    child.stdin?.on('error', () => undefined);
    return child;
  }

  /** Resolves when the program's pipe has taken the chunk. */
  async write(chunk: string): Promise<void> {
    this.#child ??= this.#start();
    const { stdin } = this.#child;
    await new Promise<void>((resolve, reject) => {
      stdin?.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Ends its input and gives it a moment to finish. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const child = this.#child;
    if (!child || child.pid === undefined) return;
    const exit = once(child, 'exit');
    child.stdin?.end();
    const late = setTimeout(() => child.kill('SIGKILL'), END_MS);
    await Promise.race([exit, delay(2 * END_MS, undefined, { ref: false })]);
    clearTimeout(late);
  }
}
