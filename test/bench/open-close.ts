/** What a watched open/close pair costs against an unwatched one, in one run, with the agent's CPU time and its lost events. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, tocsin } from '../support/tocsin.ts';
import { waitFor } from '../support/wait.ts';
import { median, report } from './report.ts';

const PAIRS = 1_000_000;
const ROUNDS = 5;
const home = mkdtempSync(join(tmpdir(), 'tocsin-bench-'));
const program = join(home, 'open-close');
const path = join(home, 'file');
const data = join(home, 'data');

/** Nanoseconds a pair, pinned to the first core so that the agent can have the other. */
const measure = () =>
  Number(execFileSync('taskset', ['-c', '0', program, String(PAIRS), path], { encoding: 'utf8' }));

/** CPU time of a process in milliseconds (ticks are 10 ms). */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

try {
  execFileSync('cc', ['-O2', '-o', program, join(ROOT, 'test/bench/open-close.c')]);
  writeFileSync(path, 'x');
  const unwatched: number[] = [];
  const watched: number[] = [];
  const cpu: number[] = [];
  let lost = 0;
  let canaries = 0;
  for (let round = 0; round < ROUNDS; round++) {
    unwatched.push(measure());
    const agent = tocsin(['agent', '--output', 'stdout-json', '--data-dir', data]);
    await agent.line(/^ready$/m);
    const before = cpuOf(agent.process.pid ?? 0);
    const pair = measure();
    watched.push(pair);
    cpu.push((cpuOf(agent.process.pid ?? 0) - before) / ((pair * PAIRS) / 1e6));
    // In the middle of the backlog; it may be shed with the rest, and then a later one tells that the agent goes on.
    const rings = () => agent.stdout().includes('/etc/shadow');
    execFileSync('cat', ['/etc/shadow']);
    await waitFor('the canary', rings, 2000).then(
      () => canaries++,
      () => undefined,
    );
    await waitFor('a later canary', () => {
      if (!rings()) execFileSync('cat', ['/etc/shadow']);
      return rings();
    });
    await agent.stop();
    for (const line of agent.stdout().trim().split('\n')) {
      const alert = JSON.parse(line) as { source: string; output_fields: Record<string, number> };
      if (alert.source === 'internal') lost += alert.output_fields['tocsin.lost'] ?? 0;
    }
  }
  report('open-close', [
    ['unwatched pair', `${median(unwatched).toFixed(0)} ns`, '1.00'],
    [
      'watched pair, no rule wants the path',
      `${median(watched).toFixed(0)} ns`,
      (median(watched) / median(unwatched)).toFixed(2),
    ],
    ['agent CPU meanwhile', `${(median(cpu) * 100).toFixed(0)} % of a core`, ''],
    ['pairs a second', `${Math.round(1e9 / median(watched)).toLocaleString('en')}`, ''],
    ['events lost', `${lost} of ${(PAIRS * ROUNDS).toLocaleString('en')} pairs`, ''],
    ['sensitive read in the backlog rang', `${canaries} of ${ROUNDS}`, ''],
  ]);
} finally {
  rmSync(home, { recursive: true, force: true });
}
