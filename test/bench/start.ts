/**
 * From the start of the command to the first alert of a program that reads /etc/shadow all the time, beside the start of Node itself; what
 * the agent took until then, and what it is soon after and once it is idle. The best of some rounds tells most on a machine with other work.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { tocsin } from '../support/tocsin.ts';
import { cpuOf, rssOf } from './agent-load.ts';
import { OFFICIAL } from './official-rules.ts';
import { median, report } from './report.ts';

const ROUNDS = 5;
const SOON_MS = 3000;
/** Until the agent has given back what its start took. */
const SETTLE_MS = 15_000;
const IDLE_MS = 20_000;

interface Sample {
  readonly firstMs: number;
  readonly cpuMs: number;
  /** When it began, and soon after, bytes. */
  readonly rss: readonly [number, number];
}

const home = mkdtempSync(join(tmpdir(), 'tocsin-bench-'));
const sets: Readonly<Record<string, Record<string, string>>> = {
  'our own packs': {},
  ...(OFFICIAL.every((file) => existsSync(file)) && {
    'official rules': { TOCSIN_AGENT_RULES: JSON.stringify(OFFICIAL) },
  }),
};

const start = (environment: Record<string, string>) => {
  const args = ['agent', '--output', 'stdout-json', '--data-dir', join(home, 'data')];
  return tocsin([...args, '--log-level', 'info'], environment);
};

async function begin(environment: Record<string, string>): Promise<Sample> {
  const began = performance.now();
  const agent = start(environment);
  const pid = agent.process.pid ?? 0;
  const loop = 'while :; do cat /etc/shadow; sleep 0.02; done';
  const reader = spawn('/bin/sh', ['-c', loop], { stdio: 'ignore' });
  try {
    await agent.line(/\/etc\/shadow/);
    const firstMs = performance.now() - began;
    const cpuMs = cpuOf(pid);
    const first = rssOf(pid);
    reader.kill();
    await delay(SOON_MS);
    return { firstMs, cpuMs, rss: [first, rssOf(pid)] };
  } finally {
    reader.kill();
    await agent.stop();
  }
}

function bareNode(): number {
  const began = performance.now();
  execFileSync(process.execPath, ['-e', '0']);
  return performance.now() - began;
}

type Row = [string, string, string];

const megabytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MB`;

async function idle(environment: Record<string, string>): Promise<Row[]> {
  const agent = start(environment);
  await agent.line(/^ready$/m);
  const pid = agent.process.pid ?? 0;
  await delay(SETTLE_MS);
  const cpu = cpuOf(pid);
  await delay(IDLE_MS);
  const share = (cpuOf(pid) - cpu) / IDLE_MS;
  const rss = rssOf(pid);
  await agent.stop();
  const [, records = '?'] = /.*"records":(\d+)/s.exec(agent.stderr()) ?? [];
  return [
    ['  idle: CPU', `${(share * 100).toFixed(2)} % of a core`, ''],
    ['  idle: RSS', megabytes(rss), ''],
    ['  idle: events of the host meanwhile', records, ''],
  ];
}

try {
  const bare: number[] = [];
  const samples = new Map<string, Sample[]>(Object.keys(sets).map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, environment] of Object.entries(sets)) {
      bare.push(bareNode());
      samples.get(name)?.push(await begin(environment));
    }
  }
  const rows: Row[] = [['start of Node, best', `${Math.min(...bare).toFixed(0)} ms`, '1.00']];
  for (const [name, found] of samples) {
    const firsts = found.map(({ firstMs }) => firstMs);
    const best = Math.min(...firsts);
    const [first, soon] = [0, 1].map((at) => median(found.map(({ rss }) => rss[at] ?? 0)));
    rows.push(
      [
        `${name}: first alert, best`,
        `${best.toFixed(0)} ms`,
        (best / Math.min(...bare)).toFixed(1),
      ],
      ['  median', `${median(firsts).toFixed(0)} ms`, ''],
      ['  CPU until then, best', `${Math.min(...found.map(({ cpuMs }) => cpuMs))} ms`, ''],
      [
        `  RSS then, ${SOON_MS / 1000} s later`,
        `${megabytes(first ?? 0)}, ${megabytes(soon ?? 0)}`,
        '',
      ],
      ...(await idle(sets[name] ?? {})),
    );
  }
  report('start', rows);
} finally {
  rmSync(home, { recursive: true, force: true });
}
