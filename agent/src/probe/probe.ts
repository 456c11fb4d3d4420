import type { Loser, OpenClasses, OpenVerdict } from '@tocsin/native';

/** What the agent needs of a source of kernel records: the live probe, a recording, or a test's hand-made ring. */
export interface Probe {
  /** The data pages of the ring, and the first of them once more so that records never wrap. Read-only. */
  readonly ring: Uint8Array;
  /** Where the cgroup hierarchy is mounted whose ids the records carry. */
  readonly cgroupHierarchy: string;
  /** Optional programs that do not run on this kernel. */
  readonly skipped: readonly SkippedProgram[];
  /** Finds committed records: sets `span` to [offset, bytes] and tells whether there are any. */
  scan(span: Uint32Array): boolean;
  /** Gives bytes back to the ring; what they held is gone. */
  advance(bytes: number): void;
  /** Calls back once, when a record comes, unless `scan` is called before. False when there is one already. Hardly ever one comes untold. */
  wait?(onRecord: () => void): boolean;
  /** Sets which calls are recorded. */
  watch(interest: Interest): void;
  /** Leaves out opens like this one until `watch` is called again. */
  ruleOut(verdict: OpenVerdict): void;
  /** Tells that a cgroup, by the id of the records, is in no container and never will be. */
  markHost(cgroup: bigint): void;
  statistics(): readonly RecordCount[];
  /** What became of the records of each system call that was watched and happened. */
  calls(): readonly CallCount[];
  /** Whose records were lost since this was last asked. */
  takeLosers(): readonly Loser[];
  /** How many events needed no record, by kind and reason, since the start. */
  filtered(): readonly FilteredCount[];
  close(): void;
}

/** A program of the probe that this kernel does without. */
export interface SkippedProgram {
  readonly program: string;
  readonly reason: string;
  /** The last lines of the verifier; empty when the kernel was not asked. */
  readonly log: string;
}

/** Which calls the probe records, besides the lifecycle it always does. */
export interface Interest {
  readonly syscalls: readonly number[];
  /** Those of them that are also recorded when they fail. */
  readonly keepFailed: readonly number[];
  /** What of some of them is recorded; calls that are not listed are recorded whole. */
  readonly openClasses?: readonly OpenClasses[];
  /** Whether execs carry the environment. */
  readonly environment: boolean;
}

/** How many records of a system call were sent, and lost for whatever cause, since the start. */
export interface CallCount {
  readonly type: string;
  readonly sent: number;
  readonly lost: number;
}

/** How many records of a kind met a fate since the start. */
export interface RecordCount {
  readonly kind: string;
  /** `sent`, or why it was lost. */
  readonly fate: string;
  readonly count: number;
}

/** How many events of a kind the kernel left out because no rule could match them. */
export interface FilteredCount {
  readonly kind: string;
  /** `failed`, `muted`, `class` or `verdict`. */
  readonly reason: string;
  readonly count: number;
}
