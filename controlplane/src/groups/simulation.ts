/**
 * Alerts and silences put into the production code under a clock of their own: a private Redis, the scripts, the flusher. Inputs of a
 * moment come before what is said at it; what is said at one moment comes in the order of the routes, then of the groups.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Channel, Config } from '@tocsin/openapi';
import type { Redis } from 'ioredis';
import type { Labels } from '../routing/types.ts';
import { EmbeddedRedis } from '../store/embedded.ts';
import { GroupStore } from '../store/groups.ts';
import { laneOf, Outbox, type OutboxEntry } from '../store/outbox.ts';
import { requestClient } from '../store/redis.ts';
import { SilenceStore } from '../store/silences.ts';
import { Flusher } from './flusher.ts';
import { type Grouping, groupingOf } from './grouping.ts';
import { rehome } from './rehome.ts';

/** What happens at one moment; times are ms of the simulated clock. */
export type SimulatedInput =
  | {
      readonly kind: 'alert';
      readonly labels: Labels;
      /** Output fields as texts. */
      readonly fields: Labels;
      readonly startsAt: number | undefined;
      readonly endsAt: number | undefined;
    }
  | {
      readonly kind: 'silence';
      readonly matchers: readonly string[];
      readonly startsAt: number;
      readonly endsAt: number;
    }
  | { readonly kind: 'reload'; readonly configuration: SimulatedConfiguration }
  | { readonly kind: 'restart' };

export interface TimedInput {
  readonly at: number;
  readonly input: SimulatedInput;
}

/** A configuration whose channels were checked. */
export interface SimulatedConfiguration {
  readonly config: Config;
  readonly channels: readonly Channel[];
}

/** What would be sent. */
export interface SimulatedNotification {
  readonly at: number;
  readonly channel: string;
  readonly entry: OutboxEntry;
}

function requireGrouping({ config, channels }: SimulatedConfiguration): Grouping {
  const modes = new Map(channels.map(({ name, mode }) => [name, mode]));
  const grouping = groupingOf(config, undefined, (channel) => modes.get(channel));
  if (!grouping) throw new Error('there is no routing tree');
  return grouping;
}

const ALL = 1_000_000;
const LEASE_MS = 60_000;

/** What was told leaves its lane. */
async function settle(
  outbox: Outbox,
  channel: string,
  lane: string,
  count: number,
  now: number,
): Promise<void> {
  if (count === 0) return;
  const token = await outbox.acquire(channel, LEASE_MS);
  if (token === undefined) throw new Error(`${channel} is held by another`);
  await outbox.acknowledge(channel, lane, token, count, { fate: 'notified' }, undefined, now);
  await outbox.release(channel, token);
}

/** Runs one simulation; at its end nothing of it is left. */
export class Simulation {
  readonly #server: string;
  readonly #folder: string;
  #configuration: SimulatedConfiguration;
  #grouping: Grouping;
  #embedded: EmbeddedRedis | undefined;
  #redis: Redis | undefined;
  #silenceCount = 0;
  readonly #removeFolder = () => rmSync(this.#folder, { recursive: true, force: true });

  constructor(configuration: SimulatedConfiguration) {
    this.#configuration = configuration;
    this.#grouping = requireGrouping(configuration);
    this.#server = configuration.config.redis.server;
    this.#folder = mkdtempSync(join(tmpdir(), 'tocsin-simulate-'));
    process.once('exit', this.#removeFolder);
  }

  /** Plays inputs, which are in order, until a time; tells what is said as it comes. */
  async run(
    inputs: readonly TimedInput[],
    until: number,
    tell: (said: SimulatedNotification) => void,
  ): Promise<void> {
    try {
      await this.#start();
      let flusher = this.#flusher();
      let position = 0;
      for (let now = inputs[0]?.at ?? until; ; ) {
        const next = await this.#nextAt(flusher, now);
        const at = Math.min(
          inputs[position]?.at ?? Number.POSITIVE_INFINITY,
          next ?? Number.POSITIVE_INFINITY,
        );
        if (at > until) break;
        now = Math.max(now, at);
        await flusher.seeHoldEnds(now - 1);
        for (; inputs[position]?.at === now; position++) {
          const { input } = inputs[position] as TimedInput;
          if (input.kind === 'reload')
            await flusher.seeHoldEnds(now, requireGrouping(input.configuration));
          if (await this.#apply(input, now)) flusher = this.#flusher();
        }
        await flusher.seeHoldEnds(now);
        await this.#flush(flusher, now, tell);
        await this.#tellDigests(now, tell);
      }
    } finally {
      await this.#stop();
      process.off('exit', this.#removeFolder);
      this.#removeFolder();
    }
  }

  /** Whether everything in memory is to be made anew. */
  async #apply(input: SimulatedInput, now: number): Promise<boolean> {
    const redis = this.#redis as Redis;
    switch (input.kind) {
      case 'alert': {
        const { startsAt, endsAt } = input;
        const labels = this.#grouping.withFields(input.labels, input.fields);
        const rest = { occurrences: 1, seen: undefined, sample: undefined, agent: undefined };
        const request = this.#grouping.request([{ labels, startsAt, endsAt, ...rest }], now);
        await new GroupStore(redis).admit(request);
        return false;
      }
      case 'silence':
        await new SilenceStore(redis).put([
          {
            id: `silence-${++this.#silenceCount}`,
            matchers: [input.matchers],
            starts_at: Math.max(input.startsAt, now),
            ends_at: input.endsAt,
            created_by: 'simulation',
            comment: '',
            updated_at: now,
          },
        ]);
        return false;
      case 'reload':
        this.#configuration = input.configuration;
        this.#grouping = requireGrouping(input.configuration);
        await rehome(new GroupStore(redis), this.#grouping, now);
        return false;
      case 'restart':
        await this.#stop();
        await this.#start();
        return true;
    }
  }

  async #flush(
    flusher: Flusher,
    now: number,
    tell: (said: SimulatedNotification) => void,
  ): Promise<void> {
    const outbox = new Outbox(this.#redis as Redis);
    for (;;) {
      const claimed = await flusher.claim(now, ALL);
      if (claimed.length === 0) return;
      for (const group of claimed) {
        const flushed = await flusher.flush(group, now);
        if (!flushed) continue;
        const { channel } = flushed.route;
        for (const entry of flushed.entries) tell({ at: now, channel, entry });
        await settle(
          outbox,
          channel,
          laneOf(channel, flushed.group.id),
          flushed.entries.length,
          now,
        );
      }
    }
  }

  async #nextAt(flusher: Flusher, now: number): Promise<number | undefined> {
    const outbox = new Outbox(this.#redis as Redis);
    const digests = this.#configuration.channels.map(({ name }) => outbox.heldDue(name));
    const times = await Promise.all([flusher.nextAt(now), ...digests]);
    const known = times.filter((time) => time !== undefined);
    return known.length > 0 ? Math.min(...known) : undefined;
  }

  async #tellDigests(now: number, tell: (said: SimulatedNotification) => void): Promise<void> {
    const outbox = new Outbox(this.#redis as Redis);
    for (const channel of this.#configuration.channels) {
      if ((await outbox.takeHeld(channel, now)) === 0) continue;
      const entries = await outbox.readHead(channel.name, ALL);
      for (const entry of entries) tell({ at: now, channel: channel.name, entry });
      await settle(outbox, channel.name, channel.name, entries.length, now);
    }
  }

  #flusher(): Flusher {
    const redis = this.#redis as Redis;
    return new Flusher({
      store: new GroupStore(redis),
      silences: new SilenceStore(redis),
      channels: {
        get: (name) => this.#configuration.channels.find((channel) => channel.name === name),
      },
      grouping: () => this.#grouping,
    });
  }

  async #start(): Promise<void> {
    this.#embedded = await EmbeddedRedis.start({
      dataDir: this.#folder,
      server: this.#server,
      fsync: 'everysec',
    });
    this.#redis = requestClient({ socket: this.#embedded.socket });
    await this.#redis.connect();
  }

  async #stop(): Promise<void> {
    this.#redis?.disconnect();
    await this.#embedded?.stop();
  }
}
