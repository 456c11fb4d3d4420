import { crc32 } from 'node:zlib';

/**
 * One spooled alert on disk: length of the payload (u32), CRC-32 of all that follows it (u32), ordinal (u48), time it was spooled in
 * milliseconds (u48), payload. Little-endian. A torn or rotten record fails the length or the checksum.
 */
const RECORD_HEADER_BYTES = 20;

export interface SpoolRecord {
  /** Counts all alerts ever spooled, across lanes: the order of replay. */
  readonly ordinal: number;
  readonly time: number;
  readonly payload: Buffer;
}

/** Bytes a payload takes on disk. */
export const recordBytes = (payload: Buffer): number => RECORD_HEADER_BYTES + payload.length;

/** Writes a record into `target` at `offset`; returns the offset behind it. */
export function writeRecord(target: Buffer, offset: number, record: SpoolRecord): number {
  const { ordinal, time, payload } = record;
  const end = offset + recordBytes(payload);
  target.writeUInt32LE(payload.length, offset);
  target.writeUIntLE(ordinal, offset + 8, 6);
  target.writeUIntLE(time, offset + 14, 6);
  payload.copy(target, offset + RECORD_HEADER_BYTES);
  target.writeUInt32LE(crc32(target.subarray(offset + 8, end)), offset + 4);
  return end;
}

/** Bytes of the record that starts at `offset`, as far as its header tells; undefined when the header is not there in full. */
export function sizeOfRecordAt(source: Buffer, offset: number): number | undefined {
  if (offset + RECORD_HEADER_BYTES > source.length) return undefined;
  return RECORD_HEADER_BYTES + source.readUInt32LE(offset);
}

/** Reads the record at `offset`; undefined when it is cut short or its checksum does not fit. */
export function readRecord(source: Buffer, offset: number): SpoolRecord | undefined {
  const size = sizeOfRecordAt(source, offset);
  if (size === undefined || offset + size > source.length) return undefined;
  const end = offset + size;
  if (crc32(source.subarray(offset + 8, end)) !== source.readUInt32LE(offset + 4)) return undefined;
  return {
    ordinal: source.readUIntLE(offset + 8, 6),
    time: source.readUIntLE(offset + 14, 6),
    payload: source.subarray(offset + RECORD_HEADER_BYTES, end),
  };
}
