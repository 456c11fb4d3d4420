/** The way of a batch into the store: key, signature, body, admission, wake-up. */
import { EventEmitter } from 'node:events';
import { type Alert, EnvelopeError, readClaims, verifyBatch } from '@tocsin/openapi';
import type { ChannelRegistry } from '../channels/registry.ts';
import { ProblemError } from '../errors.ts';
import type { Grouping } from '../groups/grouping.ts';
import type { RequestPool } from '../store/redis.ts';
import type { Admission, AdmitLimits, AdmittedBatch } from './admit.ts';
import { admitBatch, digestOf } from './admit.ts';
import { decodeBody, parseBatch, type ReceivedAlert } from './batch.ts';
import type { Keyring } from './keyring.ts';
import { nextClaims } from './sources.ts';
import type { LaneWaker } from './wake.ts';

const ADMIT_TRIES = 10;

export interface SignedBatch {
  /** Value of the signature header. */
  readonly signature: string | undefined;
  readonly encoding: string | undefined;
  /** The bytes as they came. */
  readonly body: Buffer;
}

/** What the agent is told. */
export interface Receipt {
  readonly alerts: number;
  readonly repeated: boolean;
}

export interface IngestParts {
  readonly pool: RequestPool;
  readonly keyring: Keyring;
  readonly registry: ChannelRegistry;
  readonly waker: LaneWaker;
  readonly audience: string;
  readonly limits: AdmitLimits;
  /** With a routing tree: how alerts are grouped by now. */
  readonly grouping?: () => Grouping | undefined;
  /** Told of every batch: how it was answered, and how long that took. */
  readonly onAnswer: (result: string, seconds: number) => void;
}

export class Ingest extends EventEmitter<{ stored: [alert: Alert]; due: [] }> {
  readonly #parts: IngestParts;

  constructor(parts: IngestParts) {
    super();
    this.#parts = parts;
  }

  /** Takes a batch. Returns once it is durable; throws ProblemError or EnvelopeError when it is refused. */
  async take(batch: SignedBatch): Promise<Receipt> {
    const from = performance.now();
    let result = 'failed';
    try {
      const receipt = await this.#take(batch);
      result = receipt.repeated ? 'repeated' : 'admitted';
      return receipt;
    } catch (error) {
      if (error instanceof ProblemError || error instanceof EnvelopeError) result = error.code;
      throw error;
    } finally {
      this.#parts.onAnswer(result, (performance.now() - from) / 1000);
    }
  }

  /**
   * Takes alerts of a source that does not sign: its token, or the network, is all that vouches for it. It has an account of its own
   * that no signature can use. Returns once they are durable.
   */
  async takeFrom(source: string, received: readonly ReceivedAlert[]): Promise<void> {
    if (received.length === 0) return;
    const { waker } = this.#parts;
    const from = performance.now();
    let result = 'failed';
    try {
      const digest = digestOf(Buffer.from(received.map(({ line }) => line).join('\n')));
      const read = () => received;
      const admission = await this.#admitNext(source, digest, read);
      waker.wake(admission.woken);
      this.#tell(admission, read);
      result = 'admitted';
    } finally {
      this.#parts.onAnswer(result, (performance.now() - from) / 1000);
    }
  }

  async #take({ signature, encoding, body }: SignedBatch): Promise<Receipt> {
    const { keyring, waker, audience } = this.#parts;
    const claimed = readClaims(signature);
    const key = await keyring.find(claimed.agent, claimed.kid);
    if (!key) {
      throw new ProblemError(
        'agent_unknown',
        'No enrolled agent has this key: enrol the host again.',
      );
    }
    const nowSeconds = Math.floor(Date.now() / 1000);
    const claims = await verifyBatch(String(signature), body, key, { audience, nowSeconds });
    const lines = await decodeBody(body, encoding);
    const read = () => parseBatch(lines);
    const admission = await this.#admit({ claims, digest: digestOf(body), read, body: lines });
    waker.wake(admission.woken);
    this.#tell(admission, read);
    return { alerts: admission.alerts, repeated: admission.repeated };
  }

  #tell({ due, stored }: Admission, read: AdmittedBatch['read']): void {
    if (due) this.emit('due');
    if (stored.length === 0 || this.listenerCount('stored') === 0) return;
    const received = read();
    for (const position of stored) {
      const one = received[position];
      if (one) this.emit('stored', one.alert);
    }
  }

  /** Admits under the next number of the source. Another one is taken when so many others were faster that it is too old. */
  async #admitNext(
    source: string,
    digest: string,
    read: AdmittedBatch['read'],
  ): Promise<Admission> {
    for (let tries = 1; ; tries++) {
      try {
        const claims = await nextClaims(this.#parts.pool.for(0), source);
        return await this.#admit({ claims, digest, read });
      } catch (error) {
        const late = error instanceof ProblemError && error.code === 'sequence_stale';
        if (!late || tries >= ADMIT_TRIES) throw error;
      }
    }
  }

  /** Admits to the channels as they are; another replica may have changed them. */
  async #admit(batch: AdmittedBatch): Promise<Admission> {
    const { pool, registry, limits, grouping } = this.#parts;
    for (let tries = 0; tries < ADMIT_TRIES; tries++) {
      const redis = pool.for(batch.body?.length ?? 0);
      const admission = await admitBatch(redis, batch, registry.table, limits, grouping?.());
      if (admission) return admission;
      await registry.reload();
    }
    throw new ProblemError(
      'store_unavailable',
      'The channels are changed all the time; try again.',
    );
  }
}
