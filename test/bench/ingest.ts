/**
 * Signed and durable ingest: batches that are signed beforehand are sent by several agents at once over keep-alive connections to a
 * control plane with its embedded Redis. Reported beside the same load with `everysec`, and beside a bare Fastify server that only
 * reads the same bodies. Every run asserts that Redis holds exactly what was sent.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent as HttpAgent, request } from 'node:http';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Alert } from '@tocsin/openapi';
import { signBatch } from '@tocsin/openapi';
import fastify from 'fastify';
import { exportJWK, generateKeyPair } from 'jose';

interface Batch {
  readonly body: Buffer;
  readonly signature: string;
}
interface Target {
  readonly url: string;
  readonly token: string;
  stop(): Promise<void>;
}
interface Load {
  readonly agents: number;
  /** Sent before the clock starts, and after. */
  readonly warmUp: number;
  readonly batches: number;
  readonly size: number;
}

const LOADS = {
  hundred: { agents: 8, warmUp: 50, batches: 150, size: 100 },
  one: { agents: 32, warmUp: 50, batches: 250, size: 1 },
} as const satisfies Record<string, Load>;
const { BENCH_SAMPLES = '3' } = process.env;
const SAMPLES = Number(BENCH_SAMPLES);
const program = join(import.meta.dirname, '../../../tocsin.js');

const anAlert = (agent: number, number: number): Alert => ({
  uuid: randomUUID(),
  time: new Date().toISOString(),
  rule: 'Read sensitive file untrusted',
  priority: 'Warning',
  source: 'syscall',
  output: `Sensitive file opened for reading by non-trusted program (file=/etc/shadow-${number} gparent=sshd ggparent=systemd evt_type=openat user=root user_uid=0 process=cat proc_exepath=/usr/bin/cat parent=bash command=cat /etc/shadow-${number} terminal=34816)`,
  output_fields: {
    'evt.time': 1_700_000_000_000 + number,
    'evt.type': 'openat',
    'fd.name': `/etc/shadow-${number}`,
    'proc.name': 'cat',
    'proc.exepath': '/usr/bin/cat',
    'proc.pname': 'bash',
    'proc.cmdline': `cat /etc/shadow-${number}`,
    'proc.tty': 34816,
    'user.name': 'root',
    'user.uid': 0,
    'container.id': 'host',
  },
  hostname: `host-${agent}`,
  tags: ['T1555', 'container', 'filesystem', 'host', 'maturity_stable', 'mitre_credential_access'],
});

const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGTERM');
});

/** A process that does not outlive this one. */
function start(file: string, args: string[], stdout: 'pipe' | 'inherit'): ChildProcess {
  const child = fork(file, args, { stdio: ['ignore', stdout, 'inherit', 'ipc'] });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/** Starts `tocsin server` as its own process, as people run it. */
async function startServer(fsync: string, configuration: object = {}): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-bench-'));
  const settings = ['listen=127.0.0.1:0', `data_dir=${folder}`, `redis.fsync=${fsync}`];
  const flags = settings.flatMap((setting) => ['--set', setting]);
  const file = join(folder, 'tocsin.yaml');
  writeFileSync(file, JSON.stringify(configuration));
  flags.push('--config', file);
  const child = start(program, ['server', ...flags], 'pipe');
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  const url = /http:\S+/.exec(line.toString())?.[0];
  assert.ok(url, `no ready line: ${line}`);
  return {
    url,
    token: readFileSync(join(folder, 'admin.token'), 'utf8').trim(),
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A configuration that groups by rule and host, with so many routes. */
const routed = (routes: number) => ({
  route: {
    receiver: 'none',
    group_by: ['rule', 'hostname'],
    routes: Array.from({ length: routes - 1 }, (_none, index) => ({
      matchers: [`team="team-${index}"`, 'priority >= warning'],
    })),
  },
  receivers: [{ name: 'none' }],
});

/** A Fastify server that reads bodies and answers: what HTTP alone costs. */
async function startBare(): Promise<Target> {
  const child = start(import.meta.filename, ['--bare'], 'inherit');
  const [url] = (await once(child, 'message')) as [string];
  return {
    url,
    token: '',
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function serveBare(): Promise<void> {
  const app = fastify({ bodyLimit: 4 * 1024 * 1024 });
  app.addContentTypeParser('application/x-ndjson', { parseAs: 'buffer' }, (_r, body, done) =>
    done(null, body),
  );
  app.post('/v1/alerts', async (_request, reply) => reply.status(202).send({ alerts: 0 }));
  process.send?.(await app.listen({ host: '127.0.0.1', port: 0 }));
}

const http = new HttpAgent({ keepAlive: true, maxSockets: 64 });

function send(
  url: string,
  headers: Record<string, string>,
  body: Buffer | string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request(url, { method: 'POST', agent: http, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      answer.on('end', () => {
        const { statusCode = 0 } = answer;
        if (statusCode < 300) resolve(text);
        else reject(new Error(`${statusCode} ${text}`));
      });
    });
    call.on('error', reject);
    call.end(body);
  });
}

/** Enrols agents and signs everything they will send. */
async function prepare(target: Target, load: Load): Promise<Batch[][]> {
  const json = { 'content-type': 'application/json', authorization: `Bearer ${target.token}` };
  return Promise.all(
    Array.from({ length: load.agents }, async (_none, agent) => {
      const { publicKey, privateKey } = await generateKeyPair('Ed25519', { extractable: true });
      let identity = { agent: 'none', kid: 'none', audience: 'none' };
      if (target.token) {
        const { kty, crv, x } = await exportJWK(publicKey);
        const made = JSON.parse(await send(`${target.url}/v1/join-tokens`, json, '{}'));
        const request = {
          ...made,
          hostname: `host-${agent}`,
          version: '0',
          public_key: { kty, crv, x },
        };
        delete request.expires_at;
        identity = JSON.parse(
          await send(`${target.url}/v1/agents/enroll`, json, JSON.stringify(request)),
        );
      }
      const { kid, audience: aud } = identity;
      const batches: Batch[] = [];
      for (let seq = 1; seq <= load.warmUp + load.batches; seq++) {
        const lines = Array.from({ length: load.size }, (_no, index) =>
          JSON.stringify(anAlert(agent, seq * load.size + index)),
        );
        const body = Buffer.from(`${lines.join('\n')}\n`);
        const iat = Math.floor(Date.now() / 1000);
        const signature = await signBatch(
          body,
          { kid, agent: identity.agent, seq, iat, aud },
          privateKey,
        );
        batches.push({ body, signature });
      }
      return batches;
    }),
  );
}

/** Returns how long it took, ms. */
async function sendBatch(target: Target, { body, signature }: Batch): Promise<number> {
  const from = performance.now();
  const headers = {
    'content-type': 'application/x-ndjson',
    'content-length': String(body.length),
    'tocsin-signature': signature,
  };
  await send(`${target.url}/v1/alerts`, headers, body);
  return performance.now() - from;
}

interface Sample {
  readonly alertsPerSecond: number;
  readonly batchesPerSecond: number;
  readonly p99Ms: number;
}

async function run(start: () => Promise<Target>, load: Load): Promise<Sample> {
  const target = await start();
  try {
    const prepared = await prepare(target, load);
    const times: number[] = [];
    const sendAll = (from: number, to: number) =>
      Promise.all(
        prepared.map(async (batches) => {
          for (const batch of batches.slice(from, to)) times.push(await sendBatch(target, batch));
        }),
      );
    await sendAll(0, load.warmUp);
    times.length = 0;
    const began = performance.now();
    await sendAll(load.warmUp, load.warmUp + load.batches);
    const seconds = (performance.now() - began) / 1000;
    const batches = load.agents * load.batches;
    const expected = load.agents * (load.warmUp + load.batches) * load.size;
    if (target.token) await assertStored(target, expected);
    times.sort((a, b) => a - b);
    return {
      alertsPerSecond: (batches * load.size) / seconds,
      batchesPerSecond: batches / seconds,
      p99Ms: times[Math.floor(times.length * 0.99)] ?? 0,
    };
  } finally {
    await target.stop();
  }
}

/** The ledger in Redis, as `/metrics` shows it, must hold every alert that was acknowledged. */
async function assertStored(target: Target, expected: number): Promise<void> {
  const text = await (await fetch(`${target.url}/metrics`)).text();
  const state = (name: string) =>
    Number(new RegExp(`^tocsin_alerts{state="${name}"} (\\d+)`, 'm').exec(text)?.[1] ?? 0);
  assert.equal(state('accepted'), expected);
  assert.equal(state('unrouted') + state('grouped') + state('deduplicated'), expected);
  assert.equal(state('deduplicated'), 0);
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;

async function measure(name: string, load: Load): Promise<void> {
  const kinds: Record<string, () => Promise<Target>> = {
    'fsync always': () => startServer('always'),
    'with routes': () => startServer('always', routed(1)),
    '10,000 routes': () => startServer('always', routed(10_000)),
    'fsync everysec': () => startServer('everysec'),
    'bare fastify': startBare,
  };
  const samples = new Map<string, Sample[]>();
  for (let round = 0; round < SAMPLES; round++) {
    for (const [kind, start] of Object.entries(kinds)) {
      samples.set(kind, [...(samples.get(kind) ?? []), await run(start, load)]);
    }
  }
  const bare = median((samples.get('bare fastify') ?? []).map((one) => one.batchesPerSecond));
  process.stdout.write(`\ningest, batches of ${load.size} (${name}), ${load.agents} agents\n`);
  for (const [kind, list] of samples) {
    const alerts = median(list.map((one) => one.alertsPerSecond));
    const batches = median(list.map((one) => one.batchesPerSecond));
    const p99 = median(list.map((one) => one.p99Ms));
    process.stdout.write(
      `  ${kind.padEnd(15)} ${alerts.toFixed(0).padStart(8)} alerts/s ${batches.toFixed(0).padStart(7)} batches/s  p99 ${p99.toFixed(1).padStart(6)} ms  ${(batches / bare).toFixed(3)} of bare\n`,
    );
  }
}

if (process.argv[2] === '--bare') {
  await serveBare();
} else {
  process.stdout.write(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}\n`);
  for (const [name, load] of Object.entries(LOADS)) await measure(name, load);
  http.destroy();
}
