/** @module Delivery as the control plane uses it: workers that drain the lanes, a sweeper, and test notifications. */
import { setMaxListeners } from 'node:events';
import { setTimeout as after } from 'node:timers/promises';
import type { Channel } from '@tocsin/openapi';
import type { Redis } from 'ioredis';
import type { Registry } from 'prom-client';
import { readChannelState } from '../store/channel-state.ts';
import { DeadLetters } from '../store/dead-letters.ts';
import type { Outbox } from '../store/outbox.ts';
import { DEFAULT_BREAKER } from './breaker.ts';
import type { Outcome, Preview } from './channel.ts';
import { findChannelKind } from './channels/index.ts';
import { type DrainParts, drainChannel } from './drain.ts';
import { Drains } from './drains.ts';
import type { LaneTimes } from './lane.ts';
import { createDeliveryMetrics, type LaneState } from './metrics.ts';
import { DEFAULT_RETRY } from './policy.ts';
import { openQueue, startWorker, wakeChannels } from './queue.ts';
import { type Environment, Senders } from './senders.ts';
import { Sweeper } from './sweeper.ts';
import { previewOf, testSend, trySender } from './test-send.ts';

export interface DeliveryOptions {
  /** For short commands; it may fail fast. */
  readonly redis: Redis;
  /** For the workers; it must wait for ever (`maxRetriesPerRequest: null`). Both are closed by the caller after `stop`. */
  readonly workerRedis: Redis;
  readonly outbox: Outbox;
  readonly alerts: DrainParts['alerts'];
  /** The channels as they are now, secrets as given. */
  readonly channels: DrainParts['channels'];
  readonly metrics: Registry;
  readonly logger: { warn(details: object, message: string): void };
  /** Where `env` secrets are read from. */
  readonly environment: Environment;
  /** How long dead letters are kept; for ever without it. */
  readonly lettersKeptMs?: number;
  readonly times?: Partial<LaneTimes> & { readonly sweepMs?: number };
}

/** Delivery while it runs. */
export interface RunningDelivery {
  /** Makes one attempt now, past lane and throttle. */
  testSend(channel: Channel, signal: AbortSignal): Promise<Outcome>;
  /** As of ChannelDelivery. Throws ChannelSettingsError. */
  trySender(channel: Channel): Promise<void>;
  /** What would be sent of this alert, or of a sample; undefined when there is no such alert. Throws ChannelSettingsError and TemplateError. */
  preview(channel: Channel, alert: string | undefined): Promise<readonly Preview[] | undefined>;
  /** Tries a channel again now that it was changed, instead of waiting for its next turn. */
  retryNow(channel: string): Promise<void>;
  /** Looks at once whether a channel has something to tell; false when others do so earlier, if there are any. */
  wake(channel: string): boolean;
  /** Begins no further attempt, lets those under way end for `graceMs`, then ends them. Idempotent. */
  stop(graceMs?: number): Promise<void>;
}

const TIMES: LaneTimes = {
  leaseMs: 6000,
  attemptMs: 30_000,
  sliceMs: 10_000,
  retry: DEFAULT_RETRY,
  breaker: DEFAULT_BREAKER,
};
const SWEEP_MS = 1000;
const GRACE_MS = 2000;
/** After the grace, ended attempts still write down that they were. */
const CLOSE_MS = 800;

/** Starts to drain. */
export function startDelivery(options: DeliveryOptions): RunningDelivery {
  const { redis, workerRedis, outbox, alerts, channels, logger, environment } = options;
  const stopping = new AbortController();
  const killed = new AbortController();
  // Each send listens.
  setMaxListeners(0, killed.signal);
  const senders = new Senders(findChannelKind, environment);
  const metrics = createDeliveryMetrics(
    options.metrics,
    () => readBacklogs(outbox),
    () => readBroken(redis, channels),
  );
  const onProblem = (err: unknown) => logger.warn({ err }, 'delivery waits for redis');
  const parts: DrainParts = {
    ...{ redis, outbox, alerts, channels, senders, metrics, logger },
    times: { ...TIMES, ...options.times },
    findKind: findChannelKind,
    stopping: stopping.signal,
    wake: (name) => wake([name]),
    killed: killed.signal,
  };
  const letters = new DeadLetters(redis);
  const queue = openQueue(redis);
  queue.on('error', onProblem);
  const drains = new Drains({
    drain: (channel, turn) => drainChannel(parts, channel, turn),
    onProblem,
  });
  /** Here, and where there is more time if these have too much to do. */
  const wake = (names: readonly string[]) =>
    wakeChannels(
      queue,
      names.filter((name) => !drains.wake(name)),
    );
  const worker = startWorker(workerRedis, (channel) => drains.wake(channel), {
    takeOverMs: parts.times.leaseMs,
    onProblem,
  });
  const sweeper = new Sweeper({
    ...{ outbox, channels, onProblem },
    // As the sweepers of others do.
    wake: (names) => {
      for (const name of names) drains.wake(name);
    },
    everyMs: options.times?.sweepMs ?? SWEEP_MS,
    expireLetters: async () => {
      if (options.lettersKeptMs === undefined) return;
      const before = Date.now() - options.lettersKeptMs;
      for (const { name } of channels.all()) await letters.expire(name, before);
    },
  });
  sweeper.start();

  const close = async (graceMs: number) => {
    stopping.abort();
    const grace = setTimeout(() => killed.abort(), graceMs);
    const ended = await within(
      graceMs + CLOSE_MS,
      Promise.all([worker.close(), sweeper.stop(), drains.stop()]),
    );
    clearTimeout(grace);
    killed.abort();
    // A Redis that is away must not keep the process: what was not written down is sent again, marked.
    if (!ended) worker.getBackend().disconnectBlocking(false).catch(onProblem);
    await within(CLOSE_MS, Promise.all([queue.close(), senders.close()]));
  };
  const retryNow = async (channel: string) => {
    senders.drop(channel);
    await outbox.retryNow(channel);
    await wake([channel]);
  };
  let closed: Promise<void> | undefined;
  return {
    async preview(channel, alert) {
      const [stored] = alert === undefined ? [] : await alerts.getMany([alert]);
      if (alert !== undefined && !stored) return undefined;
      return previewOf(channel, stored, findChannelKind, environment);
    },
    trySender: (channel) => trySender(channel, findChannelKind, environment),
    async testSend(channel, signal) {
      const outcome = await testSend(channel, findChannelKind, environment, signal);
      if (outcome.result === 'ok') await retryNow(channel.name);
      return outcome;
    },
    retryNow,
    wake: (channel) => drains.wake(channel),
    stop: (graceMs = GRACE_MS) => {
      closed ??= close(graceMs);
      return closed;
    },
  };
}

/** Whether the work ended well within `ms`; it is not waited for any longer. */
function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  const ended = work.then(
    () => true,
    () => false,
  );
  return Promise.race([ended, after(ms, false, { ref: false })]);
}

async function readBroken(redis: Redis, channels: DrainParts['channels']) {
  const states = await Promise.all(
    channels.all().map(async ({ name }) => ({ name, ...(await readChannelState(redis, name)) })),
  );
  return states.flatMap(({ name, broken }) =>
    broken ? [{ channel: name, reason: broken.reason }] : [],
  );
}

async function readBacklogs(outbox: Outbox): Promise<LaneState[]> {
  const names = await outbox.lanesWithWork();
  return Promise.all(
    names.map(async (channel) => ({ channel, ...(await outbox.backlog(channel)) })),
  );
}
