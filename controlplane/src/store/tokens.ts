import { createHash, timingSafeEqual } from 'node:crypto';
import type { Redis } from 'ioredis';
import { tokensKey } from './keys.ts';

/** What the bearer of a token may do. */
export type Role = 'admin';

export interface TokenHolder {
  readonly name: string;
  readonly role: Role;
}

interface StoredToken {
  readonly digest: string;
  readonly role: Role;
}

const digestOf = (token: string) => createHash('sha256').update(token).digest();

/** Bearer tokens of people and programs; only their digests are kept. */
export class TokenStore {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** Gives a token a name and a role; the one of the same name before it is no longer known. */
  async put(name: string, token: string, role: Role): Promise<void> {
    const stored: StoredToken = { digest: digestOf(token).toString('hex'), role };
    await this.#redis.hset(tokensKey, name, JSON.stringify(stored));
  }

  /** Who bears the token. Every token is compared in full, so that time tells nothing. */
  async find(token: string): Promise<TokenHolder | undefined> {
    const digest = digestOf(token);
    let holder: TokenHolder | undefined;
    for (const [name, text] of Object.entries(await this.#redis.hgetall(tokensKey))) {
      const stored = JSON.parse(text) as StoredToken;
      if (timingSafeEqual(digest, Buffer.from(stored.digest, 'hex'))) {
        holder = { name, role: stored.role };
      }
    }
    return holder;
  }
}
