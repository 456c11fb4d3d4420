/** Alertmanager's fingerprint of labels. Only to be shown: its 64 bits do not keep apart what attackers choose. */
import { compareBytes } from './quote.ts';
import type { Labels } from './types.ts';

const OFFSET = 0xcbf29ce484222325n;
const PRIME = 0x100000001b3n;
const SEPARATOR = Buffer.from([0xff]);

/** FNV-1a, 64 bits, over names and values in the order of their bytes; hexadecimal. */
export function shownFingerprint(labels: Labels): string {
  let sum = OFFSET;
  for (const name of Object.keys(labels).sort(compareBytes)) {
    const bytes = [Buffer.from(name), SEPARATOR, Buffer.from(labels[name] ?? ''), SEPARATOR];
    for (const byte of Buffer.concat(bytes)) sum = BigInt.asUintN(64, (sum ^ BigInt(byte)) * PRIME);
  }
  return sum.toString(16).padStart(16, '0');
}
