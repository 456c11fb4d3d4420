import { createHash, timingSafeEqual } from 'node:crypto';
import type { Redis } from 'ioredis';
import { tokensKey } from './keys.ts';

/** What the bearer of a token may do: hand in alerts, also read them and silence, or everything. */
export type Role = 'intake' | 'operator' | 'admin';

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

  readonly #fixed: readonly (TokenHolder & { readonly digest: Buffer })[];

  /** `fixed` are the tokens of the configuration, which are known as long as it names them. */
  constructor(redis: Redis, fixed: readonly (TokenHolder & { readonly token: string })[] = []) {
    this.#redis = redis;
    this.#fixed = fixed.map(({ name, role, token }) => ({ name, role, digest: digestOf(token) }));
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
    for (const { name, role, digest: known } of this.#fixed) {
      if (timingSafeEqual(digest, known)) holder = { name, role };
    }
    return holder;
  }
}
