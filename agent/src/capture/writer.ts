import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { encodeFact, type Fact } from './facts.ts';
import {
  BLOCK_BYTES,
  BLOCK_HEADER,
  type CaptureHead,
  type CaptureTrailer,
  FORMAT_VERSION,
  FRAME,
  FRAME_HEADER,
  FRAME_LIMIT,
  MAGIC,
  padded,
} from './format.ts';

const compress = promisify(gzip);

/** Blocks that wait for the compressor or the file, in bytes before compression. */
const BACKLOG_LIMIT = 64 * 1024 * 1024;
/** Facts are few and records mean little without them: they have room of their own beyond the limit. */
const FACTS_RESERVE = 16 * 1024 * 1024;

export interface CaptureWriterOptions {
  /** Writes bytes behind those before; resolves when there is room for more. */
  readonly write: (bytes: Buffer) => Promise<void>;
  /** Bytes that may wait to be written. */
  readonly backlogLimit?: number;
}

/** Writes a capture. What cannot be written in time is counted, and the place where it is missing is marked. */
export class CaptureWriter {
  /** Records and facts taken; records and facts that were not. */
  readonly counters = { records: 0, facts: 0, unwritten: 0, unwrittenFacts: 0, bytes: 0 };
  /** The first thing that went wrong with writing. */
  failure: Error | undefined;
  readonly #write: (bytes: Buffer) => Promise<void>;
  readonly #limit: number;
  #block = Buffer.allocUnsafe(BLOCK_BYTES);
  #used = 0;
  #waiting = 0;
  #lostHere = 0;
  #chain: Promise<void> = Promise.resolve();

  constructor({ write, backlogLimit = BACKLOG_LIMIT }: CaptureWriterOptions, head: CaptureHead) {
    this.#write = write;
    this.#limit = backlogLimit;
    this.#enqueue(async () => Buffer.concat([MAGIC, Buffer.from([FORMAT_VERSION])]));
    this.#frame(FRAME.head, Buffer.from(toJson(head)));
    this.flush();
  }

  record(bytes: Uint8Array): void {
    if (!this.#hasRoom(bytes.length, this.#limit)) {
      this.counters.unwritten++;
      this.#lostHere++;
      return;
    }
    this.#tellLost();
    this.counters.records++;
    this.#frame(FRAME.record, bytes);
  }

  fact(fact: Fact): void {
    const bytes = Buffer.from(encodeFact(fact));
    if (bytes.length > FRAME_LIMIT || !this.#hasRoom(bytes.length, this.#limit + FACTS_RESERVE)) {
      this.counters.unwrittenFacts++;
      return;
    }
    this.counters.facts++;
    this.#frame(FRAME.fact, bytes);
  }

  /** Closes the block, so that what was taken is on its way to the file. */
  flush(): void {
    if (this.#used === 0) return;
    const raw = this.#block.subarray(0, this.#used);
    this.#block = Buffer.allocUnsafe(BLOCK_BYTES);
    this.#used = 0;
    this.#waiting += raw.length;
    const packed = compress(raw, { level: 1 });
    this.#enqueue(async () => {
      const stored = await packed;
      const header = Buffer.alloc(BLOCK_HEADER);
      header.writeUInt32LE(stored.length, 0);
      header.writeUInt32LE(raw.length, 4);
      return Buffer.concat([header, stored]);
    }, raw.length);
  }

  /** Writes the account and waits for the last byte. */
  async close(kernel: CaptureTrailer['kernel']): Promise<void> {
    this.#tellLost();
    const { records, unwritten } = this.counters;
    this.#frame(FRAME.trailer, Buffer.from(toJson({ records, kernel, unwritten })));
    this.flush();
    await this.#chain;
  }

  #hasRoom(bytes: number, limit: number): boolean {
    return this.failure === undefined && this.#waiting + this.#used + bytes <= limit;
  }

  #tellLost(): void {
    if (this.#lostHere === 0) return;
    const count = this.#lostHere;
    this.#lostHere = 0;
    this.fact({ kind: 'lost', count });
  }

  #frame(sort: number, payload: Uint8Array): void {
    const size = FRAME_HEADER + padded(payload.length);
    if (this.#used + size > this.#block.length) {
      this.flush();
      if (size > this.#block.length) this.#block = Buffer.allocUnsafe(size);
    }
    this.#block.writeUInt32LE(payload.length, this.#used);
    this.#block.writeUInt32LE(sort, this.#used + 4);
    this.#block.set(payload, this.#used + FRAME_HEADER);
    this.#block.fill(0, this.#used + FRAME_HEADER + payload.length, this.#used + size);
    this.#used += size;
  }

  /** Compression runs beside; the order of the file is that of the calls. */
  #enqueue(make: () => Promise<Buffer>, rawBytes = 0): void {
    this.#chain = this.#chain.then(async () => {
      try {
        if (this.failure === undefined) {
          const bytes = await make();
          await this.#write(bytes);
          this.counters.bytes += bytes.length;
        }
      } catch (error) {
        this.failure = error as Error;
      } finally {
        this.#waiting -= rawBytes;
      }
    });
  }
}

const toJson = (value: unknown): string =>
  JSON.stringify(value, (_key, member) => (typeof member === 'bigint' ? String(member) : member));
