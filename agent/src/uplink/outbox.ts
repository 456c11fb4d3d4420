import { appendFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { constants, gunzipSync, gzip } from 'node:zlib';
import { type Batch, BatchFile } from './batch-file.ts';
import { Spool, type SpoolEntry, type SpoolOptions } from './spool.ts';

/** Batches stay well below what the control plane takes (ALERT_LIMITS). */
const BATCH_LIMITS = { alerts: 500, bytes: 1024 * 1024 } as const;

/** A body below this is one or two packets anyway. */
const GZIP_FROM_BYTES = 16 * 1024;
const REJECTED_FILE_BYTES = 16 * 1024 * 1024;
const NEWLINE = 0x0a;

const compress = promisify(gzip);
const nothing = Buffer.alloc(0);

export interface OutboxOptions extends Omit<SpoolOptions, 'takenOrdinal'> {
  /** A batch is sent without a copy on disk: after a crash its alerts may be told twice. */
  readonly onUnsaved?: (reason: string) => void;
}

/**
 * What waits for the control plane: the spool, and the one batch on its way. Sequence numbers only grow, and a batch keeps its number
 * and its bytes over crashes until it is confirmed or refused for good.
 */
export class Outbox {
  readonly #spool: Spool;
  readonly #file: BatchFile;
  readonly #rejectedPath: string;
  #lastSequence: number;
  #pending: Batch | undefined;
  /** Whether the batch on its way is on disk as well. */
  #isSaved = true;
  readonly #onUnsaved: (reason: string) => void;

  constructor(options: OutboxOptions) {
    this.#file = new BatchFile(options.folder);
    this.#onUnsaved = options.onUnsaved ?? (() => {});
    this.#rejectedPath = join(options.folder, 'rejected.ndjson');
    const { pending, confirmed } = this.#file.load();
    this.#pending = pending;
    const last = pending ?? confirmed;
    this.#lastSequence = last.sequence;
    this.#spool = new Spool({ ...options, takenOrdinal: last.through });
  }

  /** Bytes on disk that wait to be confirmed. */
  get waitingBytes(): number {
    const { body, rest } = this.#pending ?? { body: nothing, rest: nothing };
    return this.#spool.unreadBytes + body.length + rest.length;
  }

  get oldestTime(): number | undefined {
    return this.#spool.oldestTime;
  }

  append(entries: readonly SpoolEntry[], nowMs: number): void {
    this.#spool.append(entries, nowMs);
  }

  /** The batch to send now: the one on its way, or a new one, which is on disk when this returns unless the disk is full. */
  async next(): Promise<Batch | undefined> {
    if (this.#pending) return this.#pending;
    const batch = await this.#cut();
    if (batch) this.#save(batch);
    return batch;
  }

  async #cut(): Promise<Batch | undefined> {
    const lines = this.#spool.take(BATCH_LIMITS.alerts, BATCH_LIMITS.bytes);
    if (lines.length === 0) return undefined;
    const through = this.#spool.takenOrdinal;
    const plain = joinLines(lines);
    const packed = plain.length >= GZIP_FROM_BYTES ? await pack(plain) : plain;
    const isPacked = packed.length < plain.length;
    return {
      sequence: this.#lastSequence + 1,
      through,
      alerts: lines.length,
      encoding: isPacked ? 'gzip' : 'identity',
      body: isPacked ? packed : plain,
      rest: nothing,
    };
  }

  /** A full disk gets room only by sending what is on it, so a batch goes out whether it can be saved or not. */
  #save(batch: Batch): void {
    this.#pending = batch;
    this.#lastSequence = batch.sequence;
    try {
      this.#file.save(batch);
      this.#isSaved = true;
    } catch (error) {
      this.#isSaved = false;
      this.#onUnsaved((error as Error).message);
    }
  }

  #current(): Batch {
    if (!this.#pending) throw new Error('there is no batch on its way');
    return this.#pending;
  }

  /** The control plane has the batch. */
  confirm(): void {
    const batch = this.#current();
    const { rest, through } = batch;
    if (rest.length > 0) {
      this.#saveLines(splitLines(rest), nothing, through);
      return;
    }
    if (this.#isSaved) this.#file.confirm();
    this.#pending = undefined;
    this.#spool.release();
    if (!this.#isSaved) this.#confirmUnsaved(batch);
  }

  /** After the spool gave room. Without it the position is as old as the last one that was written: told twice, not lost. */
  #confirmUnsaved(batch: Batch): void {
    try {
      this.#file.confirmUnsaved(batch);
    } catch (error) {
      this.#onUnsaved((error as Error).message);
    }
  }

  #saveLines(lines: readonly Buffer[], rest: Buffer, through: number): void {
    const sequence = this.#lastSequence + 1;
    const body = joinLines(lines);
    this.#save({ sequence, through, alerts: lines.length, encoding: 'identity', body, rest });
  }

  /** The same alerts under another sequence number: after the last one and at least `minimum`. */
  renumber(minimum: number): void {
    const sequence = Math.max(this.#lastSequence + 1, minimum);
    this.#save({ ...this.#current(), sequence });
  }

  /**
   * The control plane takes no batch with these alerts. A batch of several goes on as two, each under a new number. A single alert is
   * put aside; its line is returned.
   */
  refuse(): string | undefined {
    const { body, rest, encoding, through } = this.#current();
    const lines = splitLines(encoding === 'gzip' ? gunzipSync(body) : body);
    if (lines.length > 1) {
      const half = Math.ceil(lines.length / 2);
      this.#saveLines(
        lines.slice(0, half),
        Buffer.concat([joinLines(lines.slice(half)), rest]),
        through,
      );
      return undefined;
    }
    const line = (lines[0] ?? nothing).toString();
    try {
      if (sizeOf(this.#rejectedPath) < REJECTED_FILE_BYTES)
        appendFileSync(this.#rejectedPath, `${line}\n`, { mode: 0o600 });
    } catch (error) {
      this.#onUnsaved((error as Error).message);
    }
    this.confirm();
    return line;
  }

  async sync(): Promise<void> {
    await this.#spool.sync();
  }

  close(): void {
    this.#spool.close();
  }
}

const pack = (plain: Buffer): Promise<Buffer> => compress(plain, { level: constants.Z_BEST_SPEED });

const joinLines = (lines: readonly Buffer[]): Buffer =>
  Buffer.concat(lines.flatMap((line) => [line, newline]));
const newline = Buffer.from([NEWLINE]);

function splitLines(body: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start < body.length; ) {
    const end = body.indexOf(NEWLINE, start);
    lines.push(body.subarray(start, end));
    start = end + 1;
  }
  return lines;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
