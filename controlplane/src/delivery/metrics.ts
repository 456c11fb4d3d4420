import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Outcome } from './channel.ts';

/** What a channel was not told yet, for the gauges. */
export interface LaneState {
  readonly channel: string;
  readonly lanes: number;
  readonly depth: number;
  /** When the oldest entry was decided, ms since the epoch. */
  readonly oldest: number;
}

/** What is counted of deliveries. Labels come from closed sets and from the names of channels. */
export interface DeliveryMetrics {
  readonly seconds: Histogram<'kind'>;
  readonly deadLetters: Counter<'kind' | 'reason'>;
  readonly expired: Counter;
  readonly broken: Counter<'kind' | 'reason'>;
  countAttempt(kind: string, outcome: Outcome): void;
}

/** Registers the metrics of delivery; `readLanes` and `readBroken` (channels and reasons) are asked at each scrape. */
export function createDeliveryMetrics(
  registry: Registry,
  readLanes: () => Promise<readonly LaneState[]>,
  readBroken: () => Promise<readonly { channel: string; reason: string }[]>,
): DeliveryMetrics {
  const registers = [registry];
  const attempts = new Counter({
    name: 'tocsin_delivery_attempts_total',
    help: 'Attempts to deliver a notification, by kind of channel, result and reason.',
    labelNames: ['kind', 'result', 'reason'],
    registers,
  });
  const refused = new Counter({
    name: 'tocsin_delivery_refused_recipients_total',
    help: 'Recipients who will not get a notification though others of its channel did, by kind of channel.',
    labelNames: ['kind'],
    registers,
  });
  const laneGauge = (name: string, help: string, measure: (lane: LaneState) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['channel'],
      registers,
      async collect() {
        const lanes = await readLanes().catch(() => []);
        this.reset();
        for (const lane of lanes) this.set({ channel: lane.channel }, measure(lane));
      },
    });
  laneGauge('tocsin_lane_depth', 'Entries that a channel was not told yet.', ({ depth }) => depth);
  laneGauge(
    'tocsin_lane_oldest_seconds',
    'Age of the oldest entry that a channel was not told yet.',
    ({ oldest }) => Math.max(0, Date.now() - oldest) / 1000,
  );
  new Gauge({
    name: 'tocsin_channel_broken',
    help: '1 for each channel that is taken for broken, with the reason of its last failure.',
    labelNames: ['channel', 'reason'],
    registers,
    async collect() {
      const broken = await readBroken().catch(() => []);
      this.reset();
      for (const labels of broken) this.set(labels, 1);
    },
  });
  return {
    seconds: new Histogram({
      name: 'tocsin_delivery_seconds',
      help: 'How long an attempt took, by kind of channel.',
      labelNames: ['kind'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    deadLetters: new Counter({
      name: 'tocsin_delivery_dead_letters_total',
      help: 'Entries that were given up, by kind of channel and reason.',
      labelNames: ['kind', 'reason'],
      registers,
    }),
    broken: new Counter({
      name: 'tocsin_channel_broken_total',
      help: 'How often a channel was taken for broken, by kind and reason.',
      labelNames: ['kind', 'reason'],
      registers,
    }),
    expired: new Counter({
      name: 'tocsin_delivery_expired_total',
      help: 'Alerts that were no longer stored when their turn came, and were told as a number.',
      registers,
    }),
    countAttempt(kind, outcome) {
      const reason = outcome.result === 'ok' ? '' : outcome.reason;
      attempts.inc({ kind, result: outcome.result, reason });
      if (outcome.result === 'ok' && outcome.refused) refused.inc({ kind }, outcome.refused);
    },
  };
}
