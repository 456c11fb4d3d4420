/**
 * Drains one channel under its lease: takes the lanes that are due, some at a time, each in its order. A lane that fails or hangs
 * delays no other; what the provider says of the channel holds back all of them.
 */
import { setMaxListeners } from 'node:events';
import type { DueLanes } from '../store/outbox.ts';
import type { ChannelKind } from './channel.ts';
import { type LaneParts, tellHead } from './lane.ts';

/** What came of draining: whether and when to come back. */
export type Drained =
  | { readonly next: 'idle' }
  /** The channel is not known here; its entries stay. */
  | { readonly next: 'unknown channel' }
  | { readonly next: 'later'; readonly at: number };

export interface DrainParts extends LaneParts {
  readonly findKind: (name: string) => ChannelKind | undefined;
  /** No further attempt is begun. */
  readonly stopping: AbortSignal;
}

/** How long to wait for a channel that another worker holds. */
const BUSY_MS = 500;
/** Sends to one channel at a time. */
const PARALLEL = 4;
/** While sends are under way, how soon and how late one looks for lanes that came meanwhile. */
const LOOK_MS = 20;
const LOOK_LATE_MS = 500;
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
    const { times, outbox } = this.#parts;
    let end = Date.now() + times.sliceMs;
    let pauseMs = LOOK_MS;
    for (;;) {
      const parallel = this.#parallel();
      if (parallel === undefined) return { next: 'unknown channel' };
      const { now, next, lanes } = await outbox.dueLanes(this.#name, parallel + this.#busy.size);
      const ended = this.#ended();
      if (ended) return ended;
      const began = this.#start(lanes, parallel);
      const wait = Math.max(0, (next ?? Number.POSITIVE_INFINITY) - now);
      if (this.#busy.size === 0) return next === undefined ? { next: 'idle' } : later(wait);
      pauseMs = began ? LOOK_MS : Math.min(pauseMs * 2, LOOK_LATE_MS);
      await this.#pause(Math.min(pauseMs, wait));
      if (Date.now() < end) continue;
      if (await this.#isOver()) return later(0);
      end = Date.now() + times.sliceMs;
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

  /** Sends at a time; undefined when the channel is not known. */
  #parallel(): number | undefined {
    const { channels, findKind } = this.#parts;
    const channel = channels.get(this.#name);
    return channel && (findKind(channel.kind)?.parallel ?? PARALLEL);
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
    const channel = this.#parts.channels.get(this.#name);
    if (!channel) return;
    const { signal } = this.#lost;
    const send = tellHead(this.#parts, { channel, lane, token: this.#token, lost: signal })
      .then((held) => {
        if (!held) this.#lost.abort();
      })
      .catch((error: Error) => {
        this.#failure = error;
      })
      .finally(() => {
        this.#busy.delete(lane);
        this.#wake();
      });
    this.#busy.set(lane, send);
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
