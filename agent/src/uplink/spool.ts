import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PRIORITIES, type Priority, severityOf } from '@tocsin/openapi';
import { Lane, type Segment } from './lane.ts';
import { makePrivateFolder } from './private-file.ts';
import type { SpoolRecord } from './record.ts';

const SEGMENT_NAME = /^([0-7])-(\d{15})\.spool$/;
const MIN_SEGMENT_BYTES = 16 * 1024;
const MAX_SEGMENT_BYTES = 4 * 1024 * 1024;

/** An alert on its way: one line of JSON without the newline. */
export interface SpoolEntry {
  readonly priority: Priority;
  readonly line: string;
}

export type SpoolLoss = 'spool_full' | 'disk_error';

export interface SpoolOptions {
  readonly folder: string;
  /** Bytes of all files together; above it the oldest file of the lowest priority goes. */
  readonly capacityBytes: number;
  /** Alerts up to this ordinal were taken before the last stop. */
  readonly takenOrdinal: number;
  readonly onLoss: (priority: Priority, alerts: number, reason: SpoolLoss) => void;
  /** Bytes that cannot be read back: an append that was cut off by a crash, or a rotten disk. */
  readonly onCorrupt: (bytes: number) => void;
}

/**
 * Alerts on disk until they are sent, a lane per priority, read back in the order of their arrival. An append is one write(2) per
 * lane and is done when `append` returns, so a killed process loses nothing; `sync` runs every second, so a power cut loses at most
 * the last second.
 */
export class Spool {
  /** By severity: index 0 is Emergency. */
  readonly #lanes: readonly Lane[];
  readonly #capacityBytes: number;
  readonly #onLoss: SpoolOptions['onLoss'];
  #nextOrdinal: number;
  #takenOrdinal: number;

  constructor(options: SpoolOptions) {
    const { folder, capacityBytes, onCorrupt } = options;
    makePrivateFolder(folder);
    const segmentBytes = Math.min(
      MAX_SEGMENT_BYTES,
      Math.max(MIN_SEGMENT_BYTES, Math.floor(capacityBytes / 64)),
    );
    const found = findSegments(folder);
    this.#lanes = PRIORITIES.map((_, severity) => {
      const segments = found[severity] ?? [];
      return new Lane({ folder, prefix: String(severity), segmentBytes, segments, onCorrupt });
    });
    this.#capacityBytes = capacityBytes;
    this.#onLoss = options.onLoss;
    this.#takenOrdinal = options.takenOrdinal;
    this.#nextOrdinal =
      Math.max(options.takenOrdinal, ...this.#lanes.map((lane) => lane.lastOrdinal())) + 1;
    for (const lane of this.#lanes) {
      for (let record = lane.peek(); record && record.ordinal <= options.takenOrdinal; ) {
        lane.shift();
        record = lane.peek();
      }
    }
  }

  /** Bytes that wait to be sent. */
  get unreadBytes(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.unreadBytes, 0);
  }

  /** When the oldest waiting alert was spooled, milliseconds since the epoch. */
  get oldestTime(): number | undefined {
    return this.#oldestLane()?.peek()?.time;
  }

  /** Ordinal of the last alert that was taken. */
  get takenOrdinal(): number {
    return this.#takenOrdinal;
  }

  append(entries: readonly SpoolEntry[], nowMs: number): void {
    const byLane = new Map<number, SpoolRecord[]>();
    for (const { priority, line } of entries) {
      const severity = severityOf(priority);
      const records = byLane.get(severity) ?? [];
      records.push({ ordinal: this.#nextOrdinal++, time: nowMs, payload: Buffer.from(line) });
      byLane.set(severity, records);
    }
    for (const [severity, records] of byLane) {
      try {
        this.#lane(severity).append(records);
      } catch {
        this.#onLoss(PRIORITIES[severity] as Priority, records.length, 'disk_error');
      }
    }
    this.#evict();
  }

  #lane(severity: number): Lane {
    return this.#lanes[severity] as Lane;
  }

  #evict(): void {
    let excess = this.#lanes.reduce((sum, lane) => sum + lane.diskBytes, 0) - this.#capacityBytes;
    for (let severity = this.#lanes.length - 1; severity >= 0 && excess > 0; ) {
      const evicted = this.#lane(severity).evictOldest(this.#takenOrdinal);
      if (!evicted) {
        severity--;
        continue;
      }
      excess -= evicted.bytes;
      if (evicted.records > 0)
        this.#onLoss(PRIORITIES[severity] as Priority, evicted.records, 'spool_full');
    }
  }

  /** Takes the oldest alerts, whatever their priority, up to a number and a size (but at least one). */
  take(maxAlerts: number, maxBytes: number): Buffer[] {
    const taken: Buffer[] = [];
    let bytes = 0;
    while (taken.length < maxAlerts) {
      const lane = this.#oldestLane();
      const record = lane?.peek();
      if (!lane || !record) break;
      bytes += record.payload.length + 1;
      if (bytes > maxBytes && taken.length > 0) break;
      taken.push(record.payload);
      this.#takenOrdinal = record.ordinal;
      lane.shift();
    }
    return taken;
  }

  #oldestLane(): Lane | undefined {
    let oldest: Lane | undefined;
    let ordinal = Number.POSITIVE_INFINITY;
    for (const lane of this.#lanes) {
      const record = lane.peek();
      if (record && record.ordinal < ordinal) {
        oldest = lane;
        ordinal = record.ordinal;
      }
    }
    return oldest;
  }

  /** Forgets what was taken: it is safe elsewhere. */
  release(): void {
    for (const lane of this.#lanes) lane.release();
  }

  /** Brings what was appended onto the disk. */
  async sync(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.sync()));
  }

  close(): void {
    for (const lane of this.#lanes) lane.close();
  }
}

function findSegments(folder: string): Segment[][] {
  const found: Segment[][] = PRIORITIES.map(() => []);
  for (const name of readdirSync(folder).sort()) {
    const [, severity, first] = SEGMENT_NAME.exec(name) ?? [];
    if (severity === undefined) continue;
    const path = join(folder, name);
    found[Number(severity)]?.push({ path, first: Number(first), size: statSync(path).size });
  }
  return found;
}
