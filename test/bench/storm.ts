/**
 * A storm of debug alerts to a real webhook receiver, and what is critical in the midst of it: how long it takes from the request of its
 * agent to the receiver. With grouping (each alert would be a group of its own) and without, where every alert is told by itself.
 */

import { webhookReceiver } from '../support/receivers.ts';
import { waitFor } from '../support/wait.ts';
import { type Load, prepare } from './load/batches.ts';
import { sendAll } from './load/measure.ts';
import { startTocsin, type Target } from './load/programs.ts';
import { report } from './report.ts';

const SECRET = `whsec_${Buffer.from('storm benchmark secret, 32 bytes').toString('base64')}`;
const STORM: Load = { agents: 8, batches: 125, size: 100 };
/** One after the other, as fast as they are taken, with a pause in between. */
const CRITICAL: Load = { agents: 1, batches: 40, size: 1 };
const PAUSE_MS = 150;

const receiver = await webhookReceiver(SECRET);
const channel = {
  name: 'hook',
  kind: 'webhook',
  settings: {
    url: `http://127.0.0.1:${receiver.port}/`,
    secret: { value: SECRET },
    allow_private_addresses: true,
  },
};
const grouped = {
  labels: { output_fields: ['fd.name'] },
  route: {
    receiver: 'hook',
    group_by: ['rule', 'hostname', 'fd.name'],
    group_wait: '1s',
    group_interval: '5s',
    flush_immediately: 'priority >= critical',
  },
};
const throttled = { ...channel, throttle: { per_minute: 600, burst: 10 } };
const KINDS: Readonly<Record<string, object>> = {
  'not grouped': { channels: [channel] },
  'not grouped, throttled': { channels: [throttled] },
  grouped: { ...grouped, channels: [channel] },
};

/** The critical alerts that the receiver was told of; looks at each call once. */
class Told {
  readonly rules = new Set<string>();
  #seen = 0;

  get count(): number {
    for (const { payload } of receiver.received.slice(this.#seen)) {
      this.#seen++;
      const text = JSON.stringify(payload);
      for (const [rule] of text.matchAll(/Break-in \d+/g)) this.rules.add(rule);
    }
    return this.rules.size;
  }
}

async function run(target: Target): Promise<{ latencies: number[]; seconds: number }> {
  const storm = await prepare(target, STORM, { priority: 'Debug', rule: 'Noise' });
  const [critical = []] = await prepare(target, CRITICAL, (number) => ({
    priority: 'Critical',
    rule: `Break-in ${number}`,
  }));
  receiver.received.length = 0;
  const told = new Told();
  const began = performance.now();
  let stormSeconds = 0;
  const over = sendAll(target, storm).then(() => {
    stormSeconds = (performance.now() - began) / 1000;
  });
  const latencies: number[] = [];
  for (const [index, request] of critical.entries()) {
    const from = performance.now();
    await sendAll(target, [[request]]);
    await waitFor('what is critical', () => told.count > index, 300_000);
    latencies.push(performance.now() - from);
    if (stormSeconds > 0) break;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  await over;
  return { latencies, seconds: stormSeconds };
}

for (const [name, configuration] of Object.entries(KINDS)) {
  const target = await startTocsin(configuration);
  try {
    const { latencies, seconds } = await run(target);
    const sorted = latencies.sort((a, b) => a - b);
    const show = (ms: number | undefined) => `${((ms ?? 0) / 1000).toFixed(2)} s`;
    report(`critical during a storm of 100,000 debug alerts, ${name}`, [
      ['storm was taken within', show(seconds * 1000), ''],
      [`${sorted.length} critical, p50`, show(sorted[sorted.length >> 1]), ''],
      ['slowest', show(sorted.at(-1)), ''],
    ]);
  } finally {
    await target.stop();
  }
}
await receiver.close();
