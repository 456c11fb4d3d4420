/**
 * The file of a recording. Eight bytes say what it is: `\x89TOCSIN` and the version of the format. Then come blocks: two 32-bit
 * words (bytes of the block as stored, bytes when unpacked) and a gzip member. Unpacked, a block is a row of frames: two 32-bit
 * words (bytes of the payload, sort of the frame), the payload, and zeros up to a multiple of eight. All numbers are little
 * endian. A block stands alone, so a file that was cut off can be read up to its last whole block.
 */

import type { RecordLayouts } from '../events/layout.ts';
import type { RecordCount } from '../probe/probe.ts';
import type { Fact } from './facts.ts';

export const MAGIC = Buffer.from('\x89TOCSIN', 'latin1');
export const FORMAT_VERSION = 1;

/** Sorts of frames. A reader passes over those it does not know. */
export const FRAME = {
  /** A kernel record as it came from the ring. */
  record: 0,
  /** JSON: something the host told, see facts.ts. */
  fact: 1,
  /** JSON: `CaptureHead`. The first frame of the first block. */
  head: 2,
  /** JSON: `CaptureTrailer`. The last frame. */
  trailer: 3,
} as const;

export const FRAME_HEADER = 8;
export const BLOCK_HEADER = 8;
/** A block is closed when it has grown to this many bytes. */
export const BLOCK_BYTES = 256 * 1024;
/** Largest payload of a frame. */
export const FRAME_LIMIT = 1024 * 1024;
/** Largest block a reader unpacks. */
export const BLOCK_LIMIT = BLOCK_BYTES + FRAME_LIMIT + FRAME_HEADER;

export const padded = (bytes: number): number => (bytes + 7) & ~7;

/** Where and how a recording was made. */
export interface CaptureHead {
  /** Tells recordings apart: part of the identity of the alerts of a replay. */
  readonly id: string;
  /** Version of the program that recorded. */
  readonly version: string;
  /** `EVENT_ABI` and offsets of the records. */
  readonly abi: number;
  readonly layouts: RecordLayouts;
  /** Node's name of the processor: numbers of system calls are its own. */
  readonly arch: string;
  readonly kernel: string;
  readonly hostname: string;
  readonly cgroupHierarchy: string;
  /** Nanoseconds since the epoch at CLOCK_BOOTTIME 0. */
  readonly bootEpoch: bigint;
  /** Types of calls that were recorded; lifecycle records always are. Missing when that is not known. */
  readonly types?: readonly string[];
  readonly environment: boolean;
}

/** The account at the end of a recording. */
export interface CaptureTrailer {
  readonly records: number;
  /** As the kernel counted, by kind and fate. */
  readonly kernel: readonly RecordCount[];
  /** Records that were not written because the file took too long. */
  readonly unwritten: number;
}

/** Who takes what a capture holds, in its order. */
export interface CaptureSink {
  head(head: CaptureHead): void;
  /** The host told something: true from here on. */
  fact(fact: Fact): void;
  /** Records are in these bytes from now on. They are only lent: `record` must take what it needs. */
  use(bytes: Buffer): void;
  /** A record at an offset of those bytes, and the bytes that may be read from there. */
  record(offset: number, length: number): void;
}

/** A capture that cannot be read, or no further. */
export class CaptureError extends Error {
  override readonly name = 'CaptureError';
}
