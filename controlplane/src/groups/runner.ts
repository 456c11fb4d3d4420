/** Flushes groups as long as the control plane runs: looks at what is due, and when hold ends wake groups. Any number may run at once. */
import type { Channel } from '@tocsin/openapi';
import type { Redis } from 'ioredis';
import type { Registry } from 'prom-client';
import { Counter, Gauge } from 'prom-client';
import { type ClaimedGroup, GroupStore } from '../store/groups.ts';
import { groupKeys } from '../store/keys.ts';
import { SilenceStore } from '../store/silences.ts';
import { Flusher } from './flusher.ts';
import type { Grouping } from './grouping.ts';
import { rehome } from './rehome.ts';
import type { ViewParts } from './view.ts';

export interface GroupRunnerOptions {
  readonly redis: Redis;
  readonly channels: { get(name: string): Channel | undefined };
  readonly grouping: Grouping;
  readonly metrics: Registry;
  /** Wakes the workers of channels that got something. */
  readonly wake: (channels: readonly string[]) => void;
  readonly onProblem: (error: unknown) => void;
}

/** Between two looks, ms. */
const LOOK_MS = 100;
/** Few, because what is claimed by a process that is killed waits for the end of its claim. */
const AT_ONCE = 20;
/** Between two looks for what ended long ago, ms. */
const TIDY_MS = 60_000;

export class GroupRunner {
  readonly #options: GroupRunnerOptions;
  readonly #store: GroupStore;
  readonly #flusher: Flusher;
  readonly #said: Counter<'reason'>;
  readonly #postponed: Counter;
  #grouping: Grouping;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  readonly #busy = new Set<Promise<void>>();
  #again = false;
  #looking = false;
  #stopped = false;
  #tidyAt = 0;

  constructor(options: GroupRunnerOptions) {
    this.#options = options;
    this.#grouping = options.grouping;
    this.#store = new GroupStore(options.redis);
    this.#flusher = new Flusher({
      store: this.#store,
      silences: new SilenceStore(options.redis),
      channels: options.channels,
      grouping: () => this.#grouping,
    });
    const registers = [options.metrics];
    this.#said = new Counter({
      name: 'tocsin_group_notifications_total',
      help: 'Notifications of groups, by reason.',
      labelNames: ['reason'],
      registers,
    });
    this.#postponed = new Counter({
      name: 'tocsin_group_flushes_postponed_total',
      help: 'Flushes that a throttle or a full lane put off.',
      registers,
    });
    new Gauge({
      name: 'tocsin_groups',
      help: 'Groups that are open.',
      registers,
      async collect() {
        this.set(await options.redis.hlen(groupKeys.state).catch(() => 0));
      },
    });
  }

  get grouping(): Grouping {
    return this.#grouping;
  }

  /** What groups look like now, for people. */
  get view(): ViewParts {
    return { store: this.#store, flusher: this.#flusher, grouping: () => this.#grouping };
  }

  /** Makes the groups those of the configuration, and flushes them from then on. */
  async start(): Promise<void> {
    await this.use(this.#grouping);
    this.#schedule(0);
  }

  /** Goes on with another configuration. Throws when Redis is away; then the old one stays. */
  async use(grouping: Grouping): Promise<void> {
    const { redis } = this.#options;
    const { signature } = grouping;
    // A start with the configuration that the groups already are of costs nothing.
    const isNew = (await redis.get(groupKeys.configuration)) !== signature;
    // A replica that was first may have left a group to one that still held it back.
    const isChange = this.#grouping.signature !== signature;
    const woken =
      isNew || isChange ? await this.#flusher.seeHoldEnds(await this.now(), grouping) : [];
    if (isNew) {
      await rehome(this.#store, grouping, await this.now());
      await redis.set(groupKeys.configuration, signature);
    }
    this.#grouping = grouping;
    // What was admitted here meanwhile went by the one before.
    if (isChange) await rehome(this.#store, grouping, await this.now());
    // One that was due meanwhile was looked at with the old configuration, and put off again.
    for (const { id, at } of woken) await this.#store.wake([id], at);
  }

  /** Looks soon: something came that does not wait. */
  nudge(): void {
    if (this.#looking) this.#again = true;
    else this.#schedule(0);
  }

  /** Ends after what is under way. Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
    await Promise.all(this.#busy);
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#looking = true;
      this.#running = this.#look()
        .catch((error: unknown) => this.#options.onProblem(error))
        .finally(() => {
          this.#looking = false;
          const soon = this.#again;
          this.#again = false;
          this.#schedule(soon ? 0 : LOOK_MS);
        });
    }, ms);
  }

  async #look(): Promise<void> {
    let now = await this.now();
    await this.#flusher.seeHoldEnds(now);
    // One that takes long, because thousands are in it, keeps no other waiting.
    while (!this.#stopped) {
      while (this.#busy.size > AT_ONCE / 2) await Promise.race(this.#busy);
      now = await this.now();
      const claimed = await this.#flusher.claim(now, AT_ONCE - this.#busy.size);
      if (claimed.length === 0) break;
      for (const group of claimed) this.#begin(group, now);
    }
    if (now >= this.#tidyAt) {
      this.#tidyAt = now + TIDY_MS;
      await this.#store.forgetEnded(now - this.#keptMs());
    }
  }

  #begin(group: ClaimedGroup, now: number): void {
    const flush = this.#flush(group, now)
      .catch((error: unknown) => this.#options.onProblem(error))
      .finally(() => this.#busy.delete(flush));
    this.#busy.add(flush);
  }

  async #flush(group: ClaimedGroup, now: number): Promise<void> {
    const flushed = await this.#flusher.flush(group, now);
    if (flushed?.outcome.status === 'postponed') this.#postponed.inc();
    if (!flushed || flushed.entries.length === 0) return;
    for (const { group: said } of flushed.entries)
      if (said) this.#said.inc({ reason: said.reason });
    this.#options.wake([flushed.route.channel]);
  }

  /** What ended is known for so long, so that late news of it are news of it. */
  #keptMs(): number {
    const waits = this.#grouping.tree.routes.map(
      ({ groupWaitMs, groupIntervalMs }) => groupWaitMs + groupIntervalMs,
    );
    return 30 * 60_000 + 2 * Math.max(...waits);
  }

  /** The clock of Redis, which all replicas share. */
  async now(): Promise<number> {
    const [seconds = 0, microseconds = 0] = await this.#options.redis.time();
    return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000);
  }
}
