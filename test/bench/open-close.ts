/**
 * What watching costs an open/close pair, in one run: on a path that no rule wants, without and with pushdown, on one that a rule wants
 * of containers alone, and on one that a rule could want from anybody, so that every open is a candidate to be judged. With the agent's
 * CPU time and its lost events.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ROOT } from '../support/tocsin.ts';
import { lostOf, startAgent, underLoad } from './agent-load.ts';
import { median, report } from './report.ts';

const PAIRS = 1_000_000;
const ROUNDS = 5;
const RATES = { pairs: 400_000, candidates: 300_000 };
const run = promisify(execFile);
const home = mkdtempSync(join(tmpdir(), 'tocsin-bench-'));
const program = join(home, 'open-close');
const path = join(home, 'file');
const data = join(home, 'data');
const candidates = join(home, 'candidates.yaml');
const contained = join(home, 'contained.yaml');
/** Depends on the process, so that no path can be ruled out. */
const CANDIDATE_RULE = `- rule: candidate
  desc: every open of the file is judged
  condition: evt.type in (open, openat) and fd.name=${path} and proc.name=nobody-has-this-name
  output: never
  priority: NOTICE
`;

const SETTLED_MS = 3000;

/** What the host opens can be ruled out, whatever the process. */
const CONTAINED_RULE = CANDIDATE_RULE.replace('fd.name=', 'container.id!=host and fd.name=');

interface Sample {
  /** ns of CPU time a pair. */
  readonly pair: number;
  readonly rate: number;
  /** Of a core. */
  readonly agent: number;
  readonly lost: number;
}

/** Pinned to the first core so that the agent can have the other. */
async function loop(rate?: number): Promise<{ pair: number; rate: number }> {
  const words = [String(PAIRS), path, ...(rate === undefined ? [] : [String(rate)])];
  const { stdout } = await run('taskset', ['-c', '0', program, ...words]);
  const [pair = 0, reached = 0] = stdout.split(' ').map(Number);
  return { pair, rate: reached };
}

async function watched(environment: Record<string, string>, rate?: number): Promise<Sample> {
  const agent = await startAgent(data, environment);
  // What the start leaves to do, such as giving memory back, is not the load's.
  await sleep(SETTLED_MS);
  let result = { pair: 0, rate: 0 };
  const { wallMs, cpuMs } = await underLoad(agent, async () => {
    result = await loop(rate);
  });
  // At its end the agent judges what is left, and counts what it cannot.
  await agent.stop();
  return { ...result, agent: cpuMs / wallMs, lost: lostOf(agent) };
}

try {
  execFileSync('cc', ['-O2', '-o', program, join(ROOT, 'test/bench/open-close.c')]);
  writeFileSync(path, 'x');
  writeFileSync(candidates, CANDIDATE_RULE);
  writeFileSync(contained, CONTAINED_RULE);
  const unwatched: number[] = [];
  const cases = {
    'watched pair, no rule wants the path': { environment: {} },
    'the same without pushdown': { environment: { TOCSIN_AGENT_PUSHDOWN: 'false' } },
    'a rule wants it of containers': {
      environment: { TOCSIN_AGENT_RULES: JSON.stringify([contained]) },
    },
    [`no rule wants it, ${RATES.pairs.toLocaleString('en')} asked for a second`]: {
      environment: {},
      rate: RATES.pairs,
    },
    [`candidates, ${RATES.candidates.toLocaleString('en')} asked for a second`]: {
      environment: { TOCSIN_AGENT_RULES: JSON.stringify([candidates]) },
      rate: RATES.candidates,
    },
  };
  const samples = new Map<string, Sample[]>(Object.keys(cases).map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, entry] of Object.entries(cases)) {
      // Right before each, so that both have the same neighbours on the machine.
      unwatched.push((await loop()).pair);
      const { environment, rate } = entry as { environment: Record<string, string>; rate?: number };
      samples.get(name)?.push(await watched(environment, rate));
    }
  }
  const base = median(unwatched);
  const rows: [string, string, string][] = [['unwatched pair', `${base.toFixed(0)} ns`, '1.00']];
  for (const [name, found] of samples) {
    const of = (key: keyof Sample) => median(found.map((sample) => sample[key]));
    const lost = found.reduce((sum, sample) => sum + sample.lost, 0);
    rows.push(
      [name, `${of('pair').toFixed(0)} ns`, (of('pair') / base).toFixed(2)],
      ['  pairs a second', Math.round(of('rate')).toLocaleString('en'), ''],
      ['  agent CPU meanwhile', `${(of('agent') * 100).toFixed(1)} % of a core`, ''],
      ['  events lost', `${lost} of ${(PAIRS * ROUNDS).toLocaleString('en')} pairs`, ''],
    );
  }
  report('open-close', rows);
} finally {
  rmSync(home, { recursive: true, force: true });
}
