/**
 * The control plane is killed while alerts happen, or its Redis is full, read-only, hung or gone: the agent spools, and everything
 * arrives later, in order, once.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { probeCapabilities } from '@tocsin/native';
import type { StoredAlert } from '@tocsin/openapi';
import { Redis } from 'ioredis';
import { type Running, tocsin } from '../support/tocsin.ts';
import { waitFor } from '../support/wait.ts';

const { problems } = probeCapabilities();
const noProbe = problems.length > 0 ? problems.map(({ what }) => what).join('; ') : false;

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

describe('an outage', { skip: noProbe }, async () => {
  const home = mkdtempSync(join(tmpdir(), 'tocsin-outage-'));
  const running = new Set<Running>();
  const launch = (args: readonly string[], environment: Record<string, string> = {}) => {
    const process = tocsin(args, environment);
    running.add(process);
    return process;
  };
  const kill = async (process: Running) => {
    await process.stop('SIGKILL');
    running.delete(process);
  };
  after(async () => {
    await Promise.all([...running].map((process) => process.stop('SIGTERM')));
    rmSync(home, { recursive: true, force: true });
  });

  /** A control plane, an agent that watches a folder, and what arrives. */
  async function stage(name: string, environment: Record<string, string> = {}) {
    const folder = join(home, name);
    const watched = join(folder, 'watched');
    mkdirSync(watched, { recursive: true });
    const listen = `127.0.0.1:${await freePort()}`;
    const serverData = join(folder, 'server');
    const serve = async () => {
      const server = launch(['server', '--listen', listen, '--data-dir', serverData], environment);
      await server.line(/ready/);
      return server;
    };
    const server = await serve();
    const token = readFileSync(join(serverData, 'admin.token'), 'utf8').trim();
    const call = (path: string, body?: object) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const init = body ? { method: 'POST', headers, body: JSON.stringify(body) } : { headers };
      return fetch(`http://${listen}${path}`, init);
    };
    const ask = async (path: string, body?: object) => {
      const response = await call(path, body);
      assert.ok(response.ok, `${path}: ${response.status}`);
      return (await response.json()) as Record<string, unknown>;
    };
    const joinFile = join(folder, 'join.token');
    const { join_token: joinToken } = await ask('/v1/join-tokens', {});
    writeFileSync(joinFile, String(joinToken), { mode: 0o600 });
    const rules = join(folder, 'rules.yaml');
    writeFileSync(
      rules,
      `- rule: Outage test
  desc: A file below the watched folder was made.
  condition: evt.type in (open, openat, openat2, creat) and evt.is_open_write = true and fd.name startswith ${watched}/
  output: made %fd.name
  priority: WARNING
`,
    );
    const watch = async () => {
      const agent = launch([
        ...['agent', '--rules', rules, '--server', `http://${listen}`, '--output', 'stdout-json'],
        ...['--join-token-file', joinFile, '--data-dir', join(folder, 'agent')],
      ]);
      await agent.line(/^ready$/m);
      return agent;
    };
    const named = (number: number) => String(number).padStart(4, '0');
    const make = (from: number, to: number) => {
      for (let number = from; number < to; number++)
        execFileSync('sh', ['-c', ': > "$0"', join(watched, named(number))]);
    };
    const arrived = async () => {
      const seen: StoredAlert[] = [];
      for (let cursor = ''; ; ) {
        const page = await ask(
          `/v1/alerts?rule=${encodeURIComponent('Outage test')}&limit=100${cursor}`,
        );
        seen.push(...(page['items'] as StoredAlert[]));
        if (!page['next']) return seen;
        cursor = `&cursor=${encodeURIComponent(String(page['next']))}`;
      }
    };
    /** What answers 503 is not back yet. */
    const count = (number: number) =>
      waitFor(
        `${number} alerts`,
        async () => (await arrived().catch(() => [])).length >= number,
        60_000,
      );
    /** Every one of so many arrived, in order, once. */
    const check = async (number: number) => {
      const all = (await arrived()).reverse();
      const files = all.map(({ output_fields }) => String(output_fields['fd.name']).slice(-4));
      assert.deepEqual(
        files,
        Array.from({ length: number }, (_, i) => named(i)),
      );
      assert.ok(
        all.every(({ count }) => count === 1),
        'nothing arrived twice',
      );
      const { accepted, outcomes } = await ask('/v1/ledger');
      const sum = Object.values(outcomes as Record<string, number>).reduce((a, b) => a + b, 0);
      assert.equal(accepted, sum);
    };
    return { server, serve, watch, make, call, count, check };
  }

  test('of the control plane loses nothing, keeps the order and repeats nothing', async () => {
    const { server, serve, watch, make, count, check } = await stage('server');
    const agent = await watch();
    make(0, 20);
    await count(20);
    await kill(server);
    make(20, 60);
    // What was judged is spooled before it is printed; what is still in the kernel dies with the agent.
    await agent.line(/watched\/0059/);
    await kill(agent);
    await watch();
    make(60, 80);
    await serve();
    await count(80);
    await check(80);
  });

  test('of Redis of any kind is answered with 503, and all arrives after it', async () => {
    const port = await freePort();
    const data = join(home, 'redis');
    mkdirSync(data);
    let server: ChildProcess | undefined;
    const redis = new Redis({
      port,
      host: '127.0.0.1',
      lazyConnect: true,
      retryStrategy: () => 50,
    });
    redis.on('error', () => {});
    const start = async () => {
      const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', data, '--save', ''];
      args.push('--appendonly', 'yes', '--appendfsync', 'always');
      server = spawn('redis-server', args, { stdio: 'ignore' });
      await waitFor('Redis', () =>
        redis.ping().then(
          () => true,
          () => false,
        ),
      );
    };
    try {
      await start();
      const { watch, make, call, count, check } = await stage('faults', {
        TOCSIN_REDIS_URL: `redis://127.0.0.1:${port}`,
      });
      const agent = await watch();
      const faults: [what: string, begin: () => unknown, end: () => unknown][] = [
        [
          'full',
          () => redis.config('SET', 'maxmemory', '1'),
          () => redis.config('SET', 'maxmemory', '0'),
        ],
        ['read-only', () => redis.replicaof('127.0.0.1', 1), () => redis.replicaof('NO', 'ONE')],
        ['hung', () => server?.kill('SIGSTOP'), () => server?.kill('SIGCONT')],
        ['gone', () => server?.kill('SIGKILL'), start],
      ];
      let made = 10;
      make(0, made);
      await count(made);
      for (const [what, begin, end] of faults) {
        await begin();
        await waitFor(`503 while Redis is ${what}`, async () => {
          const { status, headers } = await call('/v1/join-tokens', {});
          return status === 503 && Number(headers.get('retry-after')) > 0;
        });
        make(made, made + 15);
        made += 15;
        // It is judged and spooled meanwhile.
        await agent.line(new RegExp(`watched/${String(made - 1).padStart(4, '0')}`));
        await end();
        await count(made);
      }
      await check(made);
    } finally {
      redis.disconnect();
      server?.kill('SIGCONT');
      server?.kill('SIGKILL');
    }
  });
});
