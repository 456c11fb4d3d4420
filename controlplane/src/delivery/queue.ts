/**
 * The queue that carries wake-ups of channels to workers. A job holds the name of a channel and nothing else; at most one waits for
 * each channel, and one that comes while it is drained is kept until that is over. What is to be told never depends on a job.
 */
import { DelayedError, Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { DELIVERIES_QUEUE, QUEUE_PREFIX } from '../store/keys.ts';
import type { Drained } from './drain.ts';

export interface DrainJob {
  readonly channel: string;
}

const KEPT = { count: 100 };
/** Channels are mostly waiting for somebody else's answer, so many are drained at a time. */
const CONCURRENCY = 1024;
/** A job is never given up because workers died under it: its channel still has to be drained. */
const MAX_STALLED = 1_000_000;

export type DeliveryQueue = Queue<DrainJob>;

export function openQueue(redis: Redis): DeliveryQueue {
  return new Queue<DrainJob>(DELIVERIES_QUEUE, {
    connection: redis,
    prefix: QUEUE_PREFIX,
    defaultJobOptions: { removeOnComplete: KEPT, removeOnFail: KEPT },
  });
}

/** Adds a wake-up for each channel; one that waits its turn is left alone, unless `now` brings it forward. */
export async function wakeChannels(
  queue: DeliveryQueue,
  channels: readonly string[],
  { now = false } = {},
): Promise<void> {
  await Promise.all(
    channels.map((channel) =>
      queue.add(
        'drain',
        { channel },
        {
          deduplication: { id: channel, keepLastIfActive: true, ...(now && { reschedule: true }) },
        },
      ),
    ),
  );
}

export interface WorkerOptions {
  /** After about twice this long the jobs of a worker that was killed are taken over. */
  readonly takeOverMs: number;
  readonly onProblem: (error: Error) => void;
}

/** Takes wake-ups and drains their channels. A channel that must wait keeps its job, delayed. */
export function startWorker(
  redis: Redis,
  drain: (channel: string) => Promise<Drained>,
  { takeOverMs, onProblem }: WorkerOptions,
): Worker<DrainJob> {
  const worker = new Worker<DrainJob>(
    DELIVERIES_QUEUE,
    async (job, token) => {
      const drained = await drain(job.data.channel);
      if (drained.next !== 'later') return;
      await job.moveToDelayed(drained.at, token);
      throw new DelayedError();
    },
    {
      connection: redis,
      prefix: QUEUE_PREFIX,
      concurrency: CONCURRENCY,
      lockDuration: takeOverMs,
      stalledInterval: takeOverMs / 2,
      maxStalledCount: MAX_STALLED,
      removeOnComplete: KEPT,
      removeOnFail: KEPT,
    },
  );
  worker.on('error', onProblem);
  worker.on('failed', (_job, error) => onProblem(error));
  return worker;
}
