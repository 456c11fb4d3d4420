/**
 * Several agents send while replicas and Redis (append-only file, fsync always) are killed at random. At the end everything that was
 * acknowledged was told, the ledger adds up, and nothing was told twice but what is marked so.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Alert, signBatch } from '@tocsin/openapi';
import { exportJWK, generateKeyPair } from 'jose';
import { type Receiver, type WebhookCall, webhookReceiver } from '../support/receivers.ts';
import { type Running, tocsin } from '../support/tocsin.ts';
import { waitFor } from '../support/wait.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const BATCH = 10;
const REPLICAS = 2;

export interface ChaosReport {
  readonly acknowledged: number;
  readonly kills: number;
  readonly refusals: number;
  /** Notifications that came twice, marked. */
  readonly duplicates: number;
}

interface Told {
  readonly data: {
    readonly repeated?: boolean;
    readonly group: { readonly firing: readonly { readonly labels: Record<string, string> }[] };
  };
}

/** A slow machine starts it in ten seconds, and Redis may be killed each time. */
const START_MS = 180_000;

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** Runs for so long under load, then waits until all is told. Throws when something is lost. */
export async function runChaos(seconds: number, agents: number): Promise<ChaosReport> {
  const home = mkdtempSync(join(tmpdir(), 'tocsin-chaos-'));
  const hook = await webhookReceiver(SECRET);
  const fleet = new Fleet(home, hook, await freePort());
  try {
    await fleet.start();
    return await fleet.run(seconds, agents);
  } finally {
    await fleet.stop();
    await hook.close();
    rmSync(home, { recursive: true, force: true });
  }
}

class Fleet {
  readonly #home: string;
  readonly #hook: Receiver<WebhookCall>;
  readonly #redisPort: number;
  readonly #replicas: (Running | undefined)[] = [];
  readonly #starting: Promise<void>[] = [];
  readonly #urls: string[] = [];
  readonly #acknowledged = new Set<string>();
  #redis: ChildProcess | undefined;
  #token = '';
  #kills = 0;
  #refusals = 0;

  constructor(home: string, hook: Receiver<WebhookCall>, redisPort: number) {
    this.#home = home;
    this.#hook = hook;
    this.#redisPort = redisPort;
  }

  async start(): Promise<void> {
    const config = {
      redis: { url: `redis://127.0.0.1:${this.#redisPort}` },
      labels: { output_fields: ['fd.name'] },
      storm: { new_groups: { per_minute: 1_000_000, burst: 1_000_000 }, max_groups: 1_000_000 },
      route: {
        receiver: 'hook',
        group_by: ['hostname', 'rule'],
        group_wait: '200ms',
        group_interval: '1s',
        repeat_interval: '1h',
      },
      channels: [
        {
          name: 'hook',
          kind: 'webhook',
          settings: {
            url: `http://127.0.0.1:${this.#hook.port}/`,
            secret: { value: SECRET },
            allow_private_addresses: true,
          },
        },
      ],
    };
    writeFileSync(join(this.#home, 'tocsin.yaml'), JSON.stringify(config));
    this.#startRedis();
    for (let replica = 0; replica < REPLICAS; replica++) {
      const folder = join(this.#home, String(replica));
      mkdirSync(folder, { mode: 0o700 });
      if (replica > 0) {
        for (const file of ['admin.token', 'secrets.key'])
          copyFileSync(join(this.#home, '0', file), join(folder, file));
      }
      this.#urls.push(`http://127.0.0.1:${await freePort()}`);
      await this.#startReplica(replica);
      this.#token = readFileSync(join(folder, 'admin.token'), 'utf8').trim();
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#replicas.map((replica) => replica?.stop('SIGKILL')));
    this.#redis?.kill('SIGKILL');
  }

  async run(seconds: number, agents: number): Promise<ChaosReport> {
    const end = Date.now() + seconds * 1000;
    const load = Array.from({ length: agents }, (_none, agent) => this.#agent(agent, end));
    await this.#killUntil(end);
    await Promise.all(load);
    await this.#settled();
    return {
      acknowledged: this.#acknowledged.size,
      kills: this.#kills,
      refusals: this.#refusals,
      duplicates: this.#checkTold(),
    };
  }

  #startRedis(): void {
    const settings = {
      port: String(this.#redisPort),
      bind: '127.0.0.1',
      dir: this.#home,
      appendonly: 'yes',
      appendfsync: 'always',
      save: '',
    };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    this.#redis = spawn('redis-server', args, { stdio: 'ignore' });
  }

  async #startReplica(replica: number): Promise<void> {
    const folder = join(this.#home, String(replica));
    const listen = (this.#urls[replica] ?? '').replace('http://', '');
    const args = ['--config', join(this.#home, 'tocsin.yaml'), '--data-dir', folder];
    const start = async () => {
      const running = tocsin(['server', '--listen', listen, ...args]);
      this.#replicas[replica] = running;
      // Redis may be killed while it starts.
      return running.line(/is ready/).then(
        () => true,
        () => false,
      );
    };
    await waitFor('a replica', start, START_MS);
  }

  /** One after the other, with no pause that anything could settle in; at least three, whatever time it takes to start. */
  async #killUntil(end: number): Promise<void> {
    for (let turn = 0; Date.now() < end || turn < 3; turn++) {
      await sleep(300 + Math.random() * 700);
      this.#kills++;
      if (turn % 3 === 2) {
        this.#redis?.kill('SIGKILL');
        await sleep(Math.random() * 300);
        this.#startRedis();
        continue;
      }
      const replica = turn % REPLICAS;
      await this.#starting[replica];
      await this.#replicas[replica]?.stop('SIGKILL');
      this.#starting[replica] = this.#startReplica(replica);
    }
    await Promise.all(this.#starting);
  }

  async #agent(number: number, end: number): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair('Ed25519', { extractable: true });
    const { kty, crv, x } = await exportJWK(publicKey);
    const headers = { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' };
    const made = await this.#insist('/v1/join-tokens', headers, '{}');
    const enrolled = await this.#insist(
      '/v1/agents/enroll',
      headers,
      JSON.stringify({
        join_token: made['join_token'],
        hostname: `host-${number}`,
        version: '0',
        public_key: { kty, crv, x },
      }),
    );
    const { agent, kid, audience: aud } = enrolled as Record<string, string>;
    for (let seq = 1; Date.now() < end; seq++) {
      const names = Array.from({ length: BATCH }, (_none, index) => `${number}-${seq}-${index}`);
      const lines = names.map((name) => JSON.stringify(anAlert(number, seq, name)));
      const body = Buffer.from(`${lines.join('\n')}\n`);
      const iat = Math.floor(Date.now() / 1000);
      const claims = { agent: agent ?? '', kid: kid ?? '', aud: aud ?? '', seq, iat };
      const signature = await signBatch(body, claims, privateKey);
      const type = 'application/x-ndjson';
      await this.#insist(
        '/v1/alerts',
        { 'content-type': type, 'tocsin-signature': signature },
        body,
      );
      for (const name of names) this.#acknowledged.add(name);
    }
  }

  /** Sends until it is taken, to any replica; whatever is not taken must be refused for the store, with a time to wait. */
  async #insist(
    path: string,
    headers: Record<string, string>,
    body: string | Buffer,
  ): Promise<Record<string, unknown>> {
    return waitFor(
      `an answer to ${path}`,
      async () => {
        const url = this.#urls[Math.floor(Math.random() * REPLICAS)] as string;
        const response = await fetch(url + path, { method: 'POST', headers, body }).catch(() => {});
        if (!response) return false;
        const answer = (await response.json().catch(() => ({}))) as Record<string, unknown>;
        if (response.ok) return answer;
        assert.equal(response.status, 503, JSON.stringify(answer));
        assert.ok(response.headers.get('retry-after'));
        this.#refusals++;
        return false;
      },
      60_000,
    );
  }

  /** Waits until nothing is pending, and checks the account. */
  async #settled(): Promise<void> {
    const headers = { authorization: `Bearer ${this.#token}` };
    let shown = '';
    const ledger = await waitFor(
      'an account with nothing pending',
      async () => {
        const response = await fetch(`${this.#urls[0]}/v1/ledger`, { headers }).catch(() => {});
        if (!response?.ok) {
          shown = String(response?.status);
          return false;
        }
        const read = (await response.json()) as Ledger;
        for (const account of [read, ...read.agents, ...read.routes]) {
          const sum = Object.values(account.outcomes).reduce((a, b) => a + b, 0);
          assert.equal(account.accepted, sum, JSON.stringify(account));
        }
        shown = JSON.stringify(read.outcomes);
        return read.outcomes['pending'] === 0 && read.accepted > 0 ? read : false;
      },
      60_000,
    ).catch((error: Error) => {
      throw new Error(`${error.message}: ${shown}\n${this.#words()}`);
    });
    assert.equal(ledger.accepted, this.#acknowledged.size);
    assert.equal(ledger.outcomes['notified'], this.#acknowledged.size);
    assert.equal(
      ledger.agents.reduce((sum, { accepted }) => sum + accepted, 0),
      ledger.accepted,
    );
  }

  /** What the replicas said last. */
  #words(): string {
    return this.#replicas.map((replica) => replica?.stderr().slice(-2000)).join('\n');
  }

  /** Everything was told. Returns how many notifications came twice. */
  #checkTold(): number {
    const told = new Set<string>();
    const seen = new Set<string>();
    let duplicates = 0;
    for (const { id, payload } of this.#hook.received) {
      const { data } = payload as Told;
      if (seen.has(id)) {
        assert.equal(data.repeated, true, `notification ${id} came twice and is not marked`);
        duplicates++;
      }
      seen.add(id);
      for (const { labels } of data.group.firing) told.add(labels['fd.name'] ?? '');
    }
    const lost = [...this.#acknowledged].filter((name) => !told.has(name));
    assert.deepEqual(lost, []);
    return duplicates;
  }
}

interface Account {
  readonly accepted: number;
  readonly outcomes: Readonly<Record<string, number>>;
}
interface Ledger extends Account {
  readonly agents: readonly Account[];
  readonly routes: readonly Account[];
}

const anAlert = (agent: number, seq: number, name: string): Alert => ({
  uuid: randomUUID(),
  time: new Date().toISOString(),
  rule: `rule ${seq}`,
  priority: 'Notice',
  source: 'syscall',
  output: `number ${name}`,
  output_fields: { 'fd.name': name },
  hostname: `host-${agent}`,
  tags: [],
});
