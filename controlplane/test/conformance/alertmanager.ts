/** Debian's Alertmanager as a real process, whose receivers are webhooks here. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

type Labels = Readonly<Record<string, string>>;

/** What a receiver was told. */
export interface Told {
  /** When it came, ms since the epoch. */
  readonly at: number;
  readonly receiver: string;
  readonly groupKey: string;
  readonly groupLabels: Labels;
  readonly firing: readonly Labels[];
  readonly resolved: readonly Labels[];
}

export interface ApiAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers are compared, not trusted
  readonly body: any;
}

export interface Receiver {
  readonly name: string;
  readonly sendResolved: boolean;
}

const START_MS = 30_000;

export class RealAlertmanager {
  readonly told: Told[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'tocsin-alertmanager-'));
  readonly #webhooks: Server;
  #process: ChildProcess | undefined;
  #url = '';

  private constructor() {
    this.#webhooks = createServer((request, response) => {
      const at = Date.now();
      let text = '';
      request.on('data', (chunk) => {
        text += chunk;
      });
      request.on('end', () => {
        const { receiver, groupKey, groupLabels, alerts } = JSON.parse(text);
        const of = (status: string): Labels[] =>
          alerts.flatMap((one: { status: string; labels: Labels }) =>
            one.status === status ? [one.labels] : [],
          );
        const [firing, resolved] = [of('firing'), of('resolved')];
        this.told.push({ at, receiver, groupKey, groupLabels, firing, resolved });
        response.end();
      });
    });
  }

  /** Starts it with a configuration without receivers, and with these. */
  static async start(
    program: string,
    config: object,
    receivers: readonly Receiver[],
  ): Promise<RealAlertmanager> {
    const one = new RealAlertmanager();
    await new Promise<void>((resolve) => one.#webhooks.listen(0, '127.0.0.1', resolve));
    const { port } = one.#webhooks.address() as AddressInfo;
    const file = join(one.#folder, 'alertmanager.yml');
    const url = `http://127.0.0.1:${port}/`;
    const webhooks = receivers.map(({ name, sendResolved }) => ({
      name,
      webhook_configs: [{ url, send_resolved: sendResolved }],
    }));
    writeFileSync(file, JSON.stringify({ ...config, receivers: webhooks }));
    try {
      await one.#spawn(program, file);
    } catch (error) {
      await one.stop();
      throw error;
    }
    return one;
  }

  async #spawn(program: string, file: string): Promise<void> {
    const args = [`--config.file=${file}`, `--storage.path=${this.#folder}`];
    args.push('--web.listen-address=127.0.0.1:0', '--cluster.listen-address=');
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process = child;
    let log = '';
    child.stderr.on('data', (chunk) => {
      log = (log + chunk).slice(-16_384);
      this.#url ||= /address=(127\.0\.0\.1:\d+)/.exec(log)?.[1] ?? '';
    });
    for (const end = Date.now() + START_MS; this.#url === ''; await sleep(10)) {
      if (child.exitCode !== null) throw new Error(`Alertmanager ended:\n${log}`);
      if (Date.now() > end) throw new Error(`Alertmanager does not listen:\n${log}`);
    }
    // It listens before its API is there.
    while (!(await fetch(`http://${this.#url}/-/ready`)).ok) await sleep(10);
  }

  /** Below `/api/v2`. */
  async call(method: string, path: string, body?: unknown): Promise<ApiAnswer> {
    const answer = await fetch(`http://${this.#url}/api/v2${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === '' ? '' : JSON.parse(text) };
  }

  async post(path: 'alerts' | 'silences', body: unknown): Promise<void> {
    const { status, body: answer } = await this.call('POST', `/${path}`, body);
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(answer)}`);
  }

  async stop(): Promise<void> {
    const child = this.#process;
    if (child && child.exitCode === null) {
      const gone = new Promise((resolve) => child.on('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }
    this.#webhooks.closeAllConnections();
    await new Promise((resolve) => this.#webhooks.close(resolve));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
