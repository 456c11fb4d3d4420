/**
 * What the agent with its own packs costs ordinary work, each with and without it in turns: programs that start and end, walks over files, a compile,
 * and Redis.
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../support/tocsin.ts';
import { waitFor } from '../support/wait.ts';
import { type Cost, lostOf, startAgent, underLoad } from './agent-load.ts';
import { median, report } from './report.ts';

const ROUNDS = 3;
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
  const rows: Row[] = [];
  for (const [name, load] of Object.entries(LOADS)) rows.push(...(await measure(name, load)));
  report('workloads', rows);
} finally {
  stopRedis?.();
  rmSync(home, { recursive: true, force: true });
}
