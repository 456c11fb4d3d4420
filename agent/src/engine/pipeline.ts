import { type EventName, eventName } from '../events/event-name.ts';
import type { KernelEvent } from '../events/kernel-event.ts';
import { EVENT_CGROUP } from '../events/layout.ts';
import type { Containers } from '../state/containers.ts';
import type { ProcessTree } from '../state/process-tree.ts';
import { Parking, type ParkingOptions } from './parking.ts';

/** Compiled rules as the pipeline needs them. */
export interface Judge {
  /** Types that some rule may match. */
  readonly eventTypes: ReadonlySet<EventName>;
  /** Whether what becomes of an event depends on what a container's runtime tells, which is not known yet. */
  dependsOnFacts(event: KernelEvent): boolean;
  /** Judges an event and does what follows from a match. */
  judge(event: KernelEvent): void;
}

/** What passed; each is a count since the start. */
export interface PipelineCounters {
  /** Records read. */
  records: number;
  /** Records that were judged. */
  judged: number;
  /** Spans of bytes that could not be a record. */
  malformed: number;
  /** Records of the agent itself and what it started, which are not judged. */
  own: number;
  /** Sequence numbers that never came, by the records' own counting. */
  missing: number;
}

/** One record after the other: into the state, then before the rules. */
export class Pipeline {
  readonly counters: PipelineCounters = { records: 0, judged: 0, malformed: 0, own: 0, missing: 0 };
  readonly parking: Parking;
  readonly #tree: ProcessTree;
  readonly #containers: Containers;
  readonly #sequences: number[] = [];
  #judge: Judge;

  constructor(tree: ProcessTree, containers: Containers, judge: Judge, parking?: ParkingOptions) {
    this.#tree = tree;
    this.#containers = containers;
    this.#judge = judge;
    this.parking = new Parking((event) => this.#judge.judge(event), parking);
  }

  /** Takes other rules from the next record on. */
  use(judge: Judge): void {
    this.#judge = judge;
  }

  /** Handles the record at an offset of the event's bytes; tells whether it went before the rules or will. */
  handle(event: KernelEvent, offset: number, available: number): boolean {
    this.counters.records++;
    if (!event.attach(offset, available)) {
      this.counters.malformed++;
      return false;
    }
    this.#countGap(event.cpu, event.sequence);
    if (event.kind === EVENT_CGROUP) {
      this.#containers.apply(event, this.#tree.get(event.tgid));
      return false;
    }
    event.process = this.#tree.apply(event);
    if (event.process.isOurs) {
      this.counters.own++;
      return false;
    }
    event.container = this.#containers.of(event);
    const judge = this.#judge;
    if (!judge.eventTypes.has(eventName(event))) return false;
    event.number = ++this.counters.judged;
    const mustWait = event.container.pending && judge.dependsOnFacts(event);
    if (!mustWait || !this.parking.park(event)) judge.judge(event);
    return true;
  }

  #countGap(cpu: number, sequence: number): void {
    const expected = this.#sequences[cpu];
    this.#sequences[cpu] = (sequence + 1) >>> 0;
    if (expected === undefined) return;
    const gap = (sequence - expected) | 0;
    // A record that was overtaken on its way into the ring had been counted as missing.
    this.counters.missing += gap > 0 ? gap : gap < 0 ? -1 : 0;
    if (gap < 0) this.#sequences[cpu] = expected;
    else if (gap > 0) this.#tree.doubt();
  }
}
