/**
 * The embedded Redis: a private `redis-server` child on a Unix socket, with an append-only file in the data directory. It has no TCP
 * port. When it dies it is started again; when this process was killed, the next start ends what it left behind.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { StartupError } from '../errors.ts';

export interface EmbeddedOptions {
  readonly dataDir: string;
  /** Program to run. */
  readonly server: string;
  readonly fsync: 'always' | 'everysec';
  /** Told when the server ended by itself and is started again. */
  readonly onRestart?: (lastWords: string) => void;
}

/** `sun_path` holds 108 bytes and ends with a zero. */
const SOCKET_PATH_BYTES = 107;
const READY_MS = 60_000;
const STOP_MS = 3000;
/** A server that ran for `healthy` ms before it died is started again at once; one that keeps dying less and less often. */
const RESTART_MS = { first: 50, most: 5000, healthy: 10_000 };

export class EmbeddedRedis {
  readonly socket: string;
  readonly #options: EmbeddedOptions;
  readonly #folder: string;
  readonly #ownFolder: string | undefined;
  #child: ChildProcess | undefined;
  #lastWords = '';
  #stopping = false;
  #restart: NodeJS.Timeout | undefined;
  #restartMs = RESTART_MS.first;
  #wasReady = false;
  readonly #killOnExit = () => this.#child?.kill('SIGTERM');

  private constructor(options: EmbeddedOptions) {
    this.#options = options;
    this.#folder = join(resolve(options.dataDir), 'redis');
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const near = join(this.#folder, 'redis.sock');
    if (Buffer.byteLength(near) > SOCKET_PATH_BYTES) {
      this.#ownFolder = mkdtempSync(join(tmpdir(), 'tocsin-'));
    }
    process.once('exit', this.#killOnExit);
    this.socket = this.#ownFolder ? join(this.#ownFolder, 'redis.sock') : near;
  }

  /** Starts the server and waits until it has loaded its data. */
  static async start(options: EmbeddedOptions): Promise<EmbeddedRedis> {
    const embedded = new EmbeddedRedis(options);
    try {
      await endStale(embedded.#folder);
      await embedded.#spawn();
      await embedded.#ready();
      return embedded;
    } catch (error) {
      await embedded.stop();
      throw error;
    }
  }

  /** Process id of the server, for tests that kill it. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Ends the server after it has written everything. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    process.off('exit', this.#killOnExit);
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await ended;
      clearTimeout(late);
    }
    if (this.#ownFolder) rmSync(this.#ownFolder, { recursive: true, force: true });
  }

  async #spawn(): Promise<void> {
    const { server, fsync } = this.#options;
    const settings: Record<string, string> = {
      port: '0',
      unixsocket: this.socket,
      unixsocketperm: '700',
      dir: this.#folder,
      pidfile: join(this.#folder, 'redis.pid'),
      daemonize: 'no',
      appendonly: 'yes',
      appendfsync: fsync,
      // Rewriting the append-only file costs a core for a while: not for small files, and without compressing.
      'auto-aof-rewrite-min-size': '512mb',
      rdbcompression: 'no',
      save: '',
      'maxmemory-policy': 'noeviction',
      loglevel: 'notice',
    };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    // Its own process group: Ctrl-C reaches only us, and we end it in our order.
    const child = spawn(server, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.#child = child;
    const remember = (chunk: Buffer) => {
      this.#lastWords = (this.#lastWords + chunk.toString()).slice(-4096);
    };
    child.stdout.on('data', remember);
    child.stderr.on('data', remember);
    try {
      await once(child, 'spawn');
    } catch (error) {
      this.#child = undefined;
      throw cannotRun(server, error as NodeJS.ErrnoException);
    }
    const started = Date.now();
    child.once('exit', () => {
      if (Date.now() - started > RESTART_MS.healthy) this.#restartMs = RESTART_MS.first;
      this.#onExit();
    });
  }

  #onExit(): void {
    if (this.#stopping || !this.#wasReady) return;
    this.#options.onRestart?.(lastLine(this.#lastWords));
    this.#restart = setTimeout(() => {
      this.#spawn().catch(() => this.#onExit());
    }, this.#restartMs);
    this.#restartMs = Math.min(this.#restartMs * 2, RESTART_MS.most);
  }

  async #ready(): Promise<void> {
    const child = this.#child as ChildProcess;
    const client = new Redis({
      path: this.socket,
      lazyConnect: true,
      maxRetriesPerRequest: null,
      disconnectTimeout: 100,
      retryStrategy: () => 10,
    });
    client.on('error', () => {});
    const controller = new AbortController();
    const { signal } = controller;
    try {
      const ended = once(child, 'exit', { signal }).then(() => {
        throw new StartupError(
          `The embedded Redis (${this.#options.server}) ended while starting: ${lastLine(this.#lastWords)}`,
        );
      });
      const late = sleep(READY_MS, undefined, { signal }).then(() => {
        throw new StartupError(
          `The embedded Redis did not become ready within ${READY_MS / 1000} s: ${lastLine(this.#lastWords)}`,
        );
      });
      ended.catch(() => {});
      late.catch(() => {});
      // ioredis reports `ready` only after the data set is loaded.
      client.connect().catch(() => {});
      await Promise.race([client.ping(), ended, late]);
      this.#wasReady = true;
    } finally {
      controller.abort();
      client.disconnect();
    }
  }
}

function cannotRun(server: string, error: NodeJS.ErrnoException): StartupError {
  const reason =
    error.code === 'ENOENT'
      ? `The program ${server} was not found: install it (Debian: apt-get install redis-server), name another with redis.server, or give redis.url.`
      : `The program ${server} cannot be started: ${error.message}.`;
  return new StartupError(reason, { cause: error });
}

/** The last line that Redis logged, without its own prefix. */
function lastLine(text: string): string {
  const line = text.trim().split('\n').at(-1) ?? '';
  return line.replace(/^\d+:\w \d+ \w+ \d+ [\d:.]+ [.*#-] /, '') || 'it said nothing';
}

/** Ends the server that an earlier run left behind, after making sure that the process is really that server. */
async function endStale(folder: string): Promise<void> {
  let pid: number;
  try {
    pid = Number(readFileSync(join(folder, 'redis.pid'), 'utf8'));
  } catch {
    return;
  }
  if (!Number.isSafeInteger(pid) || pid < 2 || !servesFrom(pid, folder)) return;
  process.kill(pid, 'SIGTERM');
  for (let waited = 0; servesFrom(pid, folder); waited += 20) {
    if (waited === STOP_MS) process.kill(pid, 'SIGKILL');
    await sleep(20);
  }
}

/** Whether the process is a Redis (or Valkey) that works in this folder. */
function servesFrom(pid: number, folder: string): boolean {
  try {
    const program = basename(readlinkSync(`/proc/${pid}/exe`));
    return (
      /redis|valkey/.test(program) && readlinkSync(`/proc/${pid}/cwd`) === realpathSync(folder)
    );
  } catch {
    return false;
  }
}
