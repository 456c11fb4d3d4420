/** A million real forks under a running agent: what its memory, its process table and its losses come to. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT, tocsin } from '../support/tocsin.ts';
import { waitFor } from '../support/wait.ts';
import { report } from './report.ts';

const execute = promisify(execFile);
const ROUNDS = 10;
const FORKS = 100_000;
const home = mkdtempSync(join(tmpdir(), 'tocsin-bench-'));
const program = join(home, 'forks');

const residentMb = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

/** The value of a metric; those with labels that fit are added up. */
async function metric(url: string, name: string, fits = /./): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text
    .split('\n')
    .filter((line) => line.replace(/[{ ].*/, '') === name && fits.test(line));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

/** A port that was free a moment ago: the agent does not tell which one it takes by itself. */
async function freePort(): Promise<number> {
  const { createServer } = await import('node:net');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

try {
  execFileSync('cc', ['-O2', '-o', program, join(ROOT, 'test/bench/forks.c')]);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const agent = tocsin(['agent', '--output', 'stdout-json', '--data-dir', join(home, 'data')], {
    TOCSIN_AGENT_METRICS: `127.0.0.1:${port}`,
  });
  const pid = agent.process.pid ?? 0;
  await agent.line(/^ready$/m);
  const resident: number[] = [];
  let nanoseconds = 0;
  for (let round = 0; round < ROUNDS; round++) {
    nanoseconds += Number((await execute(program, [String(FORKS)])).stdout) / ROUNDS;
    resident.push(residentMb(pid));
  }
  await waitFor('the last record', async () => (await metric(url, 'tocsin_processes')) < 20_000);
  const rows = [
    ['after the first tenth', `${resident[0]?.toFixed(0)} MB`, '1.00'],
    [
      'after a million forks',
      `${resident.at(-1)?.toFixed(0)} MB`,
      ((resident.at(-1) ?? 0) / (resident[0] ?? 1)).toFixed(2),
    ],
    ['most meanwhile', `${Math.max(...resident).toFixed(0)} MB`, ''],
    ['processes in the table', String(await metric(url, 'tocsin_processes')), ''],
    ['bytes of the table', String(await metric(url, 'tocsin_processes_bytes')), ''],
    [
      'records never come',
      String(await metric(url, 'tocsin_pipeline_records_total', /missing/)),
      '',
    ],
    ['a fork', `${nanoseconds.toFixed(0)} ns`, ''],
  ] as const;
  await agent.stop();
  report('forks', rows);
} finally {
  rmSync(home, { recursive: true, force: true });
}
