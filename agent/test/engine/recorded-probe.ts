import type { Interest, Probe, RecordCount } from '../../src/probe/probe.ts';

/** A ring that holds records given beforehand, as the kernel lays them out. */
export class RecordedProbe implements Probe {
  readonly ring: Uint8Array;
  readonly cgroupHierarchy: string;
  interest: Interest | undefined;
  closed = false;
  counts: RecordCount[] = [];
  readonly #length: number;
  #at = 0;

  constructor(records: readonly Buffer[], cgroupHierarchy = '/nowhere') {
    const parts = records.map((record) => {
      const header = Buffer.alloc(8);
      header.writeUInt32LE(record.length);
      return Buffer.concat([header, record, Buffer.alloc((8 - (record.length % 8)) % 8)]);
    });
    this.#length = parts.reduce((sum, part) => sum + part.length, 0);
    // A page more, so that the buffer has memory of its own and words are aligned.
    this.ring = new Uint8Array(this.#length + 4096);
    this.ring.set(Buffer.concat(parts));
    this.cgroupHierarchy = cgroupHierarchy;
  }

  scan(span: Uint32Array): boolean {
    span[0] = this.#at;
    span[1] = this.#length - this.#at;
    return this.#at < this.#length;
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

  close(): void {
    this.closed = true;
  }
}
