import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { ExpectedError } from '../expected-error.ts';

const LIMITS = { connections: 32, requestMs: 5000, headerBytes: 8192 };

/** Where a server listens. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Reads `host:port`; without a host it is the loopback. Nothing when the text is neither. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) return undefined;
  return { host: match[1] ?? (match[2] || '127.0.0.1'), port };
}

/** The address for the metrics cannot be used; the message says which and why. */
export class MetricsServerError extends ExpectedError {
  override readonly name = 'MetricsServerError';
}

/** `GET /metrics` for Prometheus and `GET /healthz` for supervisors; nothing can be changed here and nothing is secret. */
export class MetricsServer {
  readonly #server: Server;
  readonly #registry: Registry;
  readonly #isHealthy: () => boolean;

  private constructor(registry: Registry, isHealthy: () => boolean) {
    this.#registry = registry;
    this.#isHealthy = isHealthy;
    this.#server = createServer(
      { requestTimeout: LIMITS.requestMs, maxHeaderSize: LIMITS.headerBytes },
      (request, response) => void this.#answer(request, response),
    );
    this.#server.maxConnections = LIMITS.connections;
  }

  /** Listens. Throws `MetricsServerError`. */
  static async start(
    { host, port }: Endpoint,
    registry: Registry,
    isHealthy: () => boolean,
  ): Promise<MetricsServer> {
    const one = new MetricsServer(registry, isHealthy);
    await new Promise<void>((resolve, reject) => {
      one.#server.once('error', ({ code, message }: NodeJS.ErrnoException) => {
        const reason = code === 'EADDRINUSE' ? 'another program listens there' : message;
        reject(new MetricsServerError(`agent.metrics: ${host}:${port} cannot be used: ${reason}`));
      });
      one.#server.listen(port, host, resolve);
    });
    return one;
  }

  get url(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer({ method, url = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
    if (method !== 'GET' && method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
      return;
    }
    const path = url.split('?', 1)[0];
    if (path === '/metrics') await this.#metrics(response);
    else if (path === '/healthz') this.#health(response);
    else response.writeHead(404).end();
  }

  async #metrics(response: ServerResponse): Promise<void> {
    try {
      const text = await this.#registry.metrics();
      response.writeHead(200, { 'content-type': this.#registry.contentType }).end(text);
    } catch {
      response.writeHead(500).end();
    }
  }

  #health(response: ServerResponse): void {
    const isHealthy = this.#isHealthy();
    response.writeHead(isHealthy ? 200 : 503, { 'content-type': 'application/json' });
    response.end(`${JSON.stringify({ status: isHealthy ? 'ok' : 'the engine is silent' })}\n`);
  }
}
