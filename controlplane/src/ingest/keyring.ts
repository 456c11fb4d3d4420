import type { KeyObject } from 'node:crypto';
import { verificationKey } from '@tocsin/openapi';
import type { AgentStore } from '../store/agents.ts';

interface Entry {
  readonly kid: string;
  readonly key: KeyObject;
}

const CAPACITY = 10_000;
const AGENT_ID = /^[0-9a-f]{18}$/;

/**
 * Public keys of agents, ready to verify with. It may be behind; that is safe, since admission checks key and revocation again in
 * the same step that stores the batch.
 */
export class Keyring {
  readonly #agents: AgentStore;
  readonly #entries = new Map<string, Entry>();

  constructor(agents: AgentStore) {
    this.#agents = agents;
  }

  /** The key that an agent enrolled; undefined when no agent of this id has this key. */
  async find(agent: string, kid: string): Promise<KeyObject | undefined> {
    // Nothing is verified yet: what is no id must not become part of a key of Redis.
    if (!AGENT_ID.test(agent)) return undefined;
    const cached = this.#entries.get(agent);
    if (cached?.kid === kid) return cached.key;
    const found = await this.#agents.keyOf(agent);
    if (!found || found.kid !== kid) return undefined;
    const key = verificationKey(found.x);
    const oldest = this.#entries.size >= CAPACITY ? this.#entries.keys().next().value : undefined;
    if (oldest !== undefined) this.#entries.delete(oldest);
    this.#entries.set(agent, { kid, key });
    return key;
  }

  /** Forgets what is known of an agent. */
  forget(agent: string): void {
    this.#entries.delete(agent);
  }
}
