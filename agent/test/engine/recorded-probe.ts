import type { Loser } from '@tocsin/native';
import type {
  CallCount,
  FilteredCount,
  Interest,
  Probe,
  RecordCount,
} from '../../src/probe/probe.ts';

/** A ring that holds records given beforehand, as the kernel lays them out. */
export class RecordedProbe implements Probe {
  readonly ring: Uint8Array;
  readonly cgroupHierarchy: string;
  readonly skipped = [];
  interest: Interest | undefined;
  closed = false;
  counts: RecordCount[] = [];
  readonly #ends: readonly number[];
  readonly #recordsOfScan: number;
  #at = 0;

  constructor(
    records: readonly Buffer[],
    { cgroupHierarchy = '/nowhere', recordsOfScan = Number.POSITIVE_INFINITY } = {},
  ) {
    const parts = records.map((record) => {
      const header = Buffer.alloc(8);
      header.writeUInt32LE(record.length);
      return Buffer.concat([header, record, Buffer.alloc((8 - (record.length % 8)) % 8)]);
    });
    let length = 0;
    this.#ends = parts.map((part) => (length += part.length));
    this.#recordsOfScan = recordsOfScan;
    // A page more, so that the buffer has memory of its own and words are aligned.
    this.ring = new Uint8Array(length + 4096);
    this.ring.set(Buffer.concat(parts));
    this.cgroupHierarchy = cgroupHierarchy;
  }

  scan(span: Uint32Array): boolean {
    const ahead = this.#ends.filter((end) => end > this.#at).slice(0, this.#recordsOfScan);
    span[0] = this.#at;
    span[1] = (ahead.at(-1) ?? this.#at) - this.#at;
    return ahead.length > 0;
  }

  advance(bytes: number): void {
    this.#at += bytes;
  }

  watch(interest: Interest): void {
    this.interest = interest;
  }

  statistics(): readonly RecordCount[] {
    return this.counts;
  }

  ruleOut(): void {}

  markHost(): void {}

  filtered(): readonly FilteredCount[] {
    return [];
  }

  calls(): readonly CallCount[] {
    return [];
  }

  takeLosers(): readonly Loser[] {
    return [];
  }

  close(): void {
    this.closed = true;
  }
}
