import type { Priority } from '@tocsin/openapi';

/** Counts by label. */
class LabelledCounts<Label extends string> {
  readonly #counts = new Map<Label, number>();

  add(label: Label, by = 1): void {
    this.#counts.set(label, (this.#counts.get(label) ?? 0) + by);
  }

  toJSON(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}

/** What became of everything that was given to the uplink, since the start of the process. */
export interface UplinkCounters {
  received: number;
  sentBatches: number;
  sentAlerts: number;
  sentBytes: number;
  enrolments: number;
  /** Batches that went on under a new sequence number. */
  renumbered: number;
  /** Batches that were signed again because of their age. */
  resigned: number;
  /** Batches that were split to find an alert that is not taken. */
  split: number;
  /** Alerts that were put aside in the rejected file. */
  rejected: number;
  /** Alerts that were shortened to fit the limits of the wire. */
  shortened: number;
  /** Batches that were sent, and positions that were kept, in memory only. */
  unsaved: number;
  /** Bytes of the spool that could not be read back. */
  corruptBytes: number;
  readonly retries: LabelledCounts<string>;
  /** Alerts lost, by `reason/Priority`. */
  readonly dropped: LabelledCounts<`${'spool_full' | 'disk_error'}/${Priority}`>;
}

export const newCounters = (): UplinkCounters => ({
  received: 0,
  sentBatches: 0,
  sentAlerts: 0,
  sentBytes: 0,
  enrolments: 0,
  renumbered: 0,
  resigned: 0,
  split: 0,
  rejected: 0,
  shortened: 0,
  unsaved: 0,
  corruptBytes: 0,
  retries: new LabelledCounts(),
  dropped: new LabelledCounts(),
});
