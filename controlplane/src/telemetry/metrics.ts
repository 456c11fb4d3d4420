import type { Redis } from 'ioredis';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { ledgerKey } from '../store/keys.ts';

/** The metrics of one control plane. */
export interface Metrics {
  readonly registry: Registry;
  /** Counts a batch by how it was answered: `admitted`, `repeated`, a problem code, or `failed` for the store and for faults of ours. */
  readonly onBatch: (result: string, seconds: number) => void;
  /** Counts alerts that were taken and not admitted, since they had ended and no route makes groups that could say so. */
  readonly onUntold: (alerts: number) => void;
  /** Tells whether a configuration that was read again was taken. */
  readonly onReload: (ok: boolean) => void;
}

/** Builds the metrics on a registry of their own. */
export function buildMetrics(redis: Redis, wakeFailures: () => number): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'tocsin_alerts',
    help: 'Alerts by what became of them at admission; accepted is the sum of deduplicated, unrouted, queued and held.',
    labelNames: ['state'],
    registers,
    async collect() {
      const ledger = await redis.hgetall(ledgerKey).catch(() => ({}));
      for (const [state, count] of Object.entries(ledger)) this.set({ state }, Number(count));
    },
  });
  new Gauge({
    name: 'tocsin_lane_wake_failures',
    help: 'Wake-ups of lanes that Redis did not take; the sweeper finds those lanes.',
    registers,
    collect() {
      this.set(wakeFailures());
    },
  });
  const batches = new Counter({
    name: 'tocsin_batches_total',
    help: 'Batches that agents sent, by how they were answered.',
    labelNames: ['result'],
    registers,
  });
  const batchSeconds = new Histogram({
    name: 'tocsin_batch_seconds',
    help: 'From the last byte of a batch to its answer.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers,
  });
  const onBatch = (result: string, seconds: number) => {
    batches.inc({ result });
    batchSeconds.observe(seconds);
  };
  const untold = new Counter({
    name: 'tocsin_intake_untold_total',
    help: 'Alerts that were taken and not admitted: ended, while no route makes groups that could say so.',
    registers,
  });
  const reloaded = new Gauge({
    name: 'tocsin_config_reload_ok',
    help: 'Whether the configuration that was read last was taken: 0 means that an older one is in force.',
    registers,
  });
  reloaded.set(1);
  return {
    registry,
    onBatch,
    onUntold: (alerts) => untold.inc(alerts),
    onReload: (ok) => reloaded.set(ok ? 1 : 0),
  };
}
