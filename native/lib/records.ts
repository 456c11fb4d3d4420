/** Walking the records of a span of the ring buffer. */

const DISCARDED = 1 << 30;
const LENGTH_MASK = 0x3fffffff;
/** The kernel's own header in front of each record. */
const RING_HEADER_BYTES = 8;

/**
 * Calls back with the byte offset of each record in a span that `Probe.scan` returned; discarded ones are passed over. `ring32` is
 * the ring as 32-bit words. Records are read in place: keep nothing of them after `Probe.advance`.
 */
export function forEachRecord(
  ring32: Uint32Array,
  start: number,
  bytes: number,
  callback: (offset: number) => void,
): void {
  const end = start + bytes;
  for (let at = start; at < end; ) {
    const header = ring32[at >> 2] ?? 0;
    if ((header & DISCARDED) === 0) callback(at + RING_HEADER_BYTES);
    at += ((header & LENGTH_MASK) + RING_HEADER_BYTES + 7) & ~7;
  }
}
