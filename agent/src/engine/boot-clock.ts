import { readFileSync } from 'node:fs';

/** CLOCK_BOOTTIME in ns, to 10 ms. */
function uptime(): bigint {
  const text = readFileSync('/proc/uptime', 'latin1').split(' ')[0] ?? '0';
  return BigInt(text.replace('.', '')) * 10_000_000n;
}

/** Wall clock in ns, to a microsecond. */
function wallClock(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
}

/** Waits for the uptime to turn, at most its 10 ms, to learn the epoch of CLOCK_BOOTTIME to some ten microseconds. */
function measure(): bigint {
  const first = uptime();
  const limit = performance.now() + 30;
  let now = first;
  while (now === first && performance.now() < limit) now = uptime();
  return wallClock() - now;
}

/** Beyond this the wall clock has been set, or the machine slept, since the last look. */
const TOLERANCE = 50_000_000n;

/** Translates CLOCK_BOOTTIME to the wall clock. */
export class BootClock {
  #epoch = measure();

  /** Nanoseconds since the epoch at boot. */
  get epoch(): bigint {
    return this.#epoch;
  }

  /** Follows the wall clock when it was set. */
  refresh(): void {
    const now = BigInt(Date.now()) * 1_000_000n - uptime();
    const drift = now - this.#epoch;
    if (drift > TOLERANCE || drift < -TOLERANCE) this.#epoch = measure();
  }
}
