import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import {
  type BatchClaims,
  type EnrollRequest,
  EnvelopeError,
  type ProblemCode,
  problemOf,
  readClaims,
  SIGNATURE_HEADER,
  verificationKey,
  verifyBatch,
} from '@tocsin/openapi';
import { calculateJwkThumbprint } from 'jose';

export interface ReceivedBatch {
  readonly claims: BatchClaims;
  readonly bytes: Buffer;
  readonly alerts: readonly { readonly uuid: string; readonly rule: string }[];
}

/** What the stub does with a batch: take it, answer a problem, or misbehave. */
export type Reaction =
  | 'accept'
  | 'hang'
  | 'reset'
  | 'drip'
  | 'portal'
  | { readonly problem: ProblemCode; readonly headers?: Readonly<Record<string, string>> };

/** A real HTTP server that speaks the agent's side of the control plane's API and verifies every signature. */
export class ControlPlaneStub {
  readonly accepted: ReceivedBatch[] = [];
  readonly attempts: ReceivedBatch[] = [];
  readonly enrolments: EnrollRequest[] = [];
  readonly joinTokens = new Set<string>();
  /** Asked for each batch with a good signature. */
  react: (batch: ReceivedBatch) => Reaction = () => 'accept';
  /** Seconds its clock is ahead of ours. */
  clockAheadSeconds = 0;
  readonly #keys = new Map<string, EnrollRequest['public_key']>();
  #server = this.#create();

  #create(): Server {
    return createServer((request, response) => void this.#serve(request, response));
  }

  async start(port = 0): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get alerts(): string[] {
    return this.accepted.flatMap(({ alerts }) => alerts.map(({ uuid }) => uuid));
  }

  forgetAgents(): void {
    this.#keys.clear();
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    this.#server = this.#create();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const now = Date.now() + this.clockAheadSeconds * 1000;
    response.setHeader('date', new Date(now).toUTCString());
    if (request.url === '/v1/agents/enroll') return this.#enrol(body, response);
    const header = request.headers[SIGNATURE_HEADER] as string;
    try {
      const key = this.#keys.get(readClaims(header).kid);
      if (!key) return answerProblem(response, 'agent_unknown');
      const expected = { audience: 'stub', nowSeconds: Math.floor(now / 1000) };
      const claims = await verifyBatch(header, body, verificationKey(key.x), expected);
      this.#receive(request, response, { claims, bytes: body, alerts: parse(request, body) });
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error;
      answerProblem(response, error.code);
    }
  }

  #receive(request: IncomingMessage, response: ServerResponse, batch: ReceivedBatch): void {
    this.attempts.push(batch);
    const reaction = this.react(batch);
    if (reaction === 'hang') return;
    if (reaction === 'reset') {
      request.socket.resetAndDestroy();
      return;
    }
    if (reaction === 'portal') {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Log in</html>');
      return;
    }
    if (reaction === 'drip') {
      response.writeHead(202, { 'content-type': 'application/json' });
      const timer = setInterval(() => response.write(' '), 20);
      response.once('close', () => clearInterval(timer));
      return;
    }
    if (reaction !== 'accept') {
      answerProblem(response, reaction.problem, reaction.headers);
      return;
    }
    // As the control plane: the same batch again changes nothing. Its first answer may have come too late on a busy machine.
    const { agent, seq } = batch.claims;
    if (!this.accepted.some(({ claims }) => claims.agent === agent && claims.seq === seq))
      this.accepted.push(batch);
    response.writeHead(202, { 'content-type': 'application/json' }).end('{}');
  }

  async #enrol(body: Buffer, response: ServerResponse): Promise<void> {
    const request = JSON.parse(body.toString()) as EnrollRequest;
    if (!this.joinTokens.delete(request.join_token))
      return answerProblem(response, 'join_token_invalid');
    const kid = await calculateJwkThumbprint(request.public_key);
    this.#keys.set(kid, request.public_key);
    this.enrolments.push(request);
    const agent = `agent-${this.enrolments.length}`;
    response.writeHead(201, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ agent, kid, audience: 'stub' }));
  }
}

function parse(request: IncomingMessage, body: Buffer): ReceivedBatch['alerts'] {
  const plain = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
  const lines = plain.toString().trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as ReceivedBatch['alerts'][number]);
}

function answerProblem(
  response: ServerResponse,
  code: ProblemCode,
  headers: Readonly<Record<string, string>> = {},
): void {
  const problem = problemOf(code, `stub says ${code}`);
  response.writeHead(problem.status, { 'content-type': 'application/problem+json', ...headers });
  response.end(JSON.stringify(problem));
}
