import { randomUUID } from 'node:crypto';
import { type Alert, type BatchClaims, signBatch } from '@tocsin/openapi';
import { exportJWK, generateKeyPair } from 'jose';
import { type Answer, request, type TestControlPlane } from './control-plane.ts';

/** An alert as agents make them. */
export function anAlert(change: Partial<Alert> = {}): Alert {
  return {
    uuid: randomUUID(),
    time: '2026-11-23T10:00:00.123456789Z',
    rule: 'Read sensitive file untrusted',
    priority: 'Warning',
    source: 'syscall',
    output: 'Sensitive file opened (file=/etc/shadow command=cat /etc/shadow)',
    output_fields: {
      'fd.name': '/etc/shadow',
      'proc.cmdline': 'cat /etc/shadow',
      'proc.pid': 4711,
    },
    hostname: 'web-1',
    tags: ['host', 'filesystem'],
    ...change,
  };
}

/** A batch of alerts as its body. */
export const bodyOf = (alerts: readonly unknown[]): Buffer =>
  Buffer.from(alerts.map((alert) => `${JSON.stringify(alert)}\n`).join(''));

type Key = Parameters<typeof signBatch>[2];

/** An enrolled agent that signs and sends. */
export class TestAgent {
  readonly url: string;
  readonly id: string;
  readonly kid: string;
  readonly audience: string;
  readonly key: Key;
  seq = 0;

  constructor(url: string, enrolled: { agent: string; kid: string; audience: string }, key: Key) {
    this.url = url;
    this.id = enrolled.agent;
    this.kid = enrolled.kid;
    this.audience = enrolled.audience;
    this.key = key;
  }

  claims(change: Partial<BatchClaims> = {}): BatchClaims {
    return {
      kid: this.kid,
      agent: this.id,
      seq: ++this.seq,
      iat: Math.floor(Date.now() / 1000),
      aud: this.audience,
      ...change,
    };
  }

  /** Signs and sends a body. */
  async sendBody(
    body: Buffer,
    change: Partial<BatchClaims> = {},
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const signature = await signBatch(body, this.claims(change), this.key);
    return post(this.url, body, { 'tocsin-signature': signature, ...headers });
  }

  send(alerts: readonly unknown[], change: Partial<BatchClaims> = {}): Promise<Answer> {
    return this.sendBody(bodyOf(alerts), change);
  }
}

/** Sends a batch without signing it. */
export const post = (url: string, body: Buffer, headers: Record<string, string>): Promise<Answer> =>
  request(`${url}/v1/alerts`, 'POST', body, { 'content-type': 'application/x-ndjson', ...headers });

/** Makes a key pair and what enrolment asks for. */
export async function newIdentity(hostname = 'web-1') {
  const { publicKey, privateKey } = await generateKeyPair('Ed25519', { extractable: true });
  const { kty, crv, x } = await exportJWK(publicKey);
  return { privateKey, body: { hostname, version: '0.1.0', public_key: { kty, crv, x } } };
}

/** Enrols a new agent. */
export async function enroll(plane: TestControlPlane, hostname = 'web-1'): Promise<TestAgent> {
  const token = await plane.call('POST', '/v1/join-tokens', {});
  const { privateKey, body } = await newIdentity(hostname);
  const answer = await request(`${plane.url}/v1/agents/enroll`, 'POST', {
    ...body,
    join_token: token.body.join_token,
  });
  if (answer.status !== 201) throw new Error(`enrolment failed: ${JSON.stringify(answer.body)}`);
  return new TestAgent(plane.url, answer.body, privateKey);
}
