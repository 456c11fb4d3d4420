/**
 * Drains one channel under its lease: takes the lanes that are due, some at a time, each in its order. A lane that fails or hangs
 * delays no other. What concerns the channel holds back all of them: the provider asked for a pause, or it is broken; then one send
 * at a time is tried, and the rest goes to its fallback if it has one.
 */
import { setMaxListeners } from 'node:events';
import type { Redis } from 'ioredis';
import { setBreaker } from '../store/channel-state.ts';
import type { Taken, TakenLane } from '../store/outbox.ts';
import { type Breaker, CLOSED, judge } from './breaker.ts';
import { tellBroken, tellWorking } from './broken.ts';
import type { Outcome } from './channel.ts';
import { MAX_BATCH } from './compose.ts';
import { fallbackOf, moveLane } from './fallback.ts';
import { type LaneParts, tellHead } from './lane.ts';
import { Turns } from './turns.ts';

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
/** Lanes under way for each that is sent: those told lately are written down, and the next are already taken. */
const UNDER_WAY = 4;
/** While sends are under way, how soon and how late one looks for lanes that came meanwhile. */
const LOOK_MS = 20;
const LOOK_LATE_MS = 100;
/** Between two looks, however often one is woken. */
const LOOK_AGAIN_MS = 5;
/** After its slice, a channel waits so long for the sends under way before it goes on beside one that hangs. */
const HANGING_MS = 1000;

/** What a drain and whoever wakes it know of each other. */
export interface Turn {
  /** It was woken since it last looked. */
  again: boolean;
  /** Lets it look now. */
  look?: () => void;
}

/** Drains until nothing is due, or the slice is over. Throws when Redis is away. */
export function drainChannel(parts: DrainParts, name: string, turn: Turn): Promise<Drained> {
  return new Drain(parts, name, turn).run();
}

const later = (ms: number): Drained => ({ next: 'later', at: Date.now() + ms });
const comeBack = ({ next, now }: Taken): Drained =>
  next === undefined ? { next: 'idle' } : later(Math.max(0, next - now));

class Drain {
  readonly #parts: DrainParts;
  readonly #name: string;
  readonly #turn: Turn;
  #token: number | undefined;
  /** Until then the lease is certainly ours; of the monotonic clock, ms. */
  #heldUntil = 0;
  #renewal: NodeJS.Timeout | undefined;
  readonly #lost = new AbortController();
  /** Lanes whose head is under way, from when it was taken until what became of it is written down. */
  readonly #busy = new Map<string, Promise<void>>();
  readonly #parallel: number;
  readonly #turns: Turns;
  /** The last look did not take all that was due. */
  #hasMore = false;
  #breaker: Breaker | undefined;
  #failedAt = 0;
  #failure: Error | undefined;
  /** Since the last look one ended, and there may be something to take. */
  #hasRoom = false;
  #looked = 0;
  #lookAgain: NodeJS.Timeout | undefined;
  /** Settles the pause between two looks. */
  #wake: () => void = () => {};

  constructor(parts: DrainParts, name: string, turn: Turn) {
    this.#parts = parts;
    this.#name = name;
    this.#turn = turn;
    const kind = parts.findKind(parts.channels.get(name)?.kind ?? '');
    this.#parallel = kind?.parallel ?? PARALLEL;
    this.#turns = new Turns(this.#parallel);
    turn.look = () => {
      this.#lookAgain ??= setTimeout(
        () => {
          this.#lookAgain = undefined;
          this.#wake();
        },
        this.#looked + LOOK_AGAIN_MS - Date.now(),
      );
    };
    // Each send listens.
    setMaxListeners(0, this.#lost.signal);
  }

  async run(): Promise<Drained> {
    try {
      return await this.#drain();
    } finally {
      this.#turns.clear();
      await Promise.all(this.#busy.values());
      await this.#release();
    }
  }

  async #drain(): Promise<Drained> {
    let end = Date.now() + this.#parts.times.sliceMs;
    let pauseMs = LOOK_MS;
    for (;;) {
      const taken = this.#ended() ?? (await this.#look());
      if (!('lanes' in taken)) return taken;
      pauseMs = taken.lanes.length > 0 ? LOOK_MS : Math.min(pauseMs * 2, LOOK_LATE_MS);
      if (!this.#hasRoom) {
        if (this.#busy.size === 0) return comeBack(taken);
        const wait = (taken.next ?? Number.POSITIVE_INFINITY) - taken.now;
        await this.#pause(Math.min(this.#turn.again ? LOOK_AGAIN_MS : pauseMs, wait));
      }
      if (Date.now() < end) continue;
      if (await this.#isOver()) return later(0);
      end = Date.now() + this.#parts.times.sliceMs;
    }
  }

  /** Takes what is due and begins to send it. */
  async #look(): Promise<Drained | Taken> {
    this.#turn.again = false;
    this.#hasRoom = false;
    this.#looked = Date.now();
    const taken = await this.#take();
    if (!('lanes' in taken)) return taken;
    for (const lane of taken.lanes) this.#begin(lane);
    this.#hasMore = taken.more;
    if (taken.held) this.#turns.clear();
    return taken;
  }

  /** Takes the lanes that are due. What has a fallback moves there while the channel is broken. */
  async #take(): Promise<Drained | Taken> {
    const { channels, outbox, times } = this.#parts;
    for (;;) {
      const channel = channels.get(this.#name);
      if (!channel) return { next: 'unknown channel' };
      const fallback = await fallbackOf(this.#parts, channel);
      const asked = performance.now();
      const taken = await outbox.take(this.#name, {
        ...{ token: this.#token, leaseMs: times.leaseMs, busy: [...this.#busy.keys()] },
        parallel: this.#parallel * UNDER_WAY,
        ...{ entries: MAX_BATCH, moves: fallback !== undefined },
      });
      if (!taken) return later(BUSY_MS);
      this.#hold(taken, asked);
      const { failures, opens, openMs, toMove } = taken;
      const openUntil = openMs > 0 ? Date.now() + openMs : 0;
      // A send that ended meanwhile knows more.
      if (this.#busy.size === 0 && !this.#hasRoom) this.#breaker = { failures, opens, openUntil };
      if (!fallback || toMove.length === 0) return taken;
      let moved = 0;
      for (const lane of toMove)
        moved += await moveLane(this.#parts, channel, fallback, lane, taken.token);
      // What was moved here once stays, until the channel is tried again.
      if (moved === 0) return { ...taken, next: taken.now + openMs };
    }
  }

  #hold({ token, released }: Taken, asked: number): void {
    if (released) {
      clearInterval(this.#renewal);
      this.#token = undefined;
      return;
    }
    const { outbox, times } = this.#parts;
    if (this.#token === undefined) this.#heldUntil = asked + times.leaseMs;
    this.#token = token;
    this.#renewal ??= setInterval(() => {
      this.#checkLease();
      const renewed = performance.now();
      outbox.renew(this.#name, token, times.leaseMs).then(
        (held) => {
          if (held) this.#heldUntil = renewed + times.leaseMs;
          else this.#lost.abort();
        },
        () => {},
      );
    }, times.leaseMs / 3);
  }

  /** This process may have slept, or Redis been away, for longer than the lease lives. */
  #checkLease(): void {
    if (performance.now() >= this.#heldUntil) this.#lost.abort();
  }

  async #release(): Promise<void> {
    clearTimeout(this.#lookAgain);
    clearInterval(this.#renewal);
    if (this.#token !== undefined)
      await this.#parts.outbox.release(this.#name, this.#token).catch(() => false);
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

  #begin(taken: TakenLane): void {
    const send = this.#send(taken)
      .catch((error: Error) => {
        this.#failure = error;
        return true;
      })
      .then((isDue) => {
        this.#busy.delete(taken.lane);
        if (!isDue && !this.#hasMore && this.#busy.size > 0) return;
        this.#hasRoom = true;
        this.#wake();
      });
    this.#busy.set(taken.lane, send);
  }

  /** Sends it when it is its turn. Whether the lane may be taken again. */
  async #send(taken: TakenLane): Promise<boolean> {
    if (!(await this.#turns.wait(taken.urgent))) return this.#putBack(taken);
    let isSending = true;
    const end = () => {
      if (isSending) this.#turns.free();
      isSending = false;
    };
    try {
      if (this.#parts.stopping.aborted) return await this.#putBack(taken);
      return await this.#tell(taken, (outcome) => {
        if (outcome.result === 'ok') end();
        // The channel may have asked for a pause, or be broken.
        else this.#turns.clear();
      });
    } finally {
      end();
    }
  }

  /** It was taken, but not begun. */
  async #putBack(taken: TakenLane): Promise<boolean> {
    if (this.#token !== undefined && !this.#lost.signal.aborted)
      await this.#parts.outbox.putBack(this.#name, taken, this.#token);
    return true;
  }

  async #tell(taken: TakenLane, onOutcome: (outcome: Outcome) => void): Promise<boolean> {
    const channel = this.#parts.channels.get(this.#name);
    const token = this.#token;
    this.#checkLease();
    if (!channel || token === undefined || this.#lost.signal.aborted) return true;
    const held = { channel, taken, token, lost: this.#lost.signal, onOutcome };
    const began = Date.now();
    const tried = await tellHead(this.#parts, held);
    if (tried.outcome) await this.#judge(tried.outcome, began);
    if (tried.left === undefined) this.#lost.abort();
    return tried.left !== 0;
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
    if (this.#token !== undefined)
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
