import { createHash, randomBytes } from 'node:crypto';
import type { Agent, EnrollRequest } from '@tocsin/openapi';
import type { Redis } from 'ioredis';
import { agentKeys, agentsKey, audienceKey, joinTokenKey } from './keys.ts';
import { loadScript, runScript } from './scripts.ts';

/** What a signature is checked against. */
export interface AgentKey {
  readonly kid: string;
  /** The public key, base64url. */
  readonly x: string;
}

const enrollScript = loadScript('enroll');
const AGENT_ID_LENGTH = 18;
const JOIN_PREFIX = 'tocsin-join-';
const digestOf = (token: string) => createHash('sha256').update(token).digest('base64url');

export class AgentStore {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** What agents must name as `aud`: made once for all replicas. */
  async audience(): Promise<string> {
    await this.#redis.set(audienceKey, `tocsin-${randomBytes(9).toString('base64url')}`, 'NX');
    return (await this.#redis.get(audienceKey)) as string;
  }

  /** Makes a join token that one agent can use within `ttlMs`. Only its digest is kept. */
  async createJoinToken(ttlMs: number): Promise<string> {
    const token = JOIN_PREFIX + randomBytes(24).toString('base64url');
    await this.#redis.set(joinTokenKey(digestOf(token)), 'unused', 'PX', ttlMs);
    return token;
  }

  /**
   * Enrols an agent. Its id follows from its key, so a host that enrols again is the same agent. Undefined when the join token is
   * unknown, used or expired; `revoked` when the key was.
   */
  async enroll(request: EnrollRequest, kid: string): Promise<string | undefined | 'revoked'> {
    const agent = createHash('sha256').update(kid).digest('hex').slice(0, AGENT_ID_LENGTH);
    const { hostname, version, public_key } = request;
    const fields = { hostname, version, x: public_key.x, enrolled_at: Date.now() };
    const answer = await runScript(
      this.#redis,
      enrollScript,
      [joinTokenKey(digestOf(request.join_token)), agentsKey, agentKeys(agent).agent],
      [agent, kid, ...Object.entries(fields).flat()],
    );
    return (answer as string) || undefined;
  }

  /** The key of an agent; undefined when it is not enrolled. */
  async keyOf(agent: string): Promise<AgentKey | undefined> {
    const [kid, x] = await this.#redis.hmget(agentKeys(agent).agent, 'kid', 'x');
    return kid && x ? { kid, x } : undefined;
  }

  /** All agents by host name. */
  async list(): Promise<Agent[]> {
    const ids = await this.#redis.smembers(agentsKey);
    const hashes = await Promise.all(ids.map((id) => this.#redis.hgetall(agentKeys(id).agent)));
    return ids
      .map((agent, index) => present(agent, hashes[index] ?? {}))
      .sort((a, b) => (a.hostname < b.hostname ? -1 : a.hostname > b.hostname ? 1 : 0));
  }

  /** Refuses every further batch of the agent. False when there is no such agent. */
  async revoke(agent: string): Promise<boolean> {
    if (!(await this.#redis.sismember(agentsKey, agent))) return false;
    await this.#redis.hset(agentKeys(agent).agent, 'revoked', 1);
    return true;
  }
}

type AgentHash = Partial<
  Record<
    | 'hostname'
    | 'version'
    | 'kid'
    | 'enrolled_at'
    | 'last_seen'
    | 'last_sequence'
    | 'alerts'
    | 'revoked',
    string
  >
>;

function present(agent: string, hash: AgentHash): Agent {
  const lastSeen = hash.last_seen;
  return {
    agent,
    hostname: hash.hostname ?? '',
    version: hash.version ?? '',
    kid: hash.kid ?? '',
    enrolled_at: new Date(Number(hash.enrolled_at ?? 0)).toISOString(),
    last_seen: lastSeen ? new Date(Number(lastSeen)).toISOString() : null,
    last_sequence: Number(hash.last_sequence ?? 0),
    alerts: Number(hash.alerts ?? 0),
    revoked: hash.revoked === '1',
  };
}
