/** The programs that are measured, each as its own processes, as people run them. */
import assert from 'node:assert/strict';
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fastify from 'fastify';
import { waitFor } from '../../support/wait.ts';

/** A running program that takes alerts. */
export interface Target {
  readonly url: string;
  /** What it speaks. */
  readonly kind: 'tocsin' | 'alertmanager' | 'bare';
  /** Of the administrator. */
  readonly token: string;
  /** Its processes by name. */
  readonly pids: Readonly<Record<string, number>>;
  /** Socket of the embedded Redis. */
  readonly redis?: string;
  stop(): Promise<void>;
}

const program = join(import.meta.dirname, '../../../../tocsin.js');
const ALERTMANAGER = '/usr/bin/prometheus-alertmanager';

const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGTERM');
});

/** It does not outlive this process. */
function held(child: ChildProcess): ChildProcess {
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

/** `tocsin server` with its embedded Redis. `BENCH_PROFILE` names a folder for CPU profiles of it. */
export async function startTocsin(
  configuration: object = {},
  fsync: 'always' | 'everysec' = 'always',
): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-bench-'));
  const settings = ['listen=127.0.0.1:0', `data_dir=${folder}`, `redis.fsync=${fsync}`];
  const file = join(folder, 'tocsin.yaml');
  writeFileSync(file, JSON.stringify(configuration));
  const { BENCH_PROFILE } = process.env;
  const child = held(
    fork(
      program,
      ['server', '--config', file, ...settings.flatMap((setting) => ['--set', setting])],
      {
        stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
        execArgv: BENCH_PROFILE ? ['--cpu-prof', `--cpu-prof-dir=${BENCH_PROFILE}`] : [],
      },
    ),
  );
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  const url = /http:\S+/.exec(line.toString())?.[0];
  assert.ok(url, `no ready line: ${line}`);
  return {
    url,
    kind: 'tocsin',
    token: readFileSync(join(folder, 'admin.token'), 'utf8').trim(),
    pids: {
      node: child.pid as number,
      redis: Number(readFileSync(join(folder, 'redis/redis.pid'), 'utf8')),
    },
    redis: join(folder, 'redis/redis.sock'),
    stop: async () => {
      await end(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Why there is nothing of Alertmanager to compare with; undefined when there is. */
export const alertmanagerMissing = (): string | undefined =>
  existsSync(ALERTMANAGER)
    ? undefined
    : `${ALERTMANAGER} is not installed (Debian package prometheus-alertmanager)`;

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** Debian's Alertmanager, alone, with the grouping of ours that has one route. */
export async function startAlertmanager(): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-bench-'));
  const file = join(folder, 'alertmanager.yml');
  const route = { receiver: 'none', group_by: ['rule', 'hostname'] };
  writeFileSync(file, JSON.stringify({ route, receivers: [{ name: 'none' }] }));
  const url = `http://127.0.0.1:${await freePort()}`;
  const flags = [
    `--config.file=${file}`,
    `--storage.path=${folder}`,
    `--web.listen-address=${new URL(url).host}`,
    '--cluster.listen-address=',
    '--log.level=error',
  ];
  const child = held(spawn(ALERTMANAGER, flags, { stdio: ['ignore', 'ignore', 'inherit'] }));
  await waitFor('Alertmanager', async () => {
    const answer = await fetch(`${url}/-/ready`).catch(() => undefined);
    return answer?.ok;
  });
  return {
    url,
    kind: 'alertmanager',
    token: '',
    pids: { alertmanager: child.pid as number },
    stop: async () => {
      await end(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A Fastify server that reads bodies and answers: what HTTP alone costs. */
export async function startBare(): Promise<Target> {
  const child = held(fork(import.meta.filename, ['--bare'], { stdio: 'inherit' }));
  const [url] = (await once(child, 'message')) as [string];
  const stop = () => end(child);
  return { url, kind: 'bare', token: '', pids: { node: child.pid as number }, stop };
}

async function serveBare(): Promise<void> {
  const app = fastify({ bodyLimit: 4 * 1024 * 1024 });
  app.addContentTypeParser('application/x-ndjson', { parseAs: 'buffer' }, (_r, body, done) =>
    done(null, body),
  );
  app.post('/v1/alerts', async (_request, reply) => reply.status(202).send({ alerts: 0 }));
  process.send?.(await app.listen({ host: '127.0.0.1', port: 0 }));
}

if (process.argv[2] === '--bare') await serveBare();
