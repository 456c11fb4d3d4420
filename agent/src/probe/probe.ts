/** What the agent needs of a source of kernel records: the live probe, a recording, or a test's hand-made ring. */
export interface Probe {
  /** The data pages of the ring, mapped twice so that records never wrap. Read-only. */
  readonly ring: Uint8Array;
  /** Where the cgroup hierarchy is mounted whose ids the records carry. */
  readonly cgroupHierarchy: string;
  /** Finds committed records: sets `span` to [offset, bytes] and tells whether there are any. */
  scan(span: Uint32Array): boolean;
  /** Gives bytes back to the ring; what they held is gone. */
  advance(bytes: number): void;
  /** Sets which calls are recorded. */
  watch(interest: Interest): void;
  /** Records nothing more of a process. */
  mute(tgid: number): void;
  statistics(): readonly RecordCount[];
  close(): void;
}

/** Which calls the probe records, besides the lifecycle it always does. */
export interface Interest {
  readonly syscalls: readonly number[];
  /** Those of them that are also recorded when they fail. */
  readonly keepFailed: readonly number[];
  /** Whether execs carry the environment. */
  readonly environment: boolean;
}

/** How many records of a kind met a fate since the start. */
export interface RecordCount {
  readonly kind: string;
  /** `sent`, or why it was lost. */
  readonly fate: string;
  readonly count: number;
}

const HEADER = 8;
const DISCARDED = 0x40000000;
const LENGTH = 0x0fffffff;

/** Calls `visit` with the offset and length of each record of a span; it returns false to stop. Tells the bytes passed. */
export function forEachRecord(
  words: DataView,
  span: Uint32Array,
  visit: (offset: number, length: number) => boolean,
): number {
  const start = span[0] ?? 0;
  const end = start + (span[1] ?? 0);
  let at = start;
  while (at + HEADER <= end) {
    const word = words.getUint32(at, true);
    const length = word & LENGTH;
    const offset = at + HEADER;
    at += (HEADER + length + 7) & ~7;
    if ((word & DISCARDED) === 0 && at <= end && !visit(offset, length)) break;
  }
  return Math.min(at, end) - start;
}
