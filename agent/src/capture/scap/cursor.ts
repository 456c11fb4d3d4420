import type { ByteString } from '../../rules/field.ts';

/** The bytes end in the middle of what is being read. */
export class NeedMore extends Error {
  override readonly name = 'NeedMore';
}

/** An entry whose parts do not fit into it. */
export class Malformed extends Error {
  override readonly name = 'Malformed';
}

/** Reads little-endian values one behind the other. At the end of the bytes it throws `NeedMore`; `Malformed` if it is whole. */
export class Cursor {
  readonly bytes: Buffer;
  readonly end: number;
  at: number;
  readonly #isWhole: boolean;

  constructor(bytes: Buffer, at = 0, end = bytes.length, isWhole = false) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
    this.#isWhole = isWhole;
  }

  get left(): number {
    return this.end - this.at;
  }

  uint8(): number {
    return this.bytes.readUInt8(this.#take(1));
  }

  uint16(): number {
    return this.bytes.readUInt16LE(this.#take(2));
  }

  uint32(): number {
    return this.bytes.readUInt32LE(this.#take(4));
  }

  uint64(): bigint {
    return this.bytes.readBigUInt64LE(this.#take(8));
  }

  /** A signed 64-bit number, exact within 2^53. */
  int64(): number {
    return Number(this.bytes.readBigInt64LE(this.#take(8)));
  }

  raw(length: number): ByteString {
    const at = this.#take(length);
    return this.bytes.latin1Slice(at, at + length);
  }

  /** Bytes behind their 16-bit length. */
  text(): ByteString {
    return this.raw(this.uint16());
  }

  skip(length: number): void {
    this.#take(length);
  }

  #take(length: number): number {
    const at = this.at;
    if (length > this.end - at) throw this.#isWhole ? new Malformed() : new NeedMore();
    this.at = at + length;
    return at;
  }
}
