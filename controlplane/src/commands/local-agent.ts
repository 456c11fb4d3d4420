/** The local agent of `tocsin run`: a child process that is started again when it dies, and told where to send. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Config, keysOf, variableOf } from '@tocsin/openapi';
import type { ControlPlane } from '../control-plane.ts';
import { printable } from '../delivery/text.ts';
import type { Settings } from '../settings.ts';
import type { CommandContext } from './context.ts';

/** The agent says that it cannot run here: restarting would not help. */
const CANNOT_RUN = 3;
const JOIN_TOKEN_MS = 10 * 60_000;
const STOP_MS = 2000;
const BACK_OFF_MS = { first: 1000, most: 30_000, healthy: 60_000 };
const AGENT = [join(import.meta.dirname, '../../../../tocsin.js'), 'agent'];

export class LocalAgent {
  readonly #plane: ControlPlane;
  readonly #settings: Settings;
  readonly #context: CommandContext;
  readonly #tokenFile: string;
  readonly #program: readonly string[];
  #child: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;
  #backOffMs = BACK_OFF_MS.first;
  readonly #killOnExit = () => this.#child?.kill('SIGKILL');

  constructor(
    plane: ControlPlane,
    settings: Settings,
    context: CommandContext,
    program: readonly string[] = AGENT,
  ) {
    this.#program = program;
    this.#plane = plane;
    this.#settings = settings;
    this.#context = context;
    this.#tokenFile = join(resolve(settings.config.data_dir), 'agent.join-token');
    process.once('exit', this.#killOnExit);
  }

  /** Starts the agent; whatever becomes of it is told on stderr. */
  async start(): Promise<void> {
    const token = await this.#plane.enrollment.createJoinToken(JOIN_TOKEN_MS);
    if (this.#stopping) return;
    rmSync(this.#tokenFile, { force: true });
    writeFileSync(this.#tokenFile, `${token}\n`, { mode: 0o600, flag: 'wx' });
    const started = Date.now();
    const child = spawn(process.execPath, [...this.#program], {
      env: this.#environment(),
      // Outputs of its own that are configured go where ours go.
      stdio: ['ignore', 'inherit', 'pipe'],
      // Its own process group: Ctrl-C reaches only us, and the agent can still send what it has while we stop it.
      detached: true,
    });
    this.#child = child;
    child.on('error', (error) => this.#say(`cannot be started: ${error.message}`));
    createInterface({ input: child.stderr }).on('line', (line) => this.#say(line));
    child.once('exit', (code, signal) => this.#onExit(code, signal, Date.now() - started));
  }

  /** Stops the agent. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    process.off('exit', this.#killOnExit);
    const child = this.#child;
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await ended;
      clearTimeout(late);
    }
    rmSync(this.#tokenFile, { force: true });
  }

  /** Every setting this process was given by flags, and where the control plane is. */
  #environment(): NodeJS.ProcessEnv {
    const { config, file, flags } = this.#settings;
    const given: NodeJS.ProcessEnv = {};
    for (const { path } of keysOf(Config)) {
      const value = flags[path.join('.')];
      if (value !== undefined) given[variableOf(path)] = value;
    }
    return {
      ...this.#context.environment,
      ...given,
      ...(file !== undefined && { TOCSIN_CONFIG: resolve(file) }),
      TOCSIN_DATA_DIR: resolve(config.data_dir),
      TOCSIN_AGENT_SERVER: this.#plane.url,
      TOCSIN_AGENT_JOIN_TOKEN: JSON.stringify({ file: this.#tokenFile }),
    };
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null, livedMs: number): void {
    if (this.#stopping) return;
    if (code === CANNOT_RUN) {
      this.#say('cannot run here; the control plane goes on without it');
      return;
    }
    if (livedMs > BACK_OFF_MS.healthy) this.#backOffMs = BACK_OFF_MS.first;
    const how = signal ? `was ended by ${signal}` : `ended with code ${code}`;
    this.#say(`${how}; started again in ${this.#backOffMs / 1000} s`);
    this.#timer = setTimeout(() => {
      this.start().catch((error: Error) => this.#say(`cannot be started: ${error.message}`));
    }, this.#backOffMs);
    this.#backOffMs = Math.min(this.#backOffMs * 2, BACK_OFF_MS.most);
  }

  #say(line: string): void {
    this.#context.err.write(`agent: ${printable(line)}\n`);
  }
}
