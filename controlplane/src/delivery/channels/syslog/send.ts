/**
 * The ways to a syslog receiver. None of them is answered: a stream that breaks may have swallowed what was written last, so the
 * last messages are kept and written again on the next connection.
 */
import { createSocket, type Socket as Datagrams } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { Outcome } from '../../channel.ts';
import { startDeadline } from '../../deadline.ts';
import {
  ambiguous,
  describeError,
  ok,
  permanent,
  reasonOfAbort,
  reasonOfCode,
  retry,
} from '../../outcome.ts';

export interface Receiver {
  readonly host: string;
  readonly port: number;
}

/** What carries messages. `write` makes one attempt and never throws. */
export interface Transport {
  write(messages: readonly Buffer[], signal: AbortSignal): Promise<Outcome>;
  close(): void;
}

const CONNECT_MS = 10_000;
/** How long after it was written a message may be in nobody's hands. */
const UNSURE_MS = 5000;
const MAX_KEPT_MESSAGES = 256;
const MAX_KEPT_BYTES = 1024 * 1024;

interface Written {
  readonly frame: Buffer;
  readonly at: number;
}

/** One connection that is kept, opened when there is something to say. Messages are framed by their length (RFC 6587 3.4.1). */
export class StreamTransport implements Transport {
  readonly #receiver: Receiver;
  readonly #tls: ConnectionOptions | undefined;
  #socket: Socket | undefined;
  /** Written last, oldest first. */
  #written: Written[] = [];
  /** Of these the connection broke too soon. */
  #unsure: Buffer[] = [];

  constructor(receiver: Receiver, tls?: ConnectionOptions) {
    this.#receiver = receiver;
    this.#tls = tls;
  }

  async write(messages: readonly Buffer[], signal: AbortSignal): Promise<Outcome> {
    // An end that has already come is seen before anything is written.
    await nextTurn();
    let socket: Socket;
    try {
      socket = this.#socket ?? (await this.#open(signal));
    } catch (error) {
      if (signal.aborted) return retry(reasonOfAbort(signal), 'not connected in time');
      const { code, message } = describeError(error);
      return retry(this.#tls && code === undefined ? 'tls' : reasonOfCode(code), message);
    }
    const again = this.#unsure;
    const frames = [...again, ...messages.map(frame)];
    try {
      await flush(socket, Buffer.concat(frames), signal);
    } catch (error) {
      socket.destroy();
      this.#forget(socket);
      if (signal.aborted) return ambiguous(reasonOfAbort(signal), 'the receiver takes nothing');
      const { code, message } = describeError(error);
      return ambiguous(reasonOfCode(code), message);
    }
    this.#unsure = [];
    this.#remember(frames);
    const repeated = again.length > 0 ? `, ${again.length} of before again` : '';
    return ok(`${messages.length} messages written${repeated}`);
  }

  close(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.end();
    socket?.setTimeout(1000, () => socket.destroy());
    socket?.unref();
  }

  async #open(signal: AbortSignal): Promise<Socket> {
    const { host, port } = this.#receiver;
    const socket = this.#tls
      ? connectTls({
          host,
          port,
          minVersion: 'TLSv1.2',
          ...(isIP(host) === 0 && { servername: host }),
          ...this.#tls,
        })
      : connectTcp({ host, port });
    try {
      await connected(socket, this.#tls ? 'secureConnect' : 'connect', signal);
    } catch (error) {
      socket.destroy();
      throw error;
    }
    socket.setNoDelay(true).setKeepAlive(true, 30_000).unref();
    // A receiver says nothing; what it says anyway is not kept. Its end is seen here and not at the next message.
    socket.resume();
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.on('close', () => this.#forget(socket));
    this.#socket = socket;
    return socket;
  }

  #remember(frames: readonly Buffer[]): void {
    const at = Date.now();
    this.#written.push(...frames.map((bytes) => ({ frame: bytes, at })));
    let bytes = 0;
    const fits = this.#written
      .slice(-MAX_KEPT_MESSAGES)
      .reverse()
      .filter(({ frame: { length }, at: written }) => {
        bytes += length;
        return bytes <= MAX_KEPT_BYTES && at - written < UNSURE_MS;
      });
    this.#written = fits.reverse();
  }

  /** The connection is gone: what was written last may be, too. */
  #forget(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    const recent = Date.now() - UNSURE_MS;
    this.#unsure.push(
      ...this.#written.filter(({ at }) => at >= recent).map(({ frame: bytes }) => bytes),
    );
    this.#written = [];
  }
}

/** A datagram a message. */
export class DatagramTransport implements Transport {
  readonly #receiver: Receiver;

  constructor(receiver: Receiver) {
    this.#receiver = receiver;
  }

  async write(messages: readonly Buffer[], signal: AbortSignal): Promise<Outcome> {
    const { host, port } = this.#receiver;
    let socket: Datagrams | undefined;
    let sent = 0;
    try {
      const { address, family } = await lookup(host);
      socket = createSocket(family === 6 ? 'udp6' : 'udp4');
      for (const message of messages) {
        if (signal.aborted) return ambiguous(reasonOfAbort(signal), 'stopped between datagrams');
        await sendDatagram(socket, message, port, address);
        sent++;
      }
      return ok(`${messages.length} datagrams sent; nobody confirms them`);
    } catch (error) {
      const { code, message } = describeError(error);
      if (code === 'EMSGSIZE')
        return permanent('configuration', `${message}: lower max_message_bytes`);
      return (sent > 0 ? ambiguous : retry)(reasonOfCode(code), message);
    } finally {
      socket?.close();
    }
  }

  close(): void {}
}

const frame = (message: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${message.length} `), message]);

function connected(socket: Socket, event: string, signal: AbortSignal): Promise<void> {
  const { signal: bounded, release } = startDeadline([signal], CONNECT_MS);
  return settle(socket, bounded, (resolve) => socket.once(event, () => resolve())).finally(release);
}

/** Resolves when the kernel has taken all of it. */
function flush(socket: Socket, bytes: Buffer, signal: AbortSignal): Promise<void> {
  return settle(socket, signal, (resolve, reject) => {
    socket.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

/** Waits for `begin` to settle; an error, a close or the signal ends it. */
function settle(
  socket: Socket,
  signal: AbortSignal,
  begin: (resolve: () => void, reject: (error: Error) => void) => void,
): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const closed = () => reject(new Error('the receiver closed the connection'));
    const aborted = () => reject(signal.reason as Error);
    const clean = () => {
      socket.off('error', failed).off('close', closed);
      signal.removeEventListener('abort', aborted);
    };
    const failed = (error: Error) => {
      clean();
      reject(error);
    };
    socket.once('error', failed).once('close', closed);
    signal.addEventListener('abort', aborted, { once: true });
    if (signal.aborted) aborted();
    else
      begin(() => {
        clean();
        resolve();
      }, failed);
  });
}

function sendDatagram(
  socket: Datagrams,
  message: Buffer,
  port: number,
  address: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(message, port, address, (error) => (error ? reject(error) : resolve()));
  });
}
