import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SERVED = new Map<string, unknown>();
const NODE = 'node-1';

/** A pod of a deployment, as the API shows it. */
export function pod(name: string, uid: string, more: Record<string, unknown> = {}) {
  return {
    metadata: {
      name,
      uid,
      namespace: 'prod',
      resourceVersion: '7',
      labels: { app: 'web', 'pod-template-hash': '5d4f8c' },
      ownerReferences: [{ kind: 'ReplicaSet', name: 'web-5d4f8c', uid: 'rs-1', controller: true }],
      ...more,
    },
    spec: { nodeName: NODE },
    status: { podIP: '10.1.0.9' },
  };
}

/** A server that speaks as much of the API as the agent asks for: TLS, a token, lists in pages, and watches it holds open. */
export class ApiServer {
  readonly folder = mkdtempSync(join(tmpdir(), 'tocsin-kubernetes-'));
  readonly asked: string[] = [];
  readonly watches: { answer: ServerResponse; url: URL }[] = [];
  pods: ReturnType<typeof pod>[] = [];
  /** Answers instead of the list or watch, while there are any. */
  readonly faults: ((answer: ServerResponse) => void)[] = [];
  /** Statuses of objects instead of them, by path, while there are any. */
  readonly refusals = new Map<string, number[]>();
  #server: Server | undefined;

  async start(): Promise<void> {
    const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(this.folder, name));
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const files = ['-keyout', String(key), '-out', String(cert), '-days', '2'];
    execFileSync('openssl', [...kind, ...files, ...subject], { stdio: 'ignore' });
    writeFileSync(join(this.folder, 'token'), 'secret-1\n');
    const options = { key: readFileSync(String(key)), cert: readFileSync(String(cert)) };
    this.#server = createServer(options, (request, answer) => this.#answer(request, answer));
    await new Promise<void>((resolve) => this.#server?.listen(0, 'localhost', resolve));
  }

  get settings() {
    const address = this.#server?.address() as AddressInfo | undefined;
    return {
      server: `https://localhost:${address?.port}`,
      tokenFile: join(this.folder, 'token'),
      caFile: join(this.folder, 'cert.pem'),
      node: NODE,
    };
  }

  /** Sends a change to every open watch. */
  change(type: string, object: unknown): void {
    for (const { answer } of this.watches) answer.write(`${JSON.stringify({ type, object })}\n`);
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
    rmSync(this.folder, { recursive: true, force: true });
  }

  #answer(request: IncomingMessage, answer: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'https://localhost');
    const token = readFileSync(join(this.folder, 'token'), 'utf8').trim();
    this.asked.push(url.pathname);
    if (request.headers.authorization !== `Bearer ${token}`)
      return void answer.writeHead(401).end();
    const refusal = this.refusals.get(url.pathname)?.shift();
    if (refusal !== undefined) return void answer.writeHead(refusal).end();
    if (url.pathname !== '/api/v1/pods') {
      const object = SERVED.get(url.pathname);
      return void answer.writeHead(object === undefined ? 404 : 200).end(JSON.stringify(object));
    }
    assert.equal(url.searchParams.get('fieldSelector'), `spec.nodeName=${NODE}`);
    const fault = this.faults.shift();
    if (fault !== undefined) {
      fault(answer);
      return;
    }
    if (url.searchParams.get('watch') === '1') {
      answer.writeHead(200, { 'content-type': 'application/json' });
      answer.flushHeaders();
      this.watches.push({ answer, url });
      answer.on('close', () => {
        this.watches.splice(
          this.watches.findIndex((one) => one.answer === answer),
          1,
        );
      });
      return;
    }
    const from = Number(url.searchParams.get('continue') ?? 0);
    const metadata = {
      resourceVersion: '42',
      ...(from + 1 < this.pods.length && { continue: String(from + 1) }),
    };
    answer.end(JSON.stringify({ metadata, items: this.pods.slice(from, from + 1) }));
  }
}

SERVED.set('/apis/apps/v1/namespaces/prod/replicasets/web-5d4f8c', {
  metadata: {
    name: 'web-5d4f8c',
    uid: 'rs-1',
    labels: { tier: 'front' },
    ownerReferences: [{ kind: 'Deployment', name: 'web', uid: 'd-1', controller: true }],
  },
});
SERVED.set('/apis/apps/v1/namespaces/prod/deployments/web', {
  metadata: { name: 'web', uid: 'd-1', labels: { team: 'red' } },
});
SERVED.set('/api/v1/namespaces/prod', {
  metadata: { name: 'prod', uid: 'n-1', labels: { env: 'p' } },
});
SERVED.set('/api/v1/namespaces/prod/services', {
  items: [
    { metadata: { name: 'web', uid: 's-1' }, spec: { selector: { app: 'web' } } },
    { metadata: { name: 'other', uid: 's-2' }, spec: { selector: { app: 'db' } } },
    { metadata: { name: 'headless', uid: 's-3' }, spec: {} },
  ],
});
