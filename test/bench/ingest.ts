/**
 * Signed and durable ingest, beside Debian's Alertmanager that takes the same alerts unsigned into memory, and beside a bare Fastify
 * server that only reads the same bodies. Requests are made and signed before the clock starts; what the load generator still
 * costs is taken from the same cores and shown. Every run asserts that Redis holds exactly what was sent.
 */
import assert from 'node:assert/strict';
import { cpus } from 'node:os';
import { type Load, prepare } from './load/batches.ts';
import { type Sample, sendAll } from './load/measure.ts';
import {
  alertmanagerMissing,
  startAlertmanager,
  startBare,
  startTocsin,
  type Target,
} from './load/programs.ts';
import { median } from './report.ts';

const LOADS: Readonly<Record<string, Load & { readonly warmUp: number }>> = {
  hundred: { agents: 8, warmUp: 50, batches: 200, size: 100 },
  one: { agents: 32, warmUp: 50, batches: 300, size: 1 },
};
const { BENCH_SAMPLES = '3', BENCH_KINDS = '' } = process.env;

/** Groups by rule and host, as what it is compared with. */
const routed = {
  route: { receiver: 'none', group_by: ['rule', 'hostname'] },
  receivers: [{ name: 'none' }],
};

const missing = alertmanagerMissing();
const kinds: Readonly<Record<string, () => Promise<Target>>> = {
  tocsin: () => startTocsin(),
  'tocsin, grouped': () => startTocsin(routed),
  'tocsin, everysec': () => startTocsin({}, 'everysec'),
  ...(!missing && { alertmanager: startAlertmanager }),
  'bare fastify': startBare,
};

async function run(start: () => Promise<Target>, load: (typeof LOADS)[string]): Promise<Sample> {
  const target = await start();
  try {
    const prepared = await prepare(target, load);
    await sendAll(
      target,
      prepared.map((requests) => requests.slice(0, load.warmUp)),
    );
    const sample = await sendAll(
      target,
      prepared.map((requests) => requests.slice(load.warmUp)),
    );
    if (target.kind === 'tocsin') await assertStored(target, load);
    return sample;
  } finally {
    await target.stop();
  }
}

/** The ledger in Redis, as `/metrics` shows it, must hold every alert that was acknowledged. */
async function assertStored({ url }: Target, { agents, batches, size }: Load): Promise<void> {
  const expected = agents * batches * size;
  const text = await (await fetch(`${url}/metrics`)).text();
  const state = (name: string) =>
    Number(new RegExp(`^tocsin_alerts{state="${name}"} (\\d+)`, 'm').exec(text)?.[1] ?? 0);
  assert.equal(state('accepted'), expected);
  assert.equal(state('unrouted') + state('grouped'), expected);
}

function show(name: string, samples: readonly Sample[], size: number, base: number): void {
  const figure = (pick: (sample: Sample) => number) => median(samples.map(pick));
  const rate = figure((one) => one.requestsPerSecond) * size;
  const cpu = Object.keys(samples[0]?.cpuUs ?? {}).map(
    (process) => `${process} ${figure((one) => (one.cpuUs[process] ?? 0) / size).toFixed(1)}`,
  );
  const ratio = base > 0 ? `${(rate / base).toFixed(2)} of alertmanager` : '';
  process.stdout.write(
    `  ${name.padEnd(17)} ${rate.toFixed(0).padStart(7)} alerts/s  p99 ${figure((one) => one.p99Ms)
      .toFixed(1)
      .padStart(6)} ms  ${ratio}  µs of CPU an alert: ${cpu.join(', ')}\n`,
  );
}

process.stdout.write(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}\n`);
if (missing) process.stdout.write(`not compared with Alertmanager: ${missing}\n`);
for (const [name, load] of Object.entries(LOADS)) {
  const samples = new Map<string, Sample[]>();
  for (let round = 0; round < Number(BENCH_SAMPLES); round++) {
    for (const [kind, start] of Object.entries(kinds)) {
      if (!kind.startsWith(BENCH_KINDS)) continue;
      samples.set(kind, [...(samples.get(kind) ?? []), await run(start, load)]);
    }
  }
  const base = median(
    (samples.get('alertmanager') ?? []).map((one) => one.requestsPerSecond * load.size),
  );
  process.stdout.write(`\ningest, batches of ${load.size} (${name}), ${load.agents} agents\n`);
  for (const [kind, list] of samples) show(kind, list, load.size, base);
}
