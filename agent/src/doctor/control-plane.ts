import { existsSync } from 'node:fs';
import { SIGNATURE_HEADER, SIGNATURE_TOLERANCE_SECONDS, signBatch } from '@tocsin/openapi';
import { agentFiles } from '../uplink/agent-files.ts';
import { type Identity, loadIdentity } from '../uplink/identity.ts';
import { KeyFileError, type KeyPair, loadKeyPair } from '../uplink/key-pair.ts';
import { type Answer, Transport } from '../uplink/transport.ts';
import { type Finding, failed, ok, warning } from './finding.ts';

const CHECK = { reach: 'control plane', enrolment: 'enrolment', clock: 'clock skew' } as const;
const NOTABLE_SKEW_MS = 2000;
const TIMEOUTS = { connectMs: 5000, answerMs: 5000 };
/** A line that is no alert: its signature is checked first, then it is refused, so that nothing is stored. */
const PROBE_LINE = '{}\n';

export interface ControlPlaneOptions {
  readonly server: string | undefined;
  readonly dataDir: string;
  readonly hasJoinToken: boolean;
}

/** Whether the control plane can be reached, knows this host, and has the same time. */
export async function controlPlaneFindings(options: ControlPlaneOptions): Promise<Finding[]> {
  const { server, dataDir } = options;
  if (server === undefined)
    return [ok(CHECK.reach, 'none is configured: alerts go to the outputs of this host only')];
  let known: Known | undefined;
  try {
    known = await whoWeAre(dataDir, server);
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    return [failed(CHECK.enrolment, error.message, 'remove the file and run tocsin enroll')];
  }
  const transport = new Transport(server, TIMEOUTS);
  try {
    const sentMs = Date.now();
    const answer = await send(transport, known);
    const skew = skewFinding(answer, sentMs);
    return [
      reachFinding(server, answer),
      ...(skew ? [skew] : []),
      ...enrolmentFinding(options, known, answer),
    ];
  } finally {
    await transport.close();
  }
}

interface Known {
  readonly key: KeyPair;
  readonly identity: Identity;
}

async function whoWeAre(dataDir: string, server: string): Promise<Known | undefined> {
  const files = agentFiles(dataDir);
  // Looking makes no key.
  if (!existsSync(files.key)) return undefined;
  const key = await loadKeyPair(files.key);
  const identity = await loadIdentity(files.identity, server, key);
  return identity && { key, identity };
}

async function send(transport: Transport, known: Known | undefined): Promise<Answer> {
  const body = Buffer.from(PROBE_LINE);
  const headers: Record<string, string> = { 'content-type': 'application/x-ndjson' };
  if (known !== undefined) {
    const { kid, agent, audience } = known.identity;
    // No number is used up by what is refused.
    const claims = { kid, agent, seq: 1, iat: Math.floor(Date.now() / 1000), aud: audience };
    headers[SIGNATURE_HEADER] = await signBatch(body, claims, known.key);
  }
  return transport.post({ path: '/v1/alerts', headers, body });
}

function reachFinding(server: string, answer: Answer): Finding {
  if (answer.kind === 'unreachable') {
    return failed(
      CHECK.reach,
      `${server} cannot be reached: ${answer.detail}`,
      'check the URL, the network and whether the control plane runs; alerts wait in the spool meanwhile',
    );
  }
  if (answer.kind === 'accepted' || answer.code === undefined) {
    return failed(
      CHECK.reach,
      `${server} answers with HTTP status ${answer.status}, but not as a Tocsin control plane`,
      'check the URL, and proxies on the way',
    );
  }
  if (answer.status >= 500 || answer.code === 'rate_limited') {
    return failed(
      CHECK.reach,
      `${server} cannot take alerts now: ${answer.detail}`,
      'look at the log of the control plane',
    );
  }
  return ok(CHECK.reach, `${server} answers`);
}

function enrolmentFinding(
  { hasJoinToken }: ControlPlaneOptions,
  known: Known | undefined,
  answer: Answer,
): Finding[] {
  const check = CHECK.enrolment;
  const remedy =
    'make a join token on the control plane (tocsin agents token) and run tocsin enroll';
  if (known === undefined) {
    if (hasJoinToken) return [ok(check, 'not yet; a join token is there and is used at the start')];
    return [failed(check, 'this host is not enrolled with that control plane', remedy)];
  }
  const { agent } = known.identity;
  if (answer.kind !== 'refused' || answer.code === undefined || answer.status >= 500) return [];
  switch (answer.code) {
    case 'alert_invalid':
      return [ok(check, `agent ${agent}; the control plane knows its key`)];
    case 'batch_stale':
      return []; // the clock says why
    case 'agent_unknown':
      return [failed(check, `the control plane does not know agent ${agent}`, remedy)];
    default:
      return [failed(check, `refused (${answer.code}): ${answer.detail}`, remedy)];
  }
}

function skewFinding(answer: Answer, sentMs: number): Finding | undefined {
  if (answer.kind !== 'refused' || answer.serverTimeMs === undefined) return undefined;
  // The header has whole seconds, and was written between sending and now.
  const before = answer.serverTimeMs - Date.now();
  const after = answer.serverTimeMs + 1000 - sentMs;
  const skewMs = before > 0 ? before : after < 0 ? after : 0;
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  const text = `the clock of this host is ${seconds} s ${skewMs > 0 ? 'behind' : 'ahead of'} the control plane's`;
  const remedy = 'set both clocks, for instance by NTP';
  if (Math.abs(skewMs) < NOTABLE_SKEW_MS) return ok(CHECK.clock, 'less than 2 s');
  if (seconds < SIGNATURE_TOLERANCE_SECONDS)
    return warning(CHECK.clock, `${text}: times of alerts are wrong by as much`, remedy);
  return warning(
    CHECK.clock,
    `${text}: signatures are corrected by that, times of alerts are not`,
    remedy,
  );
}
