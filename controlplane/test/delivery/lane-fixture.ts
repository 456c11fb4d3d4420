/** A real Redis, lanes filled as admission fills them, and a receiver that tells what it got. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Channel, StoredAlert } from '@tocsin/openapi';
import type { Redis } from 'ioredis';
import { Registry } from 'prom-client';
import {
  type DeliveryOptions,
  type RunningDelivery,
  startDelivery,
} from '../../src/delivery/delivery.ts';
import { LaneWaker } from '../../src/ingest/wake.ts';
import { AlertStore } from '../../src/store/alerts.ts';
import { type DeadLetter, DeadLetters } from '../../src/store/dead-letters.ts';
import { EmbeddedRedis } from '../../src/store/embedded.ts';
import { alertKeys, channelKeys, laneKeys, lanesKey } from '../../src/store/keys.ts';
import { laneOf, Outbox, type OutboxEntry } from '../../src/store/outbox.ts';
import { requestClient, workerClient } from '../../src/store/redis.ts';

/** Quick enough for tests; the order of magnitude between them is that of the defaults. */
export const TEST_TIMES = {
  leaseMs: 1500,
  attemptMs: 5000,
  sliceMs: 2000,
  sweepMs: 50,
  retry: { firstMs: 20, mostMs: 100, patienceMs: 3_600_000 },
  breaker: { failures: 5, firstMs: 40, mostMs: 100 },
};

export class LaneFixture {
  readonly redis: Redis;
  readonly socket: string;
  readonly outbox: Outbox;
  readonly channels = new Map<string, Channel>();
  readonly metrics = new Registry();
  readonly problems: unknown[] = [];
  readonly #embedded: EmbeddedRedis;
  readonly #folder: string;
  readonly #waker: LaneWaker;
  readonly #running: { delivery: RunningDelivery; workerRedis: Redis }[] = [];

  private constructor(embedded: EmbeddedRedis, folder: string, redis: Redis) {
    this.#embedded = embedded;
    this.#folder = folder;
    this.socket = embedded.socket;
    this.redis = redis;
    this.outbox = new Outbox(this.redis);
    this.#waker = new LaneWaker(this.redis);
  }

  static async open(): Promise<LaneFixture> {
    const folder = await mkdtemp(join(tmpdir(), 'tocsin-lane-'));
    const embedded = await EmbeddedRedis.start({
      dataDir: folder,
      server: 'redis-server',
      fsync: 'everysec',
    });
    const redis = requestClient({ socket: embedded.socket });
    await redis.connect();
    return new LaneFixture(embedded, folder, redis);
  }

  /** Appends an entry with its alert; what the alert says is its number. */
  async enqueue(channel: string, number: number, held?: OutboxEntry['held']): Promise<void> {
    const id = `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
    const now = Date.now();
    const time = new Date(now).toISOString();
    const alert = {
      uuid: id,
      time,
      rule: 'Rule',
      priority: 'Warning',
      source: 'syscall',
      output: `number ${number}`,
      output_fields: {},
      hostname: 'node-1',
      tags: [],
    };
    const body = JSON.stringify(alert);
    const entry: OutboxEntry = {
      id: `${id}-${channel}`,
      time: now,
      alert: id,
      ...(held && { held }),
    };
    const { entries } = laneKeys(channel);
    const { ledger } = channelKeys(channel);
    await this.redis
      .multi()
      .set(`${alertKeys.bodiesPrefix}${number}`, body)
      .hset(
        alertKeys.record,
        id,
        `f00d 1 ${now} ${now} 0 ${body.length - 1} ${now} ${number} agent-1`,
      )
      .rpush(entries, JSON.stringify(entry))
      .hincrby(ledger, 'pending', 1 + (held ?? []).reduce((sum, [, count]) => sum + count, 0))
      .sadd(lanesKey, channel)
      .exec();
    this.#waker.wake([channel]);
  }

  /** Appends an update of a group that says one number fires, as a flush does. */
  async update(channel: string, group: string, number: number, urgent = false): Promise<void> {
    const now = Date.now();
    const alert = { starts_at: now, ends_at: null, count: 1, last_seen: now, samples: [] };
    const entry: OutboxEntry = {
      id: `${group}-${number}`,
      time: now,
      group: {
        key: `{}:{group="${group}"}`,
        route: '0',
        labels: { group },
        reason: 'new alerts',
        firing: [{ ...alert, labels: { group, number: String(number) } }],
        resolved: [],
        counts: { firing: 1, resolved: 0, held: 0, seen: 1 },
      },
    };
    const lane = laneOf(channel, group);
    const { ledger, ready } = channelKeys(channel);
    await this.redis
      .multi()
      .rpush(laneKeys(lane).entries, JSON.stringify(entry))
      .hincrby(ledger, 'pending', 1)
      .sadd(lanesKey, channel)
      .zadd(ready, 'NX', urgent ? 0 : now, lane)
      .exec();
    this.#waker.wake([channel]);
  }

  async fill(channel: string, from: number, to: number): Promise<void> {
    for (let number = from; number <= to; number++) await this.enqueue(channel, number);
  }

  /** Starts workers; those of an earlier call go on. */
  async start(change: Partial<DeliveryOptions> = {}): Promise<RunningDelivery> {
    const workerRedis = workerClient({ socket: this.socket });
    await workerRedis.connect();
    const delivery = startDelivery({
      redis: this.redis,
      workerRedis,
      outbox: this.outbox,
      alerts: new AlertStore(this.redis),
      channels: { get: (name) => this.channels.get(name), all: () => [...this.channels.values()] },
      metrics: this.#running.length === 0 ? this.metrics : new Registry(),
      logger: { warn: (details) => this.problems.push(details) },
      environment: {},
      times: TEST_TIMES,
      ...change,
    });
    this.#running.push({ delivery, workerRedis });
    return delivery;
  }

  webhook(name: string, url: string, more: object = {}): void {
    this.channels.set(name, {
      name,
      kind: 'webhook',
      minimum_priority: 'debug',
      settings: { url, secret: { value: 'secret' }, allow_private_addresses: true, ...more },
    });
  }

  deadLetters(channel: string, limit: number): Promise<DeadLetter[]> {
    return new DeadLetters(this.redis).list(channel, {}, limit);
  }

  async depth(channel: string): Promise<number> {
    return this.redis.llen(laneKeys(channel).entries);
  }

  ledger(channel: string): Promise<Record<string, string>> {
    return this.redis.hgetall(channelKeys(channel).ledger);
  }

  stopRedis(): Promise<void> {
    return this.#embedded.stop();
  }

  async close(): Promise<void> {
    for (const { delivery, workerRedis } of this.#running) {
      await delivery.stop(200);
      workerRedis.disconnect();
    }
    await this.#waker.close();
    this.redis.disconnect();
    await this.#embedded.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export interface Told {
  readonly id: string;
  readonly numbers: number[];
  readonly repeated: boolean;
  /** Of a group: which, and the reasons of updates that waited. */
  readonly group?: string;
  readonly waited?: readonly string[];
  readonly held: { readonly count: number; readonly by_rule: { rule: string; count: number }[] };
}

/** A webhook receiver that keeps what it was told; `answer` decides about each request. */
export class Receiver {
  readonly told: Told[] = [];
  /** What the first alert of each says. */
  readonly outputs: string[] = [];
  answer: (response: ServerResponse, told: Told, nth: number, path: string) => void = (response) =>
    response.end();
  readonly #server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const { data } = JSON.parse(body) as {
        data: {
          alerts: StoredAlert[];
          held: Told['held'];
          repeated?: boolean;
          group?: {
            labels: { group: string };
            firing: { labels: { number: string } }[];
            waited?: string[];
          };
        };
      };
      const { group } = data;
      const grouped = group?.firing
        .map(({ labels }) => Number(labels.number))
        .sort((a, b) => a - b);
      const told: Told = {
        id: String(request.headers['webhook-id']),
        numbers:
          grouped ??
          data.alerts
            .filter(({ source }) => source !== 'internal')
            .map(({ output }) => Number(output.replace('number ', ''))),
        ...(group && { group: group.labels.group }),
        ...(group?.waited && { waited: group.waited }),
        repeated: data.repeated ?? false,
        held: data.held,
      };
      this.told.push(told);
      this.outputs.push(data.alerts[0]?.output ?? '');
      this.answer(response, told, this.told.length, request.url ?? '/');
    });
  });

  async open(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  get numbers(): number[] {
    return this.told.flatMap(({ numbers }) => numbers);
  }
}

export const upTo = (last: number): number[] =>
  Array.from({ length: last }, (_, index) => index + 1);
