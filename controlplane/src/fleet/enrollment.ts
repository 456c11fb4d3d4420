import type { Agent, EnrollRequest, EnrollResponse } from '@tocsin/openapi';
import { calculateJwkThumbprint } from 'jose';
import { ProblemError } from '../errors.ts';
import type { Keyring } from '../ingest/keyring.ts';
import type { AgentStore } from '../store/agents.ts';

/** How hosts become agents, and stop being so. */
export class Enrollment {
  readonly #agents: AgentStore;
  readonly #keyring: Keyring;
  readonly #audience: string;

  constructor(agents: AgentStore, keyring: Keyring, audience: string) {
    this.#agents = agents;
    this.#keyring = keyring;
    this.#audience = audience;
  }

  /** Enrols an agent. Throws ProblemError when the join token is no good. */
  async enroll(request: EnrollRequest): Promise<EnrollResponse> {
    const kid = await calculateJwkThumbprint(request.public_key);
    const agent = await this.#agents.enroll(request, kid);
    if (agent === 'revoked') {
      throw new ProblemError(
        'agent_revoked',
        "The agent's key was revoked: remove the key on the host to enrol it anew.",
      );
    }
    if (agent !== undefined) return { agent, kid, audience: this.#audience };
    throw new ProblemError(
      'join_token_invalid',
      'The join token is unknown, used or expired: make a new one with `tocsin agents token`.',
    );
  }

  list(): Promise<Agent[]> {
    return this.#agents.list();
  }

  createJoinToken(ttlMs: number): Promise<string> {
    return this.#agents.createJoinToken(ttlMs);
  }

  /** Refuses the agent from now on. Throws ProblemError when there is none of this id. */
  async revoke(agent: string): Promise<void> {
    if (!(await this.#agents.revoke(agent))) {
      throw new ProblemError('not_found', `There is no agent ${agent}.`);
    }
    this.#keyring.forget(agent);
  }
}
