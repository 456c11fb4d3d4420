/**
 * Drains one channel under its lease: takes the lanes that are due, some at a time, each in its order. A lane that fails or hangs
 * delays no other. What concerns the channel holds back all of them: the provider asked for a pause, or it is broken; then one send
 * at a time is tried, and the rest goes to its fallback if it has one.
 */
import { setMaxListeners } from 'node:events';
import type { Redis } from 'ioredis';
import { setBreaker } from '../store/channel-state.ts';
import type { DueLanes } from '../store/outbox.ts';
import { type Breaker, CLOSED, judge } from './breaker.ts';
import { tellBroken, tellWorking } from './broken.ts';
import type { Outcome } from './channel.ts';
import { fallbackOf, moveLane } from './fallback.ts';
import { type LaneParts, tellHead } from './lane.ts';

/** What came of draining: whether and when to come back. */
export type Drained =
  | { readonly next: 'idle' }
  /** The channel is not known here; its entries stay. */
  | { readonly next: 'unknown channel' }
  | { readonly next: 'later'; readonly at: number };

export interface DrainParts extends LaneParts {
  readonly redis: Redis;
  /** Wakes the workers of another channel. */
  readonly wake: (channel: string) => Promise<void>;
  /** No further attempt is begun. */
  readonly stopping: AbortSignal;
}

/** How long to wait for a channel that another worker holds. */
const BUSY_MS = 500;
/** Sends to one channel at a time. */
const PARALLEL = 4;
/** While sends are under way, how soon and how late one looks for lanes that came meanwhile. */
const LOOK_MS = 20;
const LOOK_LATE_MS = 100;
/** After its slice, a channel waits so long for the sends under way before it goes on beside one that hangs. */
const HANGING_MS = 1000;

/** Drains until nothing is due, or the slice is over. Throws when Redis is away. */
export async function drainChannel(parts: DrainParts, name: string): Promise<Drained> {
  const { outbox, times } = parts;
  const token = await outbox.acquire(name, times.leaseMs);
  if (token === undefined) return later(BUSY_MS);
  const lost = new AbortController();
  // Each send listens.
  setMaxListeners(0, lost.signal);
  const renewal = setInterval(() => {
    outbox.renew(name, token, times.leaseMs).then(
      (held) => held || lost.abort(),
      () => {},
    );
  }, times.leaseMs / 3);
  try {
    return await new Drain(parts, name, token, lost).run();
  } finally {
    clearInterval(renewal);
    await outbox.release(name, token).catch(() => false);
  }
}

const later = (ms: number): Drained => ({ next: 'later', at: Date.now() + ms });

class Drain {
  readonly #parts: DrainParts;
  readonly #name: string;
  readonly #token: number;
  readonly #lost: AbortController;
  /** Lanes whose head is being sent. */
  readonly #busy = new Map<string, Promise<void>>();
  #breaker: Breaker | undefined;
  #failedAt = 0;
  #failure: Error | undefined;
  /** Settles the pause between two looks. */
  #wake: () => void = () => {};

  constructor(parts: DrainParts, name: string, token: number, lost: AbortController) {
    this.#parts = parts;
    this.#name = name;
    this.#token = token;
    this.#lost = lost;
  }

  async run(): Promise<Drained> {
    try {
      return await this.#drain();
    } finally {
      await Promise.all(this.#busy.values());
    }
  }

  async #drain(): Promise<Drained> {
    let end = Date.now() + this.#parts.times.sliceMs;
    let pauseMs = LOOK_MS;
    for (;;) {
      const look = await this.#look();
      if ('next' in look) return look;
      const { due, parallel } = look;
      const ended = this.#ended();
      if (ended) return ended;
      const began = this.#start(due.lanes, parallel);
      const wait = Math.max(0, (due.next ?? Number.POSITIVE_INFINITY) - due.now);
      if (this.#busy.size === 0) return due.next === undefined ? { next: 'idle' } : later(wait);
      pauseMs = began ? LOOK_MS : Math.min(pauseMs * 2, LOOK_LATE_MS);
      await this.#pause(Math.min(pauseMs, wait));
      if (Date.now() < end) continue;
      if (await this.#isOver()) return later(0);
      end = Date.now() + this.#parts.times.sliceMs;
    }
  }

  /** The lanes that are due and how many sends there may be at a time. What has a fallback is there while the channel is broken. */
  async #look(): Promise<Drained | { readonly due: DueLanes; readonly parallel: number }> {
    const { channels, findKind, outbox } = this.#parts;
    for (;;) {
      const channel = channels.get(this.#name);
      if (!channel) return { next: 'unknown channel' };
      const fallback = await fallbackOf(this.#parts, channel);
      const most = findKind(channel.kind)?.parallel ?? PARALLEL;
      const due = await outbox.dueLanes(this.#name, most + this.#busy.size, fallback !== undefined);
      const { failures, opens, openMs } = due;
      const openUntil = openMs > 0 ? Date.now() + openMs : 0;
      if (this.#busy.size === 0) this.#breaker = { failures, opens, openUntil };
      if (openMs === 0 || !fallback) return { due, parallel: opens > 0 ? 1 : most };
      const free = due.lanes.filter(({ lane }) => !this.#busy.has(lane));
      let moved = 0;
      for (const { lane } of free)
        moved += await moveLane(this.#parts, channel, fallback, lane, this.#token);
      if (moved === 0) return { due: { ...due, lanes: [] }, parallel: 1 };
    }
  }

  #ended(): Drained | undefined {
    if (this.#failure) throw this.#failure;
    if (this.#lost.signal.aborted) return later(BUSY_MS);
    return this.#parts.stopping.aborted ? later(0) : undefined;
  }

  /** Whether what is under way at the end of a slice ends soon. */
  async #isOver(): Promise<boolean> {
    await this.#pause(HANGING_MS, () => this.#busy.size === 0);
    return this.#busy.size === 0;
  }

  /** Whether a send was begun. */
  #start(lanes: DueLanes['lanes'], parallel: number): boolean {
    let began = false;
    for (const { lane, urgent } of lanes) {
      // One is kept for what is urgent.
      const most = urgent || parallel === 1 ? parallel : parallel - 1;
      if (this.#busy.size >= most || this.#busy.has(lane)) continue;
      this.#begin(lane);
      began = true;
    }
    return began;
  }

  #begin(lane: string): void {
    const send = this.#send(lane)
      .catch((error: Error) => {
        this.#failure = error;
      })
      .finally(() => {
        this.#busy.delete(lane);
        this.#wake();
      });
    this.#busy.set(lane, send);
  }

  async #send(lane: string): Promise<void> {
    const channel = this.#parts.channels.get(this.#name);
    if (!channel) return;
    const { signal } = this.#lost;
    const held = { channel, lane, token: this.#token, lost: signal };
    const began = Date.now();
    const tried = await tellHead(this.#parts, held);
    if (tried.outcome) await this.#judge(tried.outcome, began);
    if (!tried.held) this.#lost.abort();
  }

  /** Draws from one attempt what it means for the channel. */
  async #judge(outcome: Outcome, began: number): Promise<void> {
    const before = this.#breaker ?? CLOSED;
    const now = Date.now();
    // Sends that failed together failed once.
    if (outcome.result !== 'ok' && began < this.#failedAt) return;
    if (outcome.result !== 'ok') this.#failedAt = now;
    const after = judge(before, outcome, this.#parts.times.breaker, now, Math.random);
    if (after === before) return;
    this.#breaker = after;
    const { failures, opens } = after;
    const [reason, detail] =
      outcome.result === 'ok' ? ['', ''] : ([outcome.reason, outcome.detail] as const);
    const openMs = opens > before.opens ? after.openUntil - now : 0;
    // Where it was told that the channel is broken is forgotten with the rest.
    if (opens === 0 && before.opens > 0) await tellWorking(this.#parts, this.#name);
    const change = { failures, opens, openMs, reason, detail };
    await setBreaker(this.#parts.redis, this.#name, this.#token, change);
    if (openMs > 0) await tellBroken(this.#parts, this.#name, opens, outcome);
  }

  /** Until a send ended (and `enough` says so) or time is up. */
  async #pause(ms: number, enough: () => boolean = () => true): Promise<void> {
    if (this.#busy.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        if (!enough()) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => {};
  }
}
