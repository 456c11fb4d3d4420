import { gunzipSync } from 'node:zlib';
import { ByteQueue } from './byte-queue.ts';
import { decodeFact } from './facts.ts';
import {
  BLOCK_HEADER,
  BLOCK_LIMIT,
  CaptureError,
  type CaptureSink,
  type CaptureTrailer,
  FORMAT_VERSION,
  FRAME,
  FRAME_HEADER,
  MAGIC,
  padded,
} from './format.ts';
import { decodeHead, decodeTrailer } from './head.ts';

/** What a capture turned out to hold. */
export interface CaptureEnd {
  readonly records: number;
  /** What is wrong with the capture, in words; it was read as far as it could be. */
  readonly warnings: readonly string[];
  /** Bytes that could not be understood were met, not only a premature end. */
  readonly damaged: boolean;
  /** It has an end and no damage. Events that were lost while it was made do not count. */
  readonly isWhole: boolean;
}

/** Takes the bytes of a capture as they come and gives what they hold to a sink. */
export interface CaptureParser {
  /** Throws `CaptureError` when this is no capture, or one that cannot be used. False when nothing after this is of use. */
  feed(chunk: Buffer): boolean;
  end(): CaptureEnd;
}

/** Bytes of a stored block: gzip makes what it cannot compress a little longer. */
const STORED_LIMIT = BLOCK_LIMIT + 4096;

/** Reads our own format. */
export class TocsinParser implements CaptureParser {
  readonly #sink: CaptureSink;
  readonly #bytes = new ByteQueue();
  readonly #warnings: string[] = [];
  #version = 0;
  #records = 0;
  #strangeFacts = 0;
  #hasHead = false;
  #trailer: CaptureTrailer | undefined;
  /** Nothing after this can be understood. */
  #lost = false;
  #damagedBlocks = 0;

  constructor(sink: CaptureSink) {
    this.#sink = sink;
  }

  feed(chunk: Buffer): boolean {
    if (this.#lost) return false;
    this.#bytes.push(chunk);
    if (this.#version === 0) {
      const start = this.#bytes.take(MAGIC.length + 1);
      if (start === undefined) return true;
      this.#version = start[MAGIC.length] ?? 0;
      if (this.#version !== FORMAT_VERSION) {
        throw new CaptureError(
          `the capture is of format ${this.#version}; this version reads format ${FORMAT_VERSION}: replay it with the version that recorded it`,
        );
      }
    }
    while (!this.#lost && this.#block());
    return !this.#lost;
  }

  end(): CaptureEnd {
    if (!this.#hasHead) throw new CaptureError('the capture ends before its first block');
    const warnings = this.#warnings;
    const isWhole = this.#trailer !== undefined;
    if (!isWhole && !this.#lost) {
      warnings.push(
        `the capture was cut off: it ends after ${this.#records} records without its account of what was lost`,
      );
    }
    const leftover = isWhole && !this.#lost ? this.#bytes.length : 0;
    if (leftover > 0)
      warnings.push(`${leftover} bytes after the end of the capture are not part of it`);
    if (this.#damagedBlocks > 0)
      warnings.push(`${this.#damagedBlocks} damaged blocks of the capture were passed over`);
    if (this.#strangeFacts > 0)
      warnings.push(`${this.#strangeFacts} facts of the capture were not understood`);
    if (this.#trailer !== undefined) warnings.push(...lossesOf(this.#trailer, this.#records));
    const damaged = this.#lost || this.#damagedBlocks > 0 || leftover > 0;
    return {
      records: this.#records,
      warnings,
      damaged,
      isWhole: isWhole && !damaged,
    };
  }

  #block(): boolean {
    const header = this.#bytes.peek(BLOCK_HEADER);
    if (header === undefined) return false;
    const stored = header.readUInt32LE(0);
    const length = header.readUInt32LE(4);
    if (stored === 0 || stored > STORED_LIMIT || length === 0 || length > BLOCK_LIMIT) {
      this.#giveUp(`a block of ${stored} bytes that would become ${length} cannot be`);
      return false;
    }
    if (this.#bytes.length < BLOCK_HEADER + stored) return false;
    this.#bytes.take(BLOCK_HEADER);
    const bytes = unpack(this.#bytes.take(stored) ?? Buffer.alloc(0), length);
    if (bytes === undefined) this.#damagedBlocks++;
    else this.#frames(bytes);
    return true;
  }

  #frames(bytes: Buffer): void {
    this.#sink.use(bytes);
    for (let at = 0; at + FRAME_HEADER <= bytes.length; ) {
      const length = bytes.readUInt32LE(at);
      const sort = bytes.readUInt32LE(at + 4);
      const start = at + FRAME_HEADER;
      if (length > bytes.length - start) {
        this.#damagedBlocks++;
        return;
      }
      if (sort === FRAME.record) this.#record(start, length);
      else this.#message(sort, bytes.subarray(start, start + length));
      at = start + padded(length);
    }
  }

  #record(offset: number, length: number): void {
    this.#needHead();
    this.#records++;
    this.#sink.record(offset, length);
  }

  #message(sort: number, payload: Buffer): void {
    if (sort === FRAME.head) {
      if (this.#hasHead) return;
      this.#hasHead = true;
      this.#sink.head(decodeHead(payload.toString('utf8')));
      return;
    }
    this.#needHead();
    if (sort === FRAME.fact) {
      const fact = decodeFact(payload.toString('utf8'));
      if (fact === undefined) this.#strangeFacts++;
      else this.#sink.fact(fact);
    } else if (sort === FRAME.trailer) {
      this.#trailer = decodeTrailer(payload.toString('utf8'));
    }
  }

  #needHead(): void {
    if (!this.#hasHead) throw new CaptureError('the capture does not begin with its head');
  }

  #giveUp(reason: string): void {
    this.#lost = true;
    this.#warnings.push(
      `the capture is damaged from byte ${this.#bytes.taken} on (${reason}): read up to there, ${this.#records} records`,
    );
  }
}

function unpack(stored: Buffer, length: number): Buffer | undefined {
  try {
    const bytes = gunzipSync(stored, { maxOutputLength: length });
    return bytes.length === length ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** What the recording says it lost, and whether all it has came. */
function lossesOf({ records, kernel, unwritten }: CaptureTrailer, read: number): string[] {
  const lost = kernel.filter(({ fate }) => fate !== 'sent');
  const causes = lost.map(({ kind, fate, count }) => `${count} ${kind} (${fate})`);
  if (unwritten > 0) causes.push(`${unwritten} because the file took too long`);
  const lines =
    causes.length === 0 ? [] : [`records are missing since the recording: ${causes.join(', ')}`];
  if (records !== read) lines.push(`${records} records were written and ${read} were found`);
  return lines;
}
