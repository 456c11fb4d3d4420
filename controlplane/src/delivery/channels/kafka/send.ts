/** One producer a channel, kept from one send to the next. */
import type { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { Producer, ProducerOptions } from '@platformatic/kafka';
import type { Outcome } from '../../channel.ts';
import { ambiguous, ok, partly, reasonOfAbort, retry } from '../../outcome.ts';
import { readFailure } from './failure.ts';
import { batchesOf, type Record } from './render.ts';

export interface Broker {
  readonly host: string;
  readonly port: number;
}

export interface Target {
  readonly brokers: readonly Broker[];
  readonly topic: string;
  readonly tls: ConnectionOptions | undefined;
  /** Whether brokers are told by which name they were called (SNI). */
  readonly named: boolean;
  readonly sasl:
    | { readonly mechanism: Mechanism; readonly username: string; readonly password: string }
    | undefined;
  readonly acks: 'all' | 'leader';
  readonly compression: 'none' | 'gzip' | 'snappy' | 'lz4';
}
export type Mechanism = 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';

type Bytes = Producer<Buffer, Buffer, Buffer, Buffer>;

const CONNECT_MS = 5000;
const REQUEST_MS = 10_000;
/** How often the client itself tries: with idempotence a batch whose answer was lost is not written twice. */
const RETRIES = 2;
const RETRY_MS = 250;
/** What brokers answer to one send is a few kilobytes; the client would keep any length. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
/** The client would ask for number 0, which may be another's. */
const NEW_PRODUCER = { producerId: -1n, producerEpoch: -1 };

export class KafkaWriter {
  readonly #target: Target;
  #producer: Bytes | undefined;
  /** Bytes that came since the send under way began. */
  #received = 0;

  constructor(target: Target) {
    this.#target = target;
  }

  /**
   * Writes records in their order. One call at a time: the client numbers records by what was acknowledged before. After a failure it
   * starts anew, since a number of a batch whose end is not known must not be used for another.
   */
  async write(records: readonly Record[], signal: AbortSignal): Promise<Outcome> {
    const { topic, acks } = this.#target;
    let begun = false;
    let written = 0;
    this.#received = 0;
    try {
      this.#producer ??= await this.#open();
      const producer = this.#producer;
      await within(signal, producer.metadata({ topics: [topic] }));
      if (acks === 'all' && producer.producerId === undefined)
        await within(signal, producer.initIdempotentProducer(NEW_PRODUCER));
      for (const batch of batchesOf(records)) {
        begun = true;
        const messages = batch.map(({ key, value, headers }) => ({
          ...{ topic, key, value },
          headers: new Map(headers),
        }));
        await within(signal, producer.send({ messages }));
        written += batch.length;
      }
      return ok(`${written} messages written`);
    } catch (error) {
      this.close();
      const outcome = signal.aborted
        ? (begun ? ambiguous : retry)(reasonOfAbort(signal), 'not written in time')
        : readFailure(error, begun);
      return written > 0 ? partly(outcome) : outcome;
    }
  }

  close(): void {
    const producer = this.#producer;
    this.#producer = undefined;
    if (!producer) return;
    const connections = [...producer.connections].map(([, connection]) => connection);
    producer.close(true, () => {});
    // Of a connection that is still being made, the client would wait for the end.
    for (const { socket } of connections) socket?.destroy();
  }

  async #open(): Promise<Bytes> {
    const { brokers, tls, named, sasl, acks, compression } = this.#target;
    const options: ProducerOptions<Buffer, Buffer, Buffer, Buffer> = {
      clientId: 'tocsin',
      bootstrapBrokers: [...brokers],
      connectTimeout: CONNECT_MS,
      requestTimeout: REQUEST_MS,
      timeout: REQUEST_MS,
      ...(acks === 'all'
        ? { idempotent: true, retries: RETRIES, retryDelay: RETRY_MS }
        : { acks: 1, retries: 0 }),
      compression,
      ...(tls && { tls, tlsServerName: named }),
      ...(sasl && { sasl }),
    };
    // Loaded with the first channel of this kind.
    const { Producer: Client } = await import('@platformatic/kafka');
    const producer = new Client<Buffer, Buffer, Buffer, Buffer>(options);
    // What a connection says after it failed is heard by nobody else, and would end the process.
    producer.connections.on('connecting', ({ connection }) => {
      connection.on('error', () => {});
      connection.on('connecting', () => queueMicrotask(() => this.#watch(connection.socket)));
    });
    return producer;
  }

  #watch(socket: Socket): void {
    socket.on('data', ({ length }) => {
      this.#received += length;
      if (this.#received > MAX_ANSWER_BYTES)
        socket.destroy(new Error(`the broker answers with more than ${MAX_ANSWER_BYTES} bytes`));
    });
  }
}

/** The result, or the reason of the signal if that comes first. */
function within<T>(signal: AbortSignal, result: Promise<T>): Promise<T> {
  result.catch(() => {});
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason as Error);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    result.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
