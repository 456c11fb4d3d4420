import type { ByteString } from '../rules/field.ts';
import { EVENT_TRUNCATED, headerLayout } from './layout.ts';

/** Longest string of a record, as the probe cuts it. */
const STRING_LIMIT = 4096;
const CAPACITY = 64 * 1024;

/** Writes one record after the other, as the probe would, into the same memory. */
export class RecordBuilder {
  readonly bytes = Buffer.alloc(CAPACITY);
  length = 0;

  /** Begins a record of a kind with nothing but zeros in its fixed part of `size` bytes. */
  begin(kind: number, size: number): this {
    this.bytes.fill(0, 0, size);
    this.length = size;
    this.bytes[headerLayout.kind] = kind;
    return this;
  }

  uint8(at: number, value: number): this {
    this.bytes[at] = value;
    return this;
  }

  uint16(at: number, value: number): this {
    this.bytes.writeUInt16LE(value & 0xffff, at);
    return this;
  }

  /** Any number as 32 bits, negative ones too. */
  uint32(at: number, value: number): this {
    this.bytes.writeUInt32LE(value >>> 0, at);
    return this;
  }

  uint64(at: number, value: bigint): this {
    this.bytes.writeBigUInt64LE(BigInt.asUintN(64, value), at);
    return this;
  }

  /** A whole number of at most 53 bits and its sign. */
  int64(at: number, value: number): this {
    this.bytes.writeUInt32LE(value >>> 0, at);
    this.bytes.writeInt32LE(Math.floor(value / 2 ** 32) | 0, at + 4);
    return this;
  }

  /** Bytes of a field of fixed size; what is beyond `size` is cut. */
  text(at: number, size: number, value: ByteString): this {
    this.bytes.latin1Write(value.slice(0, size), at, size);
    return this;
  }

  /** The strings behind the fixed part, their lengths from `lengthsAt` on. */
  strings(lengthsAt: number, ...texts: readonly ByteString[]): this {
    for (const [index, text] of texts.entries()) {
      const kept = text.length > STRING_LIMIT ? text.slice(0, STRING_LIMIT) : text;
      if (kept !== text) this.flag(EVENT_TRUNCATED);
      this.bytes.writeUInt16LE(kept.length, lengthsAt + 2 * index);
      this.bytes.latin1Write(kept, this.length, kept.length);
      this.length += kept.length;
    }
    return this;
  }

  /** Adds flags of the header. */
  flag(flags: number): this {
    const at = headerLayout.flags;
    return this.uint32(at, this.bytes.readUInt32LE(at) | flags);
  }

  /** Ends the record: `bytes` holds it, `length` bytes long. */
  end(): void {
    this.bytes.writeUInt32LE(this.length, headerLayout.length);
  }
}
