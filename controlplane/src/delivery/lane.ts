/**
 * Drains one lane: reads its head, makes one attempt, and acknowledges, in order and under the lane's lease. Whoever crashes leaves
 * the entries where they are; at most the one send in flight is repeated, under the same id and marked.
 */
import type { Channel, StoredAlert } from '@tocsin/openapi';
import type { Redis } from 'ioredis';
import { channelOfLane, type Fate, type Outbox, type OutboxEntry } from '../store/outbox.ts';
import { type Attempt, readAttempt, writeAttempt } from './attempt.ts';
import type { Notification, Outcome } from './channel.ts';
import { batchSize, compose, MAX_BATCH, together, unstored } from './compose.ts';
import { startDeadline } from './deadline.ts';
import { samplesOf } from './grouped.ts';
import type { DeliveryMetrics } from './metrics.ts';
import { ChannelSettingsError, permanent } from './outcome.ts';
import { type Decision, decide, type RetryPolicy } from './policy.ts';
import type { Senders } from './senders.ts';

/** What came of draining: whether and when to come back. */
export type Drained =
  | { readonly next: 'idle' }
  /** The channel is not known here; its entries stay. */
  | { readonly next: 'unknown channel' }
  | { readonly next: 'later'; readonly at: number };

export interface LaneTimes {
  /** Life of the lease; it is renewed at a third of it. After a crash the lane stands still for at most this long. */
  readonly leaseMs: number;
  /** One attempt may take this long. */
  readonly attemptMs: number;
  /** A lane that is never empty lets the others go first after this long. */
  readonly sliceMs: number;
  readonly retry: RetryPolicy;
}

export interface LaneParts {
  readonly redis: Redis;
  readonly outbox: Outbox;
  readonly alerts: { getMany(ids: readonly string[]): Promise<(StoredAlert | undefined)[]> };
  readonly channels: { get(name: string): Channel | undefined };
  readonly senders: Senders;
  readonly metrics: DeliveryMetrics;
  readonly logger: { warn(details: object, message: string): void };
  readonly times: LaneTimes;
  /** No further attempt is begun. */
  readonly stopping: AbortSignal;
  /** Attempts under way end now. */
  readonly killed: AbortSignal;
}

/** How long to wait for a lane that another worker holds. */
const BUSY_MS = 500;

/** Drains until the lane is empty, must wait, or the slice is over. Throws when Redis is away. */
export async function drainLane(parts: LaneParts, channel: string): Promise<Drained> {
  const { outbox, times } = parts;
  const token = await outbox.acquire(channel, times.leaseMs);
  if (token === undefined) return { next: 'later', at: Date.now() + BUSY_MS };
  const lost = new AbortController();
  const renewal = setInterval(() => {
    outbox.renew(channel, token, times.leaseMs).then(
      (held) => held || lost.abort(),
      () => {},
    );
  }, times.leaseMs / 3);
  try {
    return await new Drain(parts, channel, token, lost.signal).run();
  } finally {
    clearInterval(renewal);
    await outbox.release(channel, token).catch(() => false);
  }
}

const LOG_WORDS: Readonly<Record<Decision['next'], string>> = {
  again: 'notification is tried again',
  'give up': 'notification is given up',
  done: 'notification is refused by some recipients',
};

class Drain {
  readonly #parts: LaneParts;
  readonly #channel: string;
  readonly #token: number;
  readonly #lost: AbortSignal;

  constructor(parts: LaneParts, channel: string, token: number, lost: AbortSignal) {
    this.#parts = parts;
    this.#channel = channel;
    this.#token = token;
    this.#lost = lost;
  }

  async run(): Promise<Drained> {
    const { outbox, channels, times, stopping } = this.#parts;
    const end = Date.now() + times.sliceMs;
    for (;;) {
      const channel = channels.get(channelOfLane(this.#channel));
      if (!channel) return { next: 'unknown channel' };
      const [head, known] = await Promise.all([
        outbox.readHead(this.#channel, MAX_BATCH),
        readAttempt(this.#parts.redis, this.#channel),
      ]);
      const [first] = head;
      if (!first) return { next: 'idle' };
      const attempt = known?.head === first.id ? known : undefined;
      const now = Date.now();
      if (attempt && attempt.next > now) return { next: 'later', at: attempt.next };
      if (stopping.aborted || this.#lost.aborted || now >= end) return { next: 'later', at: now };
      const wait = await this.#tell(channel, head, attempt);
      if (wait !== undefined) return wait;
    }
  }

  /** Makes one attempt with the head of the lane; undefined when the lane can go on at once. */
  async #tell(
    channel: Channel,
    head: readonly OutboxEntry[],
    before: Attempt | undefined,
  ): Promise<Drained | undefined> {
    const { alerts: store, redis } = this.#parts;
    const candidates = head.slice(0, before?.count ?? together(head));
    const alerts = await this.#readAlerts(store, candidates);
    const count = before?.count ?? batchSize(alerts);
    const repeated = before !== undefined && (before.repeated || before.sending);
    const notification = compose(
      channel.name,
      candidates.slice(0, count),
      alerts.slice(0, count),
      repeated,
      await this.#readSamples(store, candidates[0]),
    );
    const counted = unstored(candidates.slice(0, count), alerts).length;
    if (!notification) return this.#settle(count, { fate: 'notified', counted });
    const attempt: Attempt = {
      head: notification.id,
      count,
      failures: before?.failures ?? 0,
      since: before?.since ?? Date.now(),
      next: 0,
      sending: true,
      repeated,
    };
    await writeAttempt(redis, this.#channel, attempt);
    const outcome = await this.#attempt(channel, notification);
    return this.#conclude(channel, attempt, outcome, counted);
  }

  async #conclude(
    channel: Channel,
    attempt: Attempt,
    outcome: Outcome,
    counted: number,
  ): Promise<Drained | undefined> {
    const { redis, outbox, metrics, senders, times } = this.#parts;
    const decision = decide(outcome, attempt, times.retry, Date.now(), Math.random);
    if (decision.next === 'done') {
      metrics.expired.inc(counted);
      if (outcome.result === 'ok' && outcome.refused) this.#log(channel, attempt, outcome, 'done');
      return this.#settle(attempt.count, { fate: 'notified', counted });
    }
    if (outcome.result === 'permanent' && outcome.reason === 'rendering' && attempt.count > 1) {
      // Too much at once, or one of them does not fit: nothing was taken, so fewer are told under the same id.
      const count = Math.ceil(attempt.count / 2);
      await writeAttempt(redis, this.#channel, { ...attempt, count, sending: false });
      return undefined;
    }
    this.#log(channel, attempt, outcome, decision.next);
    if (decision.next === 'give up') {
      const { reason, detail } = decision;
      metrics.deadLetters.inc({ kind: channel.kind, reason }, attempt.count);
      return this.#settle(attempt.count, { fate: 'dead_lettered', reason, detail });
    }
    // Whoever took the lane over in the meantime keeps its own account of the head.
    if (!(await outbox.renew(this.#channel, this.#token, times.leaseMs)))
      return { next: 'later', at: Date.now() + BUSY_MS };
    // A secret that is read again may be the right one.
    if (outcome.result === 'permanent') senders.drop(channel.name);
    await writeAttempt(redis, this.#channel, {
      ...attempt,
      failures: decision.failures,
      next: decision.at,
      sending: false,
      repeated: attempt.repeated || outcome.result === 'ambiguous',
    });
    return { next: 'later', at: decision.at };
  }

  /** The first failure and the last are worth a line; those between only tell the same again. */
  #log(channel: Channel, attempt: Attempt, outcome: Outcome, next: Decision['next']): void {
    if (attempt.failures > 0 && next === 'again') return;
    const { name, kind } = channel;
    this.#parts.logger.warn(
      { channel: name, kind, notification: attempt.head, ...outcome },
      LOG_WORDS[next],
    );
  }

  /** Acknowledges; a lane that is empty then, or that is another's, is left. */
  async #settle(count: number, fate: Fate): Promise<Drained | undefined> {
    const left = await this.#parts.outbox.acknowledge(this.#channel, this.#token, count, fate);
    if (left === undefined) return { next: 'later', at: Date.now() + BUSY_MS };
    return left === 0 ? { next: 'idle' } : undefined;
  }

  async #readAlerts(
    store: LaneParts['alerts'],
    entries: readonly OutboxEntry[],
  ): Promise<(StoredAlert | undefined)[]> {
    const ids = entries.flatMap(({ alert }) => alert ?? []);
    const found = await store.getMany(ids);
    const byId = new Map(ids.map((id, index) => [id, found[index]]));
    return entries.map(({ alert }) => (alert === undefined ? undefined : byId.get(alert)));
  }

  /** The stored alerts that show what a group tells. */
  async #readSamples(
    store: LaneParts['alerts'],
    entry: OutboxEntry | undefined,
  ): Promise<ReadonlyMap<string, StoredAlert>> {
    const ids = entry?.group ? samplesOf(entry.group) : [];
    const found = await store.getMany(ids);
    return new Map(found.flatMap((alert) => (alert ? [[alert.id, alert] as const] : [])));
  }

  async #attempt(channel: Channel, notification: Notification): Promise<Outcome> {
    const { senders, metrics, times, killed } = this.#parts;
    const deadline = startDeadline([killed, this.#lost], times.attemptMs);
    const { signal } = deadline;
    const stopTimer = metrics.seconds.startTimer({ kind: channel.kind });
    const outcome = await sendOnce(() => senders.get(channel).send(notification, { signal }));
    stopTimer();
    deadline.release();
    metrics.countAttempt(channel.kind, outcome);
    return outcome;
  }
}

/** Settings that cannot be used are an outcome too. A bug of a kind must not stop its lane silently, so it is one as well. */
export async function sendOnce(send: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await send();
  } catch (error) {
    const { name, message } = error as Error;
    if (error instanceof ChannelSettingsError) return permanent('configuration', message);
    return permanent('rendering', `internal fault: ${name}: ${message}`);
  }
}
