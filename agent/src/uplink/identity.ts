import { calculateJwkThumbprint } from 'jose';
import type { KeyPair } from './key-pair.ts';
import { readOptionalFile, writePrivateFile } from './private-file.ts';

/** Who this agent is to one control plane. */
export interface Identity {
  /** URL of the control plane, as configured. */
  readonly server: string;
  readonly agent: string;
  /** RFC 7638 thumbprint of the key. */
  readonly kid: string;
  /** What signatures name as `aud`. */
  readonly audience: string;
}

const isText = (value: unknown): value is string => typeof value === 'string' && value.length > 0;

/** What the last enrolment left; undefined when there was none, or it was with another control plane or key. */
export async function loadIdentity(
  path: string,
  server: string,
  key: KeyPair,
): Promise<Identity | undefined> {
  const text = readOptionalFile(path);
  if (text === undefined) return undefined;
  let parsed: Partial<Identity>;
  try {
    parsed = JSON.parse(text) as Partial<Identity>;
  } catch {
    return undefined;
  }
  const { agent, kid, audience } = parsed;
  if (parsed.server !== server || !isText(agent) || !isText(kid) || !isText(audience)) {
    return undefined;
  }
  return kid === (await calculateJwkThumbprint(key)) ? { server, agent, kid, audience } : undefined;
}

/** Keeps what an enrolment answered. */
export function saveIdentity(path: string, identity: Identity): void {
  writePrivateFile(path, `${JSON.stringify(identity, null, 2)}\n`);
}
