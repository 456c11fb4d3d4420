import type { ByteString } from '../../rules/field.ts';
import { Cursor } from './cursor.ts';
import type { ScapEventType } from './event-table.ts';

/** No event has more. */
const PARAMETERS_MAX = 64;

/** One event of a scap capture: who, when, and its parameters by name. Those the end of a call lacks may be at its start. */
export class ScapEvent {
  readonly type: ScapEventType;
  /** Whether it tells the start of a call. */
  readonly isStart: boolean;
  /** Nanoseconds since the epoch. */
  readonly time: bigint;
  readonly tid: number;
  readonly cpu: number;
  /** The start of the call, when the capture has it. */
  start: ScapEvent | undefined;
  readonly #bytes: Buffer;
  readonly #places: readonly (readonly [at: number, length: number])[];

  constructor(
    head: { type: ScapEventType; isStart: boolean; time: bigint; tid: number; cpu: number },
    bytes: Buffer,
    places: readonly (readonly [number, number])[],
  ) {
    this.type = head.type;
    this.isStart = head.isStart;
    this.time = head.time;
    this.tid = head.tid;
    this.cpu = head.cpu;
    this.#bytes = bytes;
    this.#places = places;
  }

  get name(): string {
    return this.type.name;
  }

  /** Bytes it holds on to. */
  get size(): number {
    return this.#bytes.length;
  }

  /** The same in memory of its own. */
  keep(): ScapEvent {
    return new ScapEvent(this, Buffer.from(this.#bytes), this.#places);
  }

  /** A parameter's bytes; undefined when there are none. */
  raw(name: string): Buffer | undefined {
    const index = this.type.parameters.indexOf(name);
    const place = index < 0 ? undefined : this.#places[index];
    if (place === undefined || place[1] === 0) return this.start?.raw(name);
    return this.#bytes.subarray(place[0], place[0] + place[1]);
  }

  has(name: string): boolean {
    return this.raw(name) !== undefined;
  }

  /** A text up to its first NUL. */
  text(name: string): ByteString {
    const bytes = this.raw(name);
    if (bytes === undefined) return '';
    const end = bytes.indexOf(0);
    return bytes.latin1Slice(0, end < 0 ? bytes.length : end);
  }

  /** Bytes as they are. */
  data(name: string): ByteString {
    return this.raw(name)?.latin1Slice() ?? '';
  }

  /** A signed number of the width it has in the capture, exact within 2^53. */
  integer(name: string): number | undefined {
    const bytes = this.raw(name);
    switch (bytes?.length) {
      case 1:
        return bytes.readInt8(0);
      case 2:
        return bytes.readInt16LE(0);
      case 4:
        return bytes.readInt32LE(0);
      case 8:
        return Number(bytes.readBigInt64LE(0));
      default:
        return undefined;
    }
  }

  /** An unsigned 64-bit number, 0 when it is missing. */
  wide(name: string): bigint {
    const bytes = this.raw(name);
    if (bytes?.length === 8) return bytes.readBigUInt64LE(0);
    return BigInt.asUintN(64, BigInt(this.integer(name) ?? 0));
  }

  cursor(name: string): Cursor {
    return new Cursor(this.raw(name) ?? Buffer.alloc(0));
  }
}

/** Where the parameters of an event lie: their lengths first, then their bytes. Undefined when they do not fit. */
export function placesOf(
  bytes: Buffer,
  at: number,
  end: number,
  count: number,
  lengthSize: 2 | 4,
): (readonly [number, number])[] | undefined {
  const lengths = at;
  let value = lengths + count * lengthSize;
  if (count < 0 || value > end) return undefined;
  const places: (readonly [number, number])[] = [];
  for (let index = 0; index < Math.min(count, PARAMETERS_MAX); index++) {
    const place = lengths + index * lengthSize;
    const length = lengthSize === 2 ? bytes.readUInt16LE(place) : bytes.readUInt32LE(place);
    if (length > end - value) return undefined;
    places.push([value, length]);
    value += length;
  }
  return places;
}

/** How many parameters an event of old captures has, which do not say so: as many as make its length come out. */
export function countParameters(bytes: Buffer, at: number, end: number, most: number): number {
  for (let count = most; count >= 0; count--) {
    const places = placesOf(bytes, at, end, count, 2);
    if (places === undefined) continue;
    const [last, length] = places.at(-1) ?? [at + 2 * count, 0];
    if (last + length === end) return count;
  }
  return -1;
}
