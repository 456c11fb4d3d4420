import type { Process, SharedText } from './process.ts';

/** What a process costs without its text, with its place in the table. */
const PROCESS_BYTES = 700;

/** Counts the bytes of the processes in a table. */
export class ProcessBytes {
  total = 0;

  /** The process is in the table from now on. */
  hold(process: Process): void {
    process.heldBytes = PROCESS_BYTES;
    this.total += PROCESS_BYTES;
    this.update(process);
  }

  /** Its text or folder may have changed. */
  update(process: Process): void {
    if (process.heldBytes === 0) return;
    const own = PROCESS_BYTES + process.cwd.length;
    this.total += own - process.heldBytes;
    process.heldBytes = own;
    if (process.heldText === process.text) return;
    this.#release(process.heldText);
    process.heldText = process.text;
    if (process.text.holders++ === 0) this.total += process.text.bytes;
  }

  /** The process is no longer in the table. */
  drop(process: Process): void {
    this.total -= process.heldBytes;
    process.heldBytes = 0;
    this.#release(process.heldText);
    process.heldText = undefined;
  }

  #release(text: SharedText | undefined): void {
    if (text !== undefined && --text.holders === 0) this.total -= text.bytes;
  }
}
