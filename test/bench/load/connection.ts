/**
 * A keep-alive connection that sends requests made beforehand as bytes. The load generator shares the cores with what it measures, so
 * while the clock runs it does nothing but write, and read the status of the answer.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A POST as it goes over the wire. */
export function requestBytes(
  path: string,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
): Buffer {
  const all = { host: 'localhost', ...headers, 'content-length': String(body.length) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n`), body]);
}

export class Connection {
  readonly #socket: Socket;
  #answer = '';
  #settle: { resolve: (status: number) => void; reject: (error: Error) => void } | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true).setEncoding('latin1');
    socket.on('data', (chunk: string) => this.#read(chunk));
    socket.on('error', (error) => this.#settle?.reject(error));
    socket.on('close', () => this.#settle?.reject(new Error('the connection was closed')));
  }

  static async open(url: string): Promise<Connection> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    return new Connection(socket);
  }

  /** Sends one request and waits for the whole answer. Throws unless it is a success. */
  async send(request: Buffer): Promise<void> {
    const status = await new Promise<number>((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#answer = '';
      this.#socket.write(request);
    });
    if (status < 200 || status > 299) throw new Error(this.#answer);
  }

  close(): void {
    this.#settle = undefined;
    this.#socket.destroy();
  }

  #read(chunk: string): void {
    this.#answer += chunk;
    const head = this.#answer.indexOf('\r\n\r\n');
    if (head < 0) return;
    const length = Number(/^content-length: (\d+)/im.exec(this.#answer)?.[1] ?? 0);
    if (this.#answer.length < head + 4 + length) return;
    this.#settle?.resolve(Number(this.#answer.slice(9, 12)));
  }
}
