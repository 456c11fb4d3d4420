/**
 * Deliveries a second to one fast webhook and to a thousand channels, beside bare POSTs of the same bodies; and what one channel that
 * hangs does to nine others. The whole control plane with its durable Redis; receivers answer at once and keep nothing.
 */
import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { waitFor } from '../support/wait.ts';
import { startTocsin, type Target } from './load/programs.ts';
import { median, report } from './report.ts';

const { BENCH_SAMPLES = '3' } = process.env;
const SAMPLES = Number(BENCH_SAMPLES);
const NOTIFICATIONS = 4000;
const PARALLEL = 16;

/** Takes what is posted; `onPost` may keep the answer. */
async function startReceiver(
  onPost: (path: string, body: string, response: ServerResponse) => void,
) {
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => onPost(request.url ?? '', body, response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const webhook = (name: string, url: string) => ({
  name,
  kind: 'webhook',
  settings: { url: `${url}/${name}`, secret: { value: 'secret' }, allow_private_addresses: true },
});
const names = (count: number) => Array.from({ length: count }, (_none, at) => `channel-${at}`);

async function call(target: Target, path: string, body?: unknown): Promise<string> {
  const response = await fetch(target.url + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${target.token}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  assert.ok(response.ok, `${path}: ${text}`);
  return text;
}

/** Notifications that wait in all lanes. */
async function waiting(target: Target): Promise<number> {
  const depths = (await call(target, '/metrics')).matchAll(/^tocsin_lane_depth\{.*\} (\d+)$/gm);
  return [...depths].reduce((sum, [, depth]) => sum + Number(depth), 0);
}

/** Seconds in which so many groups, already waiting in the lanes of so many channels, are told; and one of the bodies. */
async function drain(channels: number): Promise<{ seconds: number; body: string }> {
  let told = 0;
  let example = '';
  const receiver = await startReceiver((_path, body, response) => {
    told++;
    example = body;
    response.end();
  });
  const all = names(channels);
  const routes = all.map((name) => ({ matchers: [`to="${name}"`], receiver: name }));
  const target = await startTocsin({
    storm: { new_groups: { per_minute: 1_000_000, burst: 1_000_000 }, max_groups: 1_000_000 },
    route: { receiver: all[0], group_by: ['id'], group_wait: '10ms', group_interval: '1h', routes },
    channels: all.map((name) => webhook(name, receiver.url)),
  });
  try {
    const until = Date.now() + 60_000 + channels * 20;
    for (const name of all)
      await call(target, `/v1/channels/${name}/pause`, { until: new Date(until).toISOString() });
    for (let from = 0; from < NOTIFICATIONS; from += 200) {
      const alerts = Array.from({ length: 200 }, (_none, at) => ({
        labels: { alertname: 'Bench', id: String(from + at), to: all[(from + at) % channels] },
      }));
      await call(target, '/api/v2/alerts', alerts);
    }
    await waitFor(
      'all in their lanes',
      async () => (await waiting(target)) === NOTIFICATIONS,
      120_000,
    );
    assert.equal(told, 0);
    await sleep(Math.max(0, until - Date.now()));
    const begin = performance.now();
    while (told < NOTIFICATIONS) await sleep(2);
    return { seconds: (performance.now() - begin) / 1000, body: example };
  } finally {
    await target.stop();
    receiver.close();
  }
}

async function barePosts(body: string): Promise<number> {
  const receiver = await startReceiver((_path, _body, response) => response.end());
  const workerData = { url: receiver.url, body, count: NOTIFICATIONS, parallel: PARALLEL };
  const worker = new Worker(new URL('load/posts.js', import.meta.url), { workerData });
  const seconds = await new Promise<number>((resolve, reject) => {
    worker.once('message', resolve).once('error', reject);
  });
  receiver.close();
  return seconds;
}

async function throughput(): Promise<void> {
  const rates: Record<string, number[]> = { bare: [], one: [], thousand: [] };
  for (let sample = 0; sample < SAMPLES; sample++) {
    const one = await drain(1);
    rates['one']?.push(NOTIFICATIONS / one.seconds);
    rates['bare']?.push(NOTIFICATIONS / (await barePosts(one.body)));
    rates['thousand']?.push(NOTIFICATIONS / (await drain(1000)).seconds);
  }
  const bare = median(rates['bare'] ?? []);
  const row = (name: string, values: readonly number[] = []): [string, string, string] => [
    name,
    `${median(values).toFixed(0)} /s`,
    (median(values) / bare).toFixed(2),
  ];
  report('delivery', [
    row(`bare POSTs, ${PARALLEL} at a time`, rates['bare']),
    row('to one webhook, a group each', rates['one']),
    row('to 1,000 webhooks', rates['thousand']),
  ]);
}

const CHANNELS = 10;
/** Short phases, many of them and by turns first: what the machine does else meets both alike. */
const PAIRS = 6;
const PHASE_ALERTS = 100;
const EVERY_MS = 20;

/** Milliseconds from the post of an alert to its arrival at nine channels, by whether the tenth hangs. */
async function hanging(): Promise<void> {
  const times = { working: [] as number[], hanging: [] as number[] };
  const ratios: number[] = [];
  let hangs = false;
  let measured: number[] | undefined;
  let kept: ServerResponse[] = [];
  let arrived = 0;
  const all = names(CHANNELS);
  const receiver = await startReceiver((path, body, response) => {
    const now = performance.now();
    const { alerts } = (JSON.parse(body) as Told).data;
    arrived += alerts.length;
    if (path === `/${all.at(-1)}`) {
      if (hangs) kept.push(response);
      else response.end();
      return;
    }
    response.end();
    for (const { output_fields } of alerts) measured?.push(now - output_fields.sent);
  });
  const target = await startTocsin({ channels: all.map((name) => webhook(name, receiver.url)) });
  let number = 0;
  const phase = async (list: number[]) => {
    measured = list;
    for (let nth = 0; nth < PHASE_ALERTS; nth++, await sleep(EVERY_MS)) {
      await call(target, '/falco', {
        ...{ rule: `Rule ${++number}`, priority: 'Error', output: 'bench' },
        time: new Date().toISOString(),
        output_fields: { sent: performance.now() },
      });
    }
    await waitFor('the nine', () => list.length === PHASE_ALERTS * (CHANNELS - 1), 60_000);
    measured = undefined;
  };
  const measure = async (isHanging: boolean) => {
    const list: number[] = [];
    hangs = isHanging;
    await phase(list);
    hangs = false;
    for (const response of kept) response.end();
    kept = [];
    await waitFor('the tenth to follow', () => arrived >= number * CHANNELS, 60_000);
    times[isHanging ? 'hanging' : 'working'].push(...list);
    return quantile(list, 0.99);
  };
  try {
    await phase([]);
    for (let pair = 0; pair < PAIRS * SAMPLES; pair++) {
      const first = await measure(pair % 2 === 1);
      const second = await measure(pair % 2 === 0);
      ratios.push(pair % 2 === 0 ? second / first : first / second);
    }
  } finally {
    await target.stop();
    receiver.close();
  }
  const rows = ([0.5, 0.99] as const).flatMap((share) => {
    const base = quantile(times.working, share);
    const other = quantile(times.hanging, share);
    const row = (name: string, value: number): [string, string, string] => [
      `${name}, p${share * 100}`,
      `${value.toFixed(1)} ms`,
      (value / base).toFixed(2),
    ];
    return [row('all ten answer', base), row('one of ten hangs', other)];
  });
  const pairs: [string, string, string] = [
    `median of ${ratios.length} pairs of phases, p99`,
    '',
    median(ratios).toFixed(2),
  ];
  report('delivery, alert to webhook', [...rows, pairs]);
}

const quantile = (values: readonly number[], share: number) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN;

interface Told {
  readonly data: {
    readonly alerts: readonly { readonly output_fields: { readonly sent: number } }[];
  };
}

const { BENCH_PART } = process.env;
if (BENCH_PART !== 'hanging') await throughput();
if (BENCH_PART !== 'throughput') await hanging();
