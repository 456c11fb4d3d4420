/**
 * What the agent with its own packs costs ordinary work, each with and without it in turns: programs that start and end, walks over files, a compile,
 * and Redis. And what it costs when nothing happens.
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ROOT, tocsin } from '../support/tocsin.ts';
import { waitFor } from '../support/wait.ts';
import { type Cost, cpuOf, lostOf, rssOf, startAgent, underLoad } from './agent-load.ts';
import { OFFICIAL } from './official-rules.ts';
import { median, report } from './report.ts';

const ROUNDS = 3;
const IDLE_MS = 20_000;
/** Until the agent has given back what its start took. */
const SETTLE_MS = 15_000;
const run = promisify(execFile);
const home = mkdtempSync(join(tmpdir(), 'tocsin-bench-'));
const data = join(home, 'data');
const spawner = join(home, 'spawn');
const sources = join(home, 'sources');
const socket = join(home, 'redis.sock');
const shell = (script: string) => run('/bin/sh', ['-c', script], { cwd: home });

const LOADS: Readonly<Record<string, () => Promise<unknown>>> = {
  '10,000 short processes': () => run(spawner, ['10000', '/bin/true']),
  'find | xargs stat': () =>
    shell('find /usr /etc -xdev -print0 2>/dev/null | xargs -0 stat >/dev/null'),
  'tar of /usr/include and /usr/lib/python3': () =>
    shell('tar -cf - /usr/include /usr/lib/python3* 2>/dev/null | cat >/dev/null'),
  'compile of 40 files': () =>
    shell('for file in sources/*.c; do cc -O1 -c -o object.o "$file" || exit 1; done'),
  'redis-benchmark, 200,000 calls': () =>
    run('redis-benchmark', ['-s', socket, '-n', '100000', '-c', '20', '-t', 'set,get', '-q']),
};

type Row = [string, string, string];

const megabytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MB`;

async function startRedis(): Promise<() => void> {
  const words = ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', home];
  const server = spawn('redis-server', words, { stdio: 'ignore' });
  await waitFor('redis', async () => {
    const { stdout } = await run('redis-cli', ['-s', socket, 'ping']).catch(() => ({ stdout: '' }));
    return stdout.startsWith('PONG');
  });
  return () => server.kill();
}

/** From the start of the command to the first alert of a program that reads /etc/shadow all the time, and what the agent is once it is idle. */
async function idle(name: string, environment: Record<string, string>): Promise<Row[]> {
  const start = performance.now();
  const args = ['agent', '--output', 'stdout-json', '--data-dir', data, '--log-level', 'info'];
  const agent = tocsin(args, environment);
  const reader = spawn('/bin/sh', ['-c', 'while :; do cat /etc/shadow; sleep 0.02; done'], {
    stdio: 'ignore',
  });
  await agent.line(/\/etc\/shadow/);
  const firstMs = performance.now() - start;
  const pid = agent.process.pid ?? 0;
  const startCpu = cpuOf(pid);
  reader.kill();
  await delay(SETTLE_MS);
  const cpu = cpuOf(pid);
  await delay(IDLE_MS);
  const share = (cpuOf(pid) - cpu) / IDLE_MS;
  const rss = rssOf(pid);
  await agent.stop();
  const [, records = '?'] = /.*"records":(\d+)/s.exec(agent.stderr()) ?? [];
  return [
    [`${name}: start to first alert`, `${firstMs.toFixed(0)} ms`, ''],
    ['  agent CPU until then', `${startCpu} ms`, ''],
    ['  idle: agent CPU', `${(share * 100).toFixed(2)} % of a core`, ''],
    ['  idle: agent RSS', megabytes(rss), ''],
    ['  events of the host meanwhile', records, ''],
  ];
}

async function measure(name: string, load: () => Promise<unknown>): Promise<Row[]> {
  const bare: number[] = [];
  const costs: Cost[] = [];
  let lost = 0;
  await load();
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    await load();
    bare.push(performance.now() - start);
    const agent = await startAgent(data);
    await load(); // an agent runs for months: what it learns and compiles at its start is not what it costs
    costs.push(await underLoad(agent, load));
    await agent.stop();
    lost += lostOf(agent);
  }
  const of = (key: keyof Cost) => median(costs.map((cost) => cost[key]));
  return [
    [name, `${median(bare).toFixed(0)} ms`, '1.00'],
    ['  watched', `${of('wallMs').toFixed(0)} ms`, (of('wallMs') / median(bare)).toFixed(2)],
    ['  agent CPU, RSS', `${of('cpuMs').toFixed(0)} ms, ${megabytes(of('rss'))}`, ''],
    ['  events lost', `${lost}`, ''],
  ];
}

let stopRedis: (() => void) | undefined;
try {
  mkdirSync(sources);
  execFileSync('cc', ['-O2', '-o', spawner, join(ROOT, 'test/bench/spawn.c')]);
  const headers = ['stdio', 'stdlib', 'string', 'math', 'time', 'unistd', 'sys/socket', 'sys/stat'];
  const text = headers.map((header) => `#include <${header}.h>\n`).join('');
  for (let i = 0; i < 40; i++)
    writeFileSync(join(sources, `${i}.c`), `${text}int f${i}(void) { return ${i}; }\n`);
  stopRedis = await startRedis();
  const rows = await idle('our own packs', {});
  if (OFFICIAL.every((file) => existsSync(file)))
    rows.push(...(await idle('official rules', { TOCSIN_AGENT_RULES: JSON.stringify(OFFICIAL) })));
  for (const [name, load] of Object.entries(LOADS)) rows.push(...(await measure(name, load)));
  report('workloads', rows);
} finally {
  stopRedis?.();
  rmSync(home, { recursive: true, force: true });
}
