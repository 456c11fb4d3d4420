/**
 * A Kafka cluster of three brokers with the topic `alerts`: the mock cluster of librdkafka, which speaks the protocol and keeps what
 * it takes in memory, and before each broker a front with what it lacks: ApiVersions 3, batches that are taken once by their number,
 * TLS, SASL and faults.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer, TLSSocket, type TlsOptions } from 'node:tls';
import { promisify } from 'node:util';
import { waitFor } from './sample.ts';

const LIBRARY = join(import.meta.dirname, '../../../../.make/librdkafka/src');
const KCAT = '/usr/bin/kcat';
export const TOPIC = 'alerts';

/** Why there can be no cluster here; false if there can. */
export const skipKafka = !existsSync(KCAT)
  ? 'there is no kcat (package kcat)'
  : !existsSync(join(LIBRARY, 'librdkafka.so.1'))
    ? 'librdkafka is not built (make test builds it)'
    : false;

export const PRODUCE = 0;
export const METADATA = 3;
const SASL_HANDSHAKE = 17;
const API_VERSIONS = 18;
export const INIT_PRODUCER_ID = 22;
const SASL_AUTHENTICATE = 36;
/** What the fronts and the brokers behind them speak: key, least and highest version. */
const VERSIONS = [
  [PRODUCE, 0, 10],
  [METADATA, 0, 12],
  [SASL_HANDSHAKE, 0, 1],
  [API_VERSIONS, 0, 3],
  [INIT_PRODUCER_ID, 0, 4],
  [SASL_AUTHENTICATE, 0, 2],
] as const;

/**
 * What becomes of a request: it is passed on; it is passed on and the connection is cut before the answer; the connection is cut at
 * once; nothing happens; or the broker answers to it with this error.
 */
export type Fate = 'pass' | 'lose the answer' | 'cut' | 'silence' | { readonly error: number };

export interface ClusterOptions {
  readonly tls?: TlsOptions;
  /** The only user, and how he must log in. */
  readonly sasl?: { readonly mechanism: string; readonly user: string; readonly password: string };
}

/** A record as a consumer sees it. */
export interface Consumed {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly headers: string;
  readonly value: string;
}

export class KafkaCluster {
  /** Decides about each request by its API key. */
  fate: (apiKey: number) => Fate = () => 'pass';
  /** API keys of requests in the order of their arrival. */
  readonly requests: number[] = [];
  readonly #options: ClusterOptions;
  readonly #sockets = new Set<Socket>();
  /** Producer, partition and number of each batch that was taken. */
  readonly #taken = new Set<string>();
  #clients = 0;
  #child: ChildProcess | undefined;
  #behind: number[] = [];
  #fronts: { readonly port: number; server: Server }[] = [];

  constructor(options: ClusterOptions = {}) {
    this.#options = options;
  }

  get brokers(): string[] {
    return this.#fronts.map(({ port }) => `localhost:${port}`);
  }

  /** How many there are of clients. */
  get connections(): number {
    return this.#clients;
  }

  async start(): Promise<void> {
    // It lives as long as its standard input is open.
    const mock = ['-b', 'mock', '-X', 'test.mock.num.brokers=3', '-d', 'mock'];
    const child = spawn(KCAT, ['-P', '-t', TOPIC, ...mock], {
      env: { LD_LIBRARY_PATH: LIBRARY },
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    this.#child = child;
    let log = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(0, 65_536);
    });
    await waitFor(() => /Created topic "alerts"/.test(log));
    const [, servers = ''] = /bootstrap\.servers=(\S+)/.exec(log) ?? [];
    this.#behind = servers.split(',').map((server) => Number(server.split(':')[1]));
    for (const behind of this.#behind) {
      const server = await this.#listen(behind, 0);
      this.#fronts.push({ port: (server.address() as AddressInfo).port, server });
    }
  }

  async stop(): Promise<void> {
    await this.goAway();
    this.#child?.kill('SIGKILL');
  }

  /** All brokers are gone; what they hold stays. */
  async goAway(): Promise<void> {
    for (const socket of this.#sockets) reset(socket);
    await Promise.all(this.#fronts.map(({ server }) => new Promise((done) => server.close(done))));
  }

  async comeBack(): Promise<void> {
    for (const [index, front] of this.#fronts.entries())
      front.server = await this.#listen(this.#behind[index] ?? 0, front.port);
  }

  /** All that is in the topic, read by Debian's librdkafka; by partition, then in their order. */
  async consume(): Promise<Consumed[]> {
    const brokers = this.#behind.map((port) => `127.0.0.1:${port}`).join(',');
    const format = ['%p', '%o', '%k', '%h', '%s'].join('\\x1f');
    const args = ['-C', '-q', '-e', '-b', brokers, '-t', TOPIC, '-f', `${format}\\x1e`];
    const { stdout } = await promisify(execFile)(KCAT, args, { maxBuffer: 1 << 28 });
    return stdout
      .split('\x1e')
      .filter(Boolean)
      .map((record) => {
        const [partition, offset, key = '', headers = '', value = ''] = record.split('\x1f');
        return { partition: Number(partition), offset: Number(offset), key, headers, value };
      })
      .sort((a, b) => a.partition - b.partition || a.offset - b.offset);
  }

  async #listen(behind: number, port: number): Promise<Server> {
    const accept = (socket: Socket) => this.#serve(socket, behind);
    const { tls } = this.#options;
    const server = tls ? createTlsServer(tls, accept) : createServer(accept);
    server.on('tlsClientError', () => {});
    await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
    return server;
  }

  #serve(client: Socket, port: number): void {
    const broker = connect(port, '127.0.0.1');
    this.#clients++;
    client.on('close', () => this.#clients--);
    for (const socket of [client, broker]) {
      this.#sockets.add(socket);
      socket
        .on('error', () => {})
        .on('close', () => {
          this.#sockets.delete(socket);
          client.destroy();
          broker.destroy();
        });
    }
    const login = this.#options.sasl && new Login(this.#options.sasl);
    const lost = new Set<number>();
    onFrames(client, (frame) => {
      const request = { key: frame.readInt16BE(4), correlation: frame.readInt32BE(8) };
      const own =
        request.key === API_VERSIONS
          ? apiVersions(request.correlation)
          : login?.answer(request.key, frame);
      if (own) {
        client.write(own);
        return;
      }
      if (login && !login.done) {
        client.destroy();
        return;
      }
      this.#decide(request, frame, { client, broker, lost });
    });
    onFrames(broker, (frame) => {
      if (lost.has(frame.readInt32BE(4))) reset(client);
      else client.write(this.#withFronts(frame));
    });
  }

  #decide(
    { key, correlation }: { readonly key: number; readonly correlation: number },
    frame: Buffer,
    { client, broker, lost }: { client: Socket; broker: Socket; lost: Set<number> },
  ): void {
    this.requests.push(key);
    const fate = this.fate(key);
    if (fate === 'silence') return;
    const answer =
      typeof fate === 'object'
        ? produceAnswer(correlation, fate.error)
        : fate !== 'cut' && key === PRODUCE && this.#isCopy(frame)
          ? produceAnswer(correlation, 0)
          : undefined;
    if (fate === 'cut' || (answer && fate === 'lose the answer')) reset(client);
    else if (answer) client.write(answer);
    else {
      if (fate === 'lose the answer') lost.add(correlation);
      broker.write(frame);
    }
  }

  /** Whether a batch, the only one of its request, was taken before: what a broker knows by producer and number it does not take again. */
  #isCopy(frame: Buffer): boolean {
    const [batch, another] = batchesIn(frame);
    if (batch === undefined || another !== undefined) return false;
    const known = this.#taken.has(batch);
    this.#taken.add(batch);
    return known;
  }

  /** Brokers name themselves; clients shall go on by the fronts. */
  #withFronts(frame: Buffer): Buffer {
    const host = Buffer.from('127.0.0.1');
    for (let at = frame.indexOf(host); at >= 0; at = frame.indexOf(host, at + 1)) {
      const place = at + host.length;
      const front = this.#fronts[this.#behind.indexOf(frame.readInt32BE(place))];
      if (front) frame.writeInt32BE(front.port, place);
      // Of the same length, and what the certificate is for.
      frame.write('localhost', at);
    }
    return frame;
  }
}

const reset = (socket: Socket) =>
  socket instanceof TLSSocket ? socket.destroy() : socket.resetAndDestroy();

/** Calls `take` with each frame: its length and what follows. */
function onFrames(socket: Socket, take: (frame: Buffer) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0);
      const frame = Buffer.from(rest.subarray(0, end));
      rest = rest.subarray(end);
      take(frame);
    }
  });
}

/** Of each batch in a request of Produce, version 10: partition, producer and number; nothing of those that are not numbered. */
function batchesIn(frame: Buffer): string[] {
  let at = 14 + frame.readInt16BE(12) + 1;
  const varint = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = frame[at++] ?? 0;
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  const transaction = varint();
  at += Math.max(0, transaction - 1) + 2 + 4;
  const batches: string[] = [];
  for (let topics = varint(); topics > 1; topics--) {
    const name = varint();
    at += name - 1;
    for (let partitions = varint(); partitions > 1; partitions--) {
      const partition = frame.readInt32BE(at);
      at += 4;
      const end = varint() - 1 + at;
      const producer = frame.readBigInt64BE(at + 43);
      if (producer >= 0n) batches.push(`${partition} ${producer} ${frame.readInt32BE(at + 53)}`);
      at = end + 1;
    }
    at++;
  }
  return batches;
}

const int16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
};
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const int64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
};
const NONE = Buffer.from([0]);
/** Compact forms; lengths below 127. */
const compact = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([bytes.length + 1]), bytes]);
const text = (value: string): Buffer => Buffer.concat([int16(value.length), Buffer.from(value)]);

function frameOf(correlation: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat([int32(correlation), ...parts]);
  return Buffer.concat([int32(body.length), body]);
}

const apiVersions = (correlation: number): Buffer =>
  frameOf(
    correlation,
    ...[int16(0), Buffer.from([VERSIONS.length + 1])],
    ...VERSIONS.map((api) => Buffer.concat([...api.map(int16), NONE])),
    ...[int32(0), NONE],
  );

/** Produce, version 10: one partition of the topic answers, with an error unless that is 0. */
const produceAnswer = (correlation: number, error: number): Buffer =>
  frameOf(
    correlation,
    ...[NONE, Buffer.from([2]), compact(Buffer.from(TOPIC)), Buffer.from([2])],
    ...[int32(0), int16(error), int64(-1), int64(-1), int64(-1), Buffer.from([1]), NONE, NONE],
    ...[NONE, int32(0), NONE],
  );

const AUTH_FAILED = 58;
const UNSUPPORTED_MECHANISM = 33;
const ITERATIONS = 4096;

/** The side of the broker of a log-in on one connection: PLAIN (RFC 4616) or SCRAM (RFC 5802). */
class Login {
  done = false;
  readonly #account: NonNullable<ClusterOptions['sasl']>;
  #first: { readonly bare: string; readonly server: string; readonly salt: Buffer } | undefined;

  constructor(account: NonNullable<ClusterOptions['sasl']>) {
    this.#account = account;
  }

  /** The answer to a request that belongs to it; undefined of others. */
  answer(apiKey: number, frame: Buffer): Buffer | undefined {
    const correlation = frame.readInt32BE(8);
    const body = frame.subarray(14 + frame.readInt16BE(12));
    if (apiKey === SASL_HANDSHAKE) {
      const { mechanism } = this.#account;
      const asked = body.toString('utf8', 2, 2 + body.readInt16BE(0));
      const error = asked === mechanism ? 0 : UNSUPPORTED_MECHANISM;
      return frameOf(correlation, int16(error), int32(1), text(mechanism));
    }
    if (apiKey !== SASL_AUTHENTICATE) return undefined;
    // Behind the tags of the header and the length of the bytes, which has one byte or two.
    const start = (body[1] ?? 0) < 128 ? 2 : 3;
    const reply = this.#step(body.subarray(start, -1).toString());
    const [error, message, bytes] =
      reply === undefined
        ? [AUTH_FAILED, compact(Buffer.from('Authentication failed')), Buffer.alloc(0)]
        : [0, NONE, Buffer.from(reply)];
    const long = Buffer.from([((bytes.length + 1) & 127) | 128, (bytes.length + 1) >> 7]);
    return frameOf(correlation, ...[NONE, int16(error), message, long, bytes, int64(0), NONE]);
  }

  #step(message: string): string | undefined {
    const { mechanism, user, password } = this.#account;
    if (mechanism === 'PLAIN') {
      this.done = message === `\0${user}\0${password}`;
      return this.done ? '' : undefined;
    }
    const hash = mechanism.replace('SCRAM-SHA-', 'sha');
    if (!this.#first) {
      const bare = message.slice('n,,'.length);
      const [, name, nonce] = /^n=([^,]*),r=(.*)$/.exec(bare) ?? [];
      if (name !== user) return undefined;
      const salt = randomBytes(16);
      const server = `r=${nonce}server,s=${salt.toString('base64')},i=${ITERATIONS}`;
      this.#first = { bare, server, salt };
      return server;
    }
    const { bare, server, salt } = this.#first;
    const [, unproved = '', proof = ''] = /^(.*),p=(.*)$/.exec(message) ?? [];
    const hmac = (key: Buffer, data: string) => createHmac(hash, key).update(data).digest();
    const length = hash === 'sha256' ? 32 : 64;
    const salted = pbkdf2Sync(password, salt, ITERATIONS, length, hash);
    const stored = createHash(hash).update(hmac(salted, 'Client Key')).digest();
    const told = `${bare},${server},${unproved}`;
    const signature = hmac(stored, told);
    const key = Buffer.from(proof, 'base64').map((byte, index) => byte ^ (signature[index] ?? 0));
    const given = createHash(hash).update(key).digest();
    this.done = timingSafeEqual(given, stored);
    return this.done ? `v=${hmac(hmac(salted, 'Server Key'), told).toString('base64')}` : undefined;
  }
}
