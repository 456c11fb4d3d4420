import type { EnrollRequest, EnrollResponse } from '@tocsin/openapi';
import { agentFiles } from './agent-files.ts';
import { type Identity, saveIdentity } from './identity.ts';
import { createKeyPair, loadKeyPair, saveKeyPair } from './key-pair.ts';
import type { Transport } from './transport.ts';

export interface EnrolmentOptions {
  readonly dataDir: string;
  readonly server: string;
  readonly joinToken: string;
  readonly hostname: string;
  readonly version: string;
  /** After a revocation the old key is worth nothing. */
  readonly newKey?: boolean;
}

export type Enrolment =
  | { readonly ok: true; readonly identity: Identity }
  | { readonly ok: false; readonly code: string; readonly detail: string };

/** Makes this host known to a control plane with a one-time join token, and keeps who it is from then on. */
export async function enrolAgent(
  transport: Transport,
  options: EnrolmentOptions,
  signal?: AbortSignal,
): Promise<Enrolment> {
  const { dataDir, server, joinToken, hostname, version } = options;
  const files = agentFiles(dataDir);
  const key = options.newKey ? await createKeyPair() : await loadKeyPair(files.key);
  const { kty, crv, x } = key;
  const request: EnrollRequest = {
    join_token: joinToken,
    hostname,
    version,
    public_key: { kty, crv, x },
  };
  const answer = await transport.post(
    {
      path: '/v1/agents/enroll',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request),
    },
    signal,
  );
  if (answer.kind === 'unreachable')
    return {
      ok: false,
      code: 'unreachable',
      detail: `${server} cannot be reached: ${answer.detail}`,
    };
  if (answer.kind === 'refused')
    return { ok: false, code: answer.code ?? `status_${answer.status}`, detail: answer.detail };
  const { agent, kid, audience } = (answer.body ?? {}) as Partial<EnrollResponse>;
  if (!agent || !kid || !audience)
    return {
      ok: false,
      code: 'not_tocsin',
      detail: `${server} does not answer as a Tocsin control plane`,
    };
  const identity: Identity = { server, agent, kid, audience };
  if (options.newKey) saveKeyPair(files.key, key);
  saveIdentity(files.identity, identity);
  return { ok: true, identity };
}
