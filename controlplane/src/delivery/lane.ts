/**
 * One attempt with the head of a lane that was taken: sends it, and acknowledges it or sets it back, in order and under the lease of
 * the channel. Whoever crashes leaves the entries where they are; at most the sends in flight are repeated, under the same id and marked.
 */
import type { Channel, StoredAlert } from '@tocsin/openapi';
import type { LoggedAttempt } from '../store/delivery-log.ts';
import type { Fate, Outbox, OutboxEntry, TakenLane } from '../store/outbox.ts';
import type { Attempt } from './attempt.ts';
import type { BreakerPolicy } from './breaker.ts';
import type { Memory, Notification, Outcome } from './channel.ts';
import { batchSize, compose, together, unstored } from './compose.ts';
import { startDeadline } from './deadline.ts';
import { samplesOf } from './grouped.ts';
import type { DeliveryMetrics } from './metrics.ts';
import { ChannelSettingsError, mayBeThere, permanent } from './outcome.ts';
import { type Decision, decide, type RetryPolicy } from './policy.ts';
import type { FindKind, Senders } from './senders.ts';

export interface LaneTimes {
  /** Life of the lease; it is renewed at a third of it. After a crash the channel stands still for at most this long. */
  readonly leaseMs: number;
  /** One attempt may take this long. */
  readonly attemptMs: number;
  /** A channel that is never empty lets the others go first after this long. */
  readonly sliceMs: number;
  readonly retry: RetryPolicy;
  readonly breaker: BreakerPolicy;
}

export interface LaneParts {
  readonly outbox: Outbox;
  readonly alerts: { getMany(ids: readonly string[]): Promise<(StoredAlert | undefined)[]> };
  readonly channels: { get(name: string): Channel | undefined; all(): readonly Channel[] };
  readonly senders: Senders;
  readonly findKind: FindKind;
  readonly metrics: DeliveryMetrics;
  readonly logger: { warn(details: object, message: string): void };
  readonly times: LaneTimes;
  /** Attempts under way end now. */
  readonly killed: AbortSignal;
}

/** A lane as its holder knows it. */
export interface HeldLane {
  readonly channel: Channel;
  readonly taken: TakenLane;
  readonly token: number;
  /** The lease is lost: what is under way ends now. */
  readonly lost: AbortSignal;
  /** Told what came of the attempt before that is written down. */
  readonly onOutcome: (outcome: Outcome) => void;
}

/** What came of an attempt; `outcome` unless there was nothing to send. */
export interface Tried {
  /** Entries that the lane still has; undefined when the lease is lost, and nothing was changed. */
  readonly left: number | undefined;
  readonly outcome?: Outcome;
}

/** Makes one attempt with the head of a lane that was taken. Throws when Redis is away. */
export function tellHead(parts: LaneParts, held: HeldLane): Promise<Tried> {
  return new Lane(parts, held).tell();
}

const LOG_WORDS: Readonly<Record<Decision['next'], string>> = {
  again: 'notification is tried again',
  'give up': 'notification is given up',
  done: 'notification is refused by some recipients',
};

/** An attempt that ended. */
interface Done {
  readonly attempt: Attempt;
  readonly outcome: Outcome;
  readonly ms: number;
  /** Alerts that were told as a number only. */
  readonly counted: number;
  /** Of the entries. */
  readonly ids: readonly string[];
}

const logged = ({ attempt, outcome, ms }: Done, next: string): LoggedAttempt => ({
  notification: attempt.head,
  time: Date.now(),
  ms,
  result: outcome.result,
  ...(outcome.result !== 'ok' && { reason: outcome.reason }),
  detail: outcome.detail,
  entries: attempt.count,
  failures: attempt.failures,
  repeated: attempt.repeated,
  next,
});

class Lane {
  readonly #parts: LaneParts;
  readonly #held: HeldLane;

  constructor(parts: LaneParts, held: HeldLane) {
    this.#parts = parts;
    this.#held = held;
  }

  async tell(): Promise<Tried> {
    const { channel, taken, onOutcome } = this.#held;
    const known = JSON.parse(taken.attempt) as Attempt;
    const head = taken.entries.slice(0, known.count);
    const candidates = head.slice(0, this.#isAlone(head) ? 1 : together(head));
    const shown = await this.#shown(candidates);
    const alerts = candidates.map(({ alert }) => (alert === undefined ? alert : shown.get(alert)));
    const count = batchSize(alerts);
    const entries = candidates.slice(0, count);
    const repeated = known.repeated || entries.some((entry) => entry.repeated);
    const notification = compose(channel.name, entries, alerts.slice(0, count), repeated, shown);
    const counted = unstored(entries, alerts).length;
    if (!notification) return { left: await this.#settle(count, { fate: 'notified', counted }) };
    const attempt: Attempt = { ...known, count, repeated };
    const begin = performance.now();
    const outcome = await this.#attempt(notification);
    onOutcome(outcome);
    const ms = Math.round(performance.now() - begin);
    const done = { attempt, outcome, ms, counted, ids: entries.map(({ id }) => id) };
    return { left: await this.#conclude(done), outcome };
  }

  /** Whether the first entry is a message of its own, and not one record of several. */
  #isAlone([first]: readonly OutboxEntry[]): boolean {
    const { channel } = this.#held;
    if (this.#parts.findKind(channel.kind)?.records) return false;
    return channel.mode === 'every' || first?.apart === true;
  }

  async #conclude(done: Done): Promise<number | undefined> {
    const { attempt, outcome, counted } = done;
    const { metrics, senders, times } = this.#parts;
    const { channel } = this.#held;
    const now = Date.now();
    const decision = decide(outcome, attempt, times.retry, now, Math.random);
    if (decision.next === 'done') {
      metrics.expired.inc(counted);
      if (outcome.result === 'ok' && outcome.refused) this.#log(attempt, outcome, 'done');
      return this.#settle(attempt.count, { fate: 'notified', counted }, logged(done, 'done'));
    }
    if (outcome.result === 'permanent' && outcome.reason === 'rendering' && attempt.count > 1) {
      // Too much at once, or one of them does not fit: nothing was taken, so fewer are told under the same id.
      const count = Math.ceil(attempt.count / 2);
      return this.#setBack(done, { ...attempt, count, sending: false }, 0, 0);
    }
    this.#log(attempt, outcome, decision.next);
    if (decision.next === 'give up') {
      const { reason, detail } = decision;
      metrics.deadLetters.inc({ kind: channel.kind, reason }, attempt.count);
      const repeated = attempt.repeated || mayBeThere(outcome);
      const fate = { fate: 'dead_lettered', reason, detail, repeated } as const;
      return this.#settle(attempt.count, fate, logged(done, 'dead_lettered'));
    }
    // A secret that is read again may be the right one.
    if (outcome.result === 'permanent') senders.drop(channel.name);
    const again = {
      ...attempt,
      failures: decision.failures,
      sending: false,
      repeated: attempt.repeated || mayBeThere(outcome),
    };
    const pauseMs = Math.max(0, decision.at - now);
    return this.#setBack(done, again, pauseMs, decision.quiet ? pauseMs : 0);
  }

  /** The first failure and the last are worth a line; those between only tell the same again. */
  #log(attempt: Attempt, outcome: Outcome, next: Decision['next']): void {
    if (attempt.failures > 0 && next === 'again') return;
    const { name, kind } = this.#held.channel;
    this.#parts.logger.warn(
      { channel: name, kind, notification: attempt.head, ...outcome },
      LOG_WORDS[next],
    );
  }

  #settle(count: number, fate: Fate, line?: LoggedAttempt): Promise<number | undefined> {
    const { channel, taken, token } = this.#held;
    return this.#parts.outbox.acknowledge(channel.name, taken.lane, token, count, fate, line);
  }

  async #setBack(
    done: Done,
    attempt: Attempt,
    pauseMs: number,
    quietMs: number,
  ): Promise<number | undefined> {
    const { channel, taken, token } = this.#held;
    const { lane } = taken;
    const line = logged(done, 'again');
    const isHeld = await this.#parts.outbox.setBack(channel.name, lane, token, {
      attempt: JSON.stringify(attempt),
      ...{ pauseMs, quietMs, ids: done.ids, logged: line },
      why: `${line.reason ?? ''}: ${line.detail}`,
    });
    return isHeld ? attempt.count : undefined;
  }

  /** The stored alerts that entries show, most of which were taken with them. */
  async #shown(entries: readonly OutboxEntry[]): Promise<ReadonlyMap<string, StoredAlert>> {
    const { taken } = this.#held;
    const ids = entries.flatMap(({ alert, group }) => [
      ...(alert === undefined ? [] : [alert]),
      ...(group ? samplesOf(group) : []),
    ]);
    const missing = ids.filter((id) => !taken.alerts.has(id));
    const read = await this.#parts.alerts.getMany(missing);
    const all = [...taken.alerts.values(), ...read];
    return new Map(all.flatMap((alert) => (alert ? [[alert.id, alert] as const] : [])));
  }

  async #memoryOf({ group }: Notification): Promise<Memory | undefined> {
    const { outbox, findKind } = this.#parts;
    const { channel, token } = this.#held;
    if (!group || !findKind(channel.kind)?.remembers) return undefined;
    return {
      known: await outbox.recall(channel.name, group.key),
      keep: async (text) => {
        await outbox.remember(channel.name, token, group.key, text).catch(() => false);
      },
    };
  }

  async #attempt(notification: Notification): Promise<Outcome> {
    const { senders, metrics, times, killed } = this.#parts;
    const { channel, lost } = this.#held;
    const deadline = startDeadline([killed, lost], times.attemptMs);
    const { signal } = deadline;
    const memory = await this.#memoryOf(notification);
    const stopTimer = metrics.seconds.startTimer({ kind: channel.kind });
    const outcome = await sendOnce(() =>
      senders.get(channel).send(notification, { signal, memory }),
    );
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
