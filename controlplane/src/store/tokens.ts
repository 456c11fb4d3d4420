import { createHash, timingSafeEqual } from 'node:crypto';
import type { Redis } from 'ioredis';
import { tokensKey } from './keys.ts';

/** What the bearer of a token may do: hand in alerts, read them, both and silence them, or everything. */
export const ROLES = ['intake', 'reader', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export interface TokenHolder {
  readonly name: string;
  readonly role: Role;
}

interface StoredToken {
  readonly digest: string;
  readonly role: Role;
  /** Times are ms; none: it was not made over the API. */
  readonly made?: { readonly at: number; readonly by: string; readonly expires?: number };
}

/** A token without what proves it. */
export interface TokenInfo extends TokenHolder {
  readonly made: StoredToken['made'];
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
    await this.#redis.hset(tokensKey, name, textOf(token, role));
  }

  /** The same with what was made over the API; false when there is one of that name. */
  async add(name: string, token: string, role: Role, made: StoredToken['made']): Promise<boolean> {
    if (this.#fixed.some((one) => one.name === name)) return false;
    return (await this.#redis.hsetnx(tokensKey, name, textOf(token, role, made))) === 1;
  }

  /** False when there is none of that name. */
  async remove(name: string): Promise<boolean> {
    return (await this.#redis.hdel(tokensKey, name)) === 1;
  }

  /** All tokens, by name. */
  async list(): Promise<TokenInfo[]> {
    const fixed = this.#fixed.map(({ name, role }) => ({ name, role, made: undefined }));
    const stored = (await this.#stored()).map(([name, { role, made }]) => ({ name, role, made }));
    return [...fixed, ...stored].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Who bears the token. Every token is compared in full, so that time tells nothing. */
  async find(token: string): Promise<TokenHolder | undefined> {
    const digest = digestOf(token);
    let holder: TokenHolder | undefined;
    for (const [name, { digest: known, role, made }] of await this.#stored()) {
      const fits = timingSafeEqual(digest, Buffer.from(known, 'hex'));
      if (fits && (made?.expires ?? Number.POSITIVE_INFINITY) > Date.now()) holder = { name, role };
    }
    for (const { name, role, digest: known } of this.#fixed) {
      if (timingSafeEqual(digest, known)) holder = { name, role };
    }
    return holder;
  }

  async #stored(): Promise<[string, StoredToken][]> {
    const texts = Object.entries(await this.#redis.hgetall(tokensKey));
    return texts.map(([name, text]) => [name, JSON.parse(text) as StoredToken]);
  }
}

const textOf = (token: string, role: Role, made?: StoredToken['made']): string =>
  JSON.stringify({ digest: digestOf(token).toString('hex'), role, ...(made && { made }) });
