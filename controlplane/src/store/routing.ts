/** Versions of the routing in Redis. */
import type { RoutingDocument } from '@tocsin/openapi';
import type { Redis } from 'ioredis';
import { routingFileKey, routingVersionKey, routingVersionsKey } from './keys.ts';
import { loadScript, runScript } from './scripts.ts';

/** One version, as it was made. */
export interface RoutingVersion {
  readonly version: number;
  /** ms since the epoch. */
  readonly made_at: number;
  readonly made_by: string;
  readonly comment: string;
  readonly document: RoutingDocument;
}

/** So many versions are kept to go back to. */
const KEPT_VERSIONS = 100;
const changeScript = loadScript('change-routing');

export class RoutingStore {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** The current version; 0 before there is any. */
  async version(): Promise<number> {
    return Number((await this.#redis.get(routingVersionKey)) ?? '0');
  }

  /** Digest of the routing of the file that was last taken. */
  async fileDigest(): Promise<string | undefined> {
    return (await this.#redis.get(routingFileKey)) ?? undefined;
  }

  async read(version: number): Promise<RoutingVersion | undefined> {
    const text = await this.#redis.hget(routingVersionsKey, String(version));
    return text === null ? undefined : (JSON.parse(text) as RoutingVersion);
  }

  /** Newest first. */
  async all(): Promise<RoutingVersion[]> {
    const texts = await this.#redis.hvals(routingVersionsKey);
    return texts
      .map((text) => JSON.parse(text) as RoutingVersion)
      .sort((a, b) => b.version - a.version);
  }

  /** Makes `next` current if `next.version - 1` is; `fileDigest` where it is from a file. */
  async change(next: RoutingVersion, fileDigest = ''): Promise<boolean> {
    const keys = [routingVersionsKey, routingVersionKey, routingFileKey];
    const { version } = next;
    const args = [version - 1, version, JSON.stringify(next), KEPT_VERSIONS, fileDigest];
    return (await runScript(this.#redis, changeScript, keys, args)) === 1;
  }
}
