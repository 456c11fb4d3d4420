/** Tokens that are made and revoked while the control plane runs. */
import { randomBytes } from 'node:crypto';
import { ProblemError } from '../errors.ts';
import type { Role, TokenInfo, TokenStore } from '../store/tokens.ts';

/** Each is compared with whatever comes. */
const MAX_TOKENS = 500;

export class Tokens {
  readonly #store: TokenStore;

  constructor(store: TokenStore) {
    this.#store = store;
  }

  list(): Promise<TokenInfo[]> {
    return this.#store.list();
  }

  /** Makes a token, which is known nowhere else from then on. Throws ProblemError. */
  async create(name: string, role: Role, ttlMs: number | undefined, maker: string) {
    if ((await this.#store.list()).length >= MAX_TOKENS)
      throw new ProblemError('validation_failed', `There are ${MAX_TOKENS} tokens: revoke some.`);
    const at = Date.now();
    const expires = ttlMs === undefined ? undefined : at + ttlMs;
    const token = `tocsin-${role}-${randomBytes(32).toString('base64url')}`;
    const made = { at, by: maker, ...(expires !== undefined && { expires }) };
    if (!(await this.#store.add(name, token, role, made)))
      throw new ProblemError('token_exists', `There is a token named ${name}: revoke it first.`);
    return { token, name, role, made };
  }

  /** Throws ProblemError. */
  async revoke(name: string): Promise<void> {
    const token = (await this.#store.list()).find((one) => one.name === name);
    if (!token) throw new ProblemError('not_found', `There is no token named ${name}.`);
    if (!token.made)
      throw new ProblemError(
        'token_read_only',
        `${name} is in a file of the server: take it out of intake.tokens, or replace admin.token.`,
      );
    await this.#store.remove(name);
  }
}
