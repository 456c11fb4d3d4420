/** Alertmanager's fingerprint of labels. Only to be shown: its 64 bits do not keep apart what attackers choose. */
import { compareBytes } from './quote.ts';
import type { Labels } from './types.ts';

const SEPARATOR = Buffer.from([0xff]);

/** FNV-1a, 64 bits, over names and values in the order of their bytes; hexadecimal. */
export function shownFingerprint(labels: Labels): string {
  // In two halves: BigInt is thirty times slower. The prime is 2^40 + 0x1b3.
  let [high, low] = [0xcbf29ce4, 0x84222325];
  for (const name of Object.keys(labels).sort(compareBytes)) {
    const bytes = [Buffer.from(name), SEPARATOR, Buffer.from(labels[name] ?? ''), SEPARATOR];
    for (const byte of Buffer.concat(bytes)) {
      const mixed = (low ^ byte) >>> 0;
      const product = mixed * 0x1b3;
      high = (high * 0x1b3 + Math.floor(product / 2 ** 32) + ((mixed << 8) >>> 0)) >>> 0;
      low = product >>> 0;
    }
  }
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
}
