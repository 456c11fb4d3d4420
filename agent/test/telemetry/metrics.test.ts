import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EngineStatistics } from '../../src/engine/messages.ts';
import { buildMetrics, type MetricsSources } from '../../src/telemetry/metrics.ts';
import {
  MetricsServer,
  MetricsServerError,
  parseEndpoint,
} from '../../src/telemetry/metrics-server.ts';
import { newCounters } from '../../src/uplink/counters.ts';

const HOSTILE = 'a "quoted" \\ rule\nof two lines {x="y"}';

const engine: EngineStatistics = {
  kernel: [
    { kind: 'open', fate: 'sent', count: 7 },
    { kind: 'open', fate: 'full', count: 2 },
  ],
  calls: [{ type: 'openat', sent: 7, lost: 2 }],
  filtered: [{ kind: 'open', reason: 'class', count: 12 }],
  pipeline: { records: 7, judged: 5, malformed: 0, missing: 2 },
  processes: { size: 30, dead: 4, pidReused: 1 },
  containers: { cgroups: 9, containers: 3, evicted: 0, found: 2 },
  kubernetes: { pods: 2, lists: 1 },
  accounts: { tables: 5, bytes: 600, limit: 10, byteLimit: 1000 },
  parking: { waiting: 1, parked: 6, expired: 1, refused: 0 },
  alerts: { waiting: 8, dropped: 11 },
  rules: Object.fromEntries([
    [HOSTILE, { matched: 3, errors: 1, seconds: 0.5, coverage: 0.75 }],
    ['__proto__', { matched: 0, errors: 0, seconds: 0, coverage: 1 }],
  ]),
};

function sources(changes: Partial<MetricsSources> = {}): MetricsSources {
  const counters = newCounters();
  Object.assign(counters, { received: 20, sentAlerts: 12, sentBatches: 2, rejected: 1 });
  counters.retries.add('unreachable', 4);
  counters.dropped.add('spool_full/Debug', 5);
  counters.dropped.add('spool_full/Notice', 1);
  counters.dropped.add('disk_error/Debug', 2);
  const output = (written: number) => ({
    name: 'program sh',
    counters: { written, dropped: 1, failures: 0 },
  });
  return {
    version: '1.2.3',
    reloads: { accepted: 2, refused: 1 },
    engine: () => engine,
    skipped: () => [{ program: 'ring_submitted', reason: 'the kernel refused it', log: 'R1' }],
    uplink: () => ({ counters, waitingBytes: 99, waitingMs: 1500 }),
    outputs: () => [output(3), output(4)],
    ...changes,
  };
}

describe('buildMetrics', () => {
  it('tells every number of the agent, the same at each scrape', async () => {
    const registry = buildMetrics(sources());
    await registry.metrics();
    const lines = (await registry.metrics()).split('\n');
    for (const line of [
      `tocsin_build_info{version="1.2.3",node="${process.version}"} 1`,
      'tocsin_kernel_records_total{kind="open",fate="full"} 2',
      'tocsin_kernel_filtered_total{kind="open",reason="class"} 12',
      'tocsin_probe_program_skipped{program="ring_submitted",reason="the kernel refused it"} 1',
      'tocsin_call_records_total{type="openat",fate="lost"} 2',
      'tocsin_rule_coverage_ratio{rule="__proto__"} 1',
      'tocsin_pipeline_records_total{state="judged"} 5',
      'tocsin_processes 30',
      'tocsin_processes_dead 4',
      'tocsin_process_events_total{event="pid_reused"} 1',
      'tocsin_containers 3',
      'tocsin_container_events_total{event="found"} 2',
      'tocsin_parked_events 1',
      'tocsin_parking_events_total{event="expired"} 1',
      'tocsin_accounts_bytes 600',
      'tocsin_account_tables_limit 10',
      'tocsin_kubernetes_pods 2',
      'tocsin_kubernetes_events_total{event="lists"} 1',
      'tocsin_engine_alerts 8',
      'tocsin_rules 2',
      'tocsin_rule_matches_total{rule="a \\"quoted\\" \\\\ rule\\nof two lines {x=\\"y\\"}"} 3',
      'tocsin_rule_seconds_total{rule="a \\"quoted\\" \\\\ rule\\nof two lines {x=\\"y\\"}"} 0.5',
      'tocsin_rule_errors_total{rule="__proto__"} 0',
      'tocsin_rule_reloads_total{result="accepted"} 2',
      'tocsin_alerts_dropped_total{reason="engine_full"} 11',
      'tocsin_alerts_dropped_total{reason="spool_full"} 6',
      'tocsin_spool_dropped_total{reason="spool_full",priority="debug"} 5',
      'tocsin_spool_bytes 99',
      'tocsin_spool_oldest_seconds 1.5',
      'tocsin_uplink_alerts_total{state="sent"} 12',
      'tocsin_uplink_batches_total{state="sent"} 2',
      'tocsin_uplink_retries_total{reason="unreachable"} 4',
      'tocsin_output_lines_total{output="program sh",result="written"} 7',
      'tocsin_output_lines_total{output="program sh",result="dropped"} 2',
    ])
      assert.ok(lines.includes(line), `${line} is not among:\n${lines.join('\n')}`);
    assert.ok(!lines.some((line) => line.startsWith('tocsin_process_events_total{event="size"}')));
  });

  it('forgets rules that are not in force any more', async () => {
    let rules = engine.rules;
    const registry = buildMetrics(sources({ engine: () => ({ ...engine, rules }) }));
    assert.match(await registry.metrics(), /tocsin_rule_matches_total\{rule="__proto__"\}/);
    rules = {};
    assert.doesNotMatch(await registry.metrics(), /tocsin_rule_matches_total\{/);
  });

  it('works before the engine told anything and without a control plane', async () => {
    const registry = buildMetrics(sources({ engine: () => ({}), uplink: () => undefined }));
    const text = await registry.metrics();
    assert.match(text, /^tocsin_rules 0$/m);
    assert.doesNotMatch(text, /tocsin_uplink_alerts_total\{/);
  });
});

describe('MetricsServer', () => {
  const loopback = { host: '127.0.0.1', port: 0 };

  it('serves the metrics and its health, and nothing else', async () => {
    let isHealthy = true;
    const server = await MetricsServer.start(loopback, buildMetrics(sources()), () => isHealthy);
    const { url } = server;
    try {
      const get = (path: string, init?: RequestInit) => fetch(`${url}${path}`, init);
      const metrics = await get('/metrics');
      assert.match(metrics.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
      assert.match(await metrics.text(), /^tocsin_rules 2$/m);
      const health = await get('/healthz?verbose');
      assert.deepEqual([health.status, await health.json()], [200, { status: 'ok' }]);
      isHealthy = false;
      assert.equal((await get('/healthz')).status, 503);
      assert.equal((await get('/')).status, 404);
      assert.equal((await get('/metrics', { method: 'POST', body: 'x' })).status, 405);
      const { port } = new URL(url);
      await assert.rejects(
        MetricsServer.start(
          { host: '127.0.0.1', port: Number(port) },
          buildMetrics(sources()),
          () => true,
        ),
        (error) =>
          error instanceof MetricsServerError && /another program listens/.test(error.message),
      );
    } finally {
      await server.stop();
    }
    await assert.rejects(fetch(`${url}/metrics`));
  });

  it('reads addresses', () => {
    assert.deepEqual(parseEndpoint('127.0.0.1:9477'), { host: '127.0.0.1', port: 9477 });
    assert.deepEqual(parseEndpoint(':9477'), { host: '127.0.0.1', port: 9477 });
    assert.deepEqual(parseEndpoint('[::1]:0'), { host: '::1', port: 0 });
    for (const text of ['9477', 'localhost', 'a:b', '::1:80', '127.0.0.1:70000', ''])
      assert.equal(parseEndpoint(text), undefined, text);
  });
});
