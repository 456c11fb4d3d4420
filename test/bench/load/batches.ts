/** What is sent: batches of alerts, made, signed and laid out as requests before any clock starts. */
import { randomUUID } from 'node:crypto';
import { type Alert, type BatchClaims, signBatch } from '@tocsin/openapi';
import { exportJWK, generateKeyPair } from 'jose';
import { requestBytes } from './connection.ts';
import type { Target } from './programs.ts';

export interface Load {
  /** Each with its own key, host name and connection. */
  readonly agents: number;
  /** Batches of each agent. */
  readonly batches: number;
  /** Alerts in a batch. */
  readonly size: number;
}

/** An alert as Falco's rules make them, no two of which are the same. */
export const anAlert = (agent: number, number: number, change: Partial<Alert> = {}): Alert => ({
  uuid: randomUUID(),
  time: new Date().toISOString(),
  rule: 'Read sensitive file untrusted',
  priority: 'Warning',
  source: 'syscall',
  output: `Sensitive file opened for reading by non-trusted program (file=/etc/shadow-${number} gparent=sshd ggparent=systemd evt_type=openat user=root user_uid=0 process=cat proc_exepath=/usr/bin/cat parent=bash command=cat /etc/shadow-${number} terminal=34816)`,
  output_fields: {
    'evt.time': 1_700_000_000_000 + number,
    'evt.type': 'openat',
    'fd.name': `/etc/shadow-${number}`,
    'proc.name': 'cat',
    'proc.exepath': '/usr/bin/cat',
    'proc.pname': 'bash',
    'proc.cmdline': `cat /etc/shadow-${number}`,
    'proc.tty': 34816,
    'user.name': 'root',
    'user.uid': 0,
    'container.id': 'host',
  },
  hostname: `host-${agent}`,
  tags: ['T1555', 'container', 'filesystem', 'host', 'maturity_stable', 'mitre_credential_access'],
  ...change,
});

/** What differs from it, the same for all or by number. */
type Change = Partial<Alert> | ((number: number) => Partial<Alert>);

/** The requests of each agent, in their order. */
export async function prepare(
  target: Target,
  load: Load,
  change: Change = {},
): Promise<Buffer[][]> {
  return Promise.all(
    Array.from({ length: load.agents }, async (_none, agent) => {
      const sign = await signerFor(target, agent);
      const requests: Buffer[] = [];
      for (let seq = 1; seq <= load.batches; seq++) {
        const alerts = Array.from({ length: load.size }, (_no, index) => {
          const number = seq * load.size + index;
          return anAlert(agent, number, typeof change === 'function' ? change(number) : change);
        });
        requests.push(await sign(seq, alerts));
      }
      return requests;
    }),
  );
}

type Sign = (seq: number, alerts: readonly Alert[]) => Promise<Buffer>;

async function signerFor(target: Target, agent: number): Promise<Sign> {
  if (target.kind === 'alertmanager') return async (_seq, alerts) => forAlertmanager(alerts);
  const { publicKey, privateKey } = await generateKeyPair('Ed25519', { extractable: true });
  let identity: Pick<BatchClaims, 'agent' | 'kid' | 'aud'> = { agent: 'x', kid: 'x', aud: 'x' };
  if (target.kind === 'tocsin') identity = await enroll(target, agent, publicKey);
  return async (seq, alerts) => {
    const body = Buffer.from(`${alerts.map((alert) => JSON.stringify(alert)).join('\n')}\n`);
    const iat = Math.floor(Date.now() / 1000);
    const signature = await signBatch(body, { ...identity, seq, iat }, privateKey);
    const headers = { 'content-type': 'application/x-ndjson', 'tocsin-signature': signature };
    return requestBytes('/v1/alerts', headers, body);
  };
}

async function enroll(
  target: Target,
  agent: number,
  publicKey: Parameters<typeof exportJWK>[0],
): Promise<Pick<BatchClaims, 'agent' | 'kid' | 'aud'>> {
  const { kty, crv, x } = await exportJWK(publicKey);
  const { join_token } = await call(target, '/v1/join-tokens', {});
  const enrolled = await call(target, '/v1/agents/enroll', {
    join_token,
    hostname: `host-${agent}`,
    version: '0',
    public_key: { kty, crv, x },
  });
  return {
    agent: String(enrolled['agent']),
    kid: String(enrolled['kid']),
    aud: String(enrolled['audience']),
  };
}

/** A POST to the API as the administrator; throws unless it succeeds. */
export async function call(
  { url, token }: Pick<Target, 'url' | 'token'>,
  path: string,
  body: object,
): Promise<Record<string, unknown>> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const answer = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${text}`);
  return JSON.parse(text) as Record<string, unknown>;
}

/** The same alerts as falcosidekick hands them on: all that they tell as labels, the output as annotation. */
function forAlertmanager(alerts: readonly Alert[]): Buffer {
  const posted = alerts.map(({ output, rule, priority, source, hostname, tags, output_fields }) => {
    const labels: Record<string, string> = { alertname: rule, rule, priority, source, hostname };
    labels['tags'] = tags.join(',');
    for (const [name, value] of Object.entries(output_fields))
      if (name !== 'evt.time') labels[name.replace(/\W/g, '_')] = String(value);
    return { labels, annotations: { info: output, summary: rule } };
  });
  const headers = { 'content-type': 'application/json' };
  return requestBytes('/api/v2/alerts', headers, Buffer.from(JSON.stringify(posted)));
}
