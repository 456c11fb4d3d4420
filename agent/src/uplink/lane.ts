import {
  closeSync,
  fdatasync,
  ftruncateSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  readRecord,
  recordBytes,
  type SpoolRecord,
  sizeOfRecordAt,
  writeRecord,
} from './record.ts';

const WINDOW_BYTES = 256 * 1024;

/** One append-only file of a lane. */
export interface Segment {
  readonly path: string;
  /** Ordinal of its first record. */
  readonly first: number;
  /** Bytes written to it. */
  size: number;
}

interface WindowEntry {
  readonly record: SpoolRecord;
  /** Offset behind the record. */
  readonly end: number;
}

/** What eviction removed. */
export interface Evicted {
  readonly records: number;
  readonly bytes: number;
}

/**
 * The spooled alerts of one priority: segments that are only appended to, read from the front and removed whole. `shift` only moves
 * the reading position; files go when `release` says that everything read so far is safe elsewhere.
 */
export class Lane {
  readonly #folder: string;
  readonly #prefix: string;
  readonly #segmentBytes: number;
  /** Oldest first. Only the last one may be open for writing. */
  readonly #segments: Segment[];
  readonly #onCorrupt: (bytes: number) => void;
  #fd: number | undefined;
  #dirty = false;
  #readIndex = 0;
  #readOffset = 0;
  #window: WindowEntry[] = [];
  #windowIndex = 0;

  constructor(options: {
    readonly folder: string;
    readonly prefix: string;
    readonly segmentBytes: number;
    readonly segments: Segment[];
    readonly onCorrupt: (bytes: number) => void;
  }) {
    this.#folder = options.folder;
    this.#prefix = options.prefix;
    this.#segmentBytes = options.segmentBytes;
    this.#segments = options.segments;
    this.#onCorrupt = options.onCorrupt;
  }

  /** Bytes of all its files. */
  get diskBytes(): number {
    return this.#segments.reduce((sum, { size }) => sum + size, 0);
  }

  /** Bytes that were not read yet. */
  get unreadBytes(): number {
    return (
      this.#segments.slice(this.#readIndex).reduce((sum, { size }) => sum + size, 0) -
      this.#readOffset
    );
  }

  /** Ordinal of the youngest record on disk, 0 when there is none. */
  lastOrdinal(): number {
    const segment = this.#segments.at(-1);
    let last = segment?.first ?? 0;
    if (segment) for (const { ordinal } of this.#recordsOf(segment)) last = ordinal;
    return last;
  }

  *#recordsOf(segment: Segment): Generator<SpoolRecord> {
    for (let offset = 0; offset < segment.size; ) {
      const entries = this.#parse(segment, offset, WINDOW_BYTES);
      if (entries.length === 0) return;
      for (const { record } of entries) yield record;
      offset = (entries.at(-1) as WindowEntry).end;
    }
  }

  /** Appends records with one write. Throws when the disk does not take all of them; then none is there. */
  append(records: readonly SpoolRecord[]): void {
    const chunk = Buffer.allocUnsafe(
      records.reduce((sum, { payload }) => sum + recordBytes(payload), 0),
    );
    let offset = 0;
    for (const record of records) offset = writeRecord(chunk, offset, record);
    const segment = this.#writable((records[0] as SpoolRecord).ordinal);
    const fd = this.#fd as number;
    try {
      for (let written = 0; written < chunk.length; )
        written += writeSync(fd, chunk, written, chunk.length - written, segment.size + written);
    } catch (error) {
      ftruncateSync(fd, segment.size);
      throw error;
    }
    segment.size += chunk.length;
    this.#dirty = true;
  }

  #writable(ordinal: number): Segment {
    const last = this.#segments.at(-1);
    if (this.#fd !== undefined && last && last.size < this.#segmentBytes) return last;
    this.#finishWriter();
    const path = join(this.#folder, `${this.#prefix}-${String(ordinal).padStart(15, '0')}.spool`);
    this.#fd = openSync(path, 'wx', 0o600);
    const segment = { path, first: ordinal, size: 0 };
    this.#segments.push(segment);
    return segment;
  }

  /** A full segment is brought onto the disk in the background, then closed. */
  #finishWriter(): void {
    const fd = this.#fd;
    if (fd === undefined) return;
    this.#fd = undefined;
    fdatasync(fd, () => closeSync(fd));
  }

  #closeWriter(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
  }

  /** The oldest record that was not taken yet. */
  peek(): SpoolRecord | undefined {
    while (this.#windowIndex >= this.#window.length) if (!this.#fillWindow()) return undefined;
    return this.#window[this.#windowIndex]?.record;
  }

  /** Moves behind the record that `peek` showed. */
  shift(): void {
    const entry = this.#window[this.#windowIndex++];
    if (entry) this.#readOffset = entry.end;
  }

  #fillWindow(): boolean {
    const segment = this.#segments[this.#readIndex];
    if (!segment) return false;
    if (this.#readOffset >= segment.size) {
      const isLast = this.#readIndex === this.#segments.length - 1;
      if (isLast) return false;
      this.#readIndex++;
      this.#readOffset = 0;
      return true;
    }
    this.#window = this.#parse(segment, this.#readOffset, WINDOW_BYTES);
    this.#windowIndex = 0;
    if (this.#window.length === 0) {
      this.#onCorrupt(segment.size - this.#readOffset);
      this.#readOffset = segment.size;
    }
    return true;
  }

  /** The records from `offset` on that fit into `bytes`, and at least one if a whole one is there. */
  #parse(segment: Segment, offset: number, bytes: number): WindowEntry[] {
    let chunk = readAt(segment, offset, bytes);
    const first = sizeOfRecordAt(chunk, 0);
    if (first !== undefined && first > chunk.length && offset + first <= segment.size)
      chunk = readAt(segment, offset, first);
    const entries: WindowEntry[] = [];
    for (let at = 0; ; ) {
      const record = readRecord(chunk, at);
      if (!record) return entries;
      at += recordBytes(record.payload);
      entries.push({ record, end: offset + at });
    }
  }

  /** Removes the files of everything that was taken. */
  release(): void {
    this.peek(); // Steps over files that were read to their end.
    for (const segment of this.#segments.splice(0, this.#readIndex)) unlinkSync(segment.path);
    this.#readIndex = 0;
    const [only] = this.#segments;
    if (
      this.#segments.length === 1 &&
      only &&
      this.#readOffset >= only.size &&
      only.size >= WINDOW_BYTES
    )
      this.#removeOldest();
  }

  /** Removes the oldest file, whatever was read of it; tells how many of its records are younger than `taken`. */
  evictOldest(taken: number): Evicted | undefined {
    const segment = this.#segments[0];
    if (!segment) return undefined;
    let records = 0;
    for (const { ordinal } of this.#recordsOf(segment)) if (ordinal > taken) records++;
    this.#removeOldest();
    return { records, bytes: segment.size };
  }

  #removeOldest(): void {
    const segment = this.#segments.shift();
    if (!segment) return;
    if (this.#segments.length === 0) this.#closeWriter();
    unlinkSync(segment.path);
    if (this.#readIndex > 0) {
      this.#readIndex--;
      return;
    }
    this.#readOffset = 0;
    this.#window = [];
    this.#windowIndex = 0;
  }

  /** Brings what was written onto the disk. */
  async sync(): Promise<void> {
    const fd = this.#fd;
    if (!this.#dirty || fd === undefined) return;
    this.#dirty = false;
    // A writer that is closed meanwhile was removed or is full; the next call tells of real faults.
    await new Promise<void>((resolve) => fdatasync(fd, () => resolve()));
  }

  close(): void {
    this.#closeWriter();
  }
}

function readAt(segment: Segment, offset: number, bytes: number): Buffer {
  const chunk = Buffer.allocUnsafe(Math.min(bytes, segment.size - offset));
  const fd = openSync(segment.path, 'r');
  try {
    let length = 0;
    while (length < chunk.length) {
      const read = readSync(fd, chunk, length, chunk.length - length, offset + length);
      if (read === 0) break;
      length += read;
    }
    return chunk.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}
