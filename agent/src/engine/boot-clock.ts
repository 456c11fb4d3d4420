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

/** Both in ns. */
interface Clocks {
  uptime(): bigint;
  wallClock(): bigint;
}

/** Another program may have the processor between the two looks at the clocks, which makes the epoch too late. */
const MEASUREMENTS = 3;

/** Waits for the uptime to turn, at most its 10 ms each time, to learn the epoch of CLOCK_BOOTTIME to some ten microseconds. */
function measure(clocks: Clocks): bigint {
  const epochs = Array.from({ length: MEASUREMENTS }, () => {
    const first = clocks.uptime();
    const limit = performance.now() + 30;
    let now = first;
    while (now === first && performance.now() < limit) now = clocks.uptime();
    return clocks.wallClock() - now;
  });
  return epochs.reduce((least, one) => (one < least ? one : least));
}

/** Beyond this the wall clock has been set, or the machine slept, since the last look. */
const TOLERANCE = 50_000_000n;

/** Translates CLOCK_BOOTTIME to the wall clock. */
export class BootClock {
  readonly #clocks: Clocks;
  #epoch: bigint;

  constructor(clocks: Clocks = { uptime, wallClock }) {
    this.#clocks = clocks;
    this.#epoch = measure(clocks);
  }

  /** Nanoseconds since the epoch at boot. */
  get epoch(): bigint {
    return this.#epoch;
  }

  /** Follows the wall clock when it was set. */
  refresh(): void {
    const now = this.#clocks.wallClock() - this.#clocks.uptime();
    const drift = now - this.#epoch;
    if (drift > TOLERANCE || drift < -TOLERANCE) this.#epoch = measure(this.#clocks);
  }
}
