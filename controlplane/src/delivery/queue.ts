/**
 * The queue that carries wake-ups of channels to workers. A job holds the name of a channel and nothing else, and is done as soon as a
 * worker took it; at most one waits for each channel. What is to be told never depends on a job.
 */
import { Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { DELIVERIES_QUEUE, QUEUE_PREFIX } from '../store/keys.ts';

export interface DrainJob {
  readonly channel: string;
}

const KEPT = { count: 100 };
const CONCURRENCY = 16;
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

/** Adds a wake-up for each channel. One that comes while another is being taken is kept until then. */
export async function wakeChannels(
  queue: DeliveryQueue,
  channels: readonly string[],
): Promise<void> {
  await Promise.all(
    channels.map((channel) =>
      queue.add('drain', { channel }, { deduplication: { id: channel, keepLastIfActive: true } }),
    ),
  );
}

export interface WorkerOptions {
  /** After about twice this long the jobs of a worker that was killed are taken over. */
  readonly takeOverMs: number;
  readonly onProblem: (error: Error) => void;
}

/** Takes wake-ups. */
export function startWorker(
  redis: Redis,
  wake: (channel: string) => void,
  { takeOverMs, onProblem }: WorkerOptions,
): Worker<DrainJob> {
  const worker = new Worker<DrainJob>(DELIVERIES_QUEUE, async (job) => wake(job.data.channel), {
    connection: redis,
    prefix: QUEUE_PREFIX,
    concurrency: CONCURRENCY,
    lockDuration: takeOverMs,
    stalledInterval: takeOverMs / 2,
    maxStalledCount: MAX_STALLED,
    removeOnComplete: KEPT,
    removeOnFail: KEPT,
  });
  worker.on('error', onProblem);
  worker.on('failed', (_job, error) => onProblem(error));
  return worker;
}
