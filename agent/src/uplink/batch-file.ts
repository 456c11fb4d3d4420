import {
  closeSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

/** A batch as it is sent, and what is still to be sent of the batch it was split from. */
export interface Batch {
  readonly sequence: number;
  /** Ordinal of the last spooled alert in it or before it. */
  readonly through: number;
  readonly alerts: number;
  readonly encoding: 'identity' | 'gzip';
  /** The exact bytes that are signed and sent. */
  readonly body: Buffer;
  /** NDJSON lines that follow it in batches of their own. */
  readonly rest: Buffer;
}

/** How far the control plane has confirmed. */
export type Position = Pick<Batch, 'sequence' | 'through'>;

type Header = Omit<Batch, 'body' | 'rest'> & {
  readonly bodyBytes: number;
  readonly restBytes: number;
};

/**
 * The one batch on its way and the last one that was confirmed, in two files. A batch is written before it is sent, so that after a
 * crash the same bytes go under the same sequence number; a rename confirms it. Format: CRC-32 of what follows (8 hex digits), a
 * line of JSON, the body, the rest.
 */
export class BatchFile {
  readonly #pending: string;
  readonly #confirmed: string;

  constructor(folder: string) {
    this.#pending = join(folder, 'batch');
    this.#confirmed = join(folder, 'batch.confirmed');
  }

  load(): { readonly pending: Batch | undefined; readonly confirmed: Position } {
    const confirmed = readBatch(this.#confirmed) ?? { sequence: 0, through: 0 };
    const pending = readBatch(this.#pending);
    const isNewer = pending !== undefined && pending.sequence > confirmed.sequence;
    return { pending: isNewer ? pending : undefined, confirmed };
  }

  /** Keeps a batch in place of the pending one, at once. Throws when the disk does not take it. */
  save(batch: Batch): void {
    this.#write(this.#pending, batch);
  }

  /** The pending batch is confirmed. */
  confirm(): void {
    renameSync(this.#pending, this.#confirmed);
  }

  /** A batch is confirmed that could not be saved. Throws when the disk does not take even this. */
  confirmUnsaved(batch: Batch): void {
    rmSync(this.#pending, { force: true });
    const nothing = Buffer.alloc(0);
    this.#write(this.#confirmed, { ...batch, body: nothing, rest: nothing });
  }

  #write(path: string, batch: Batch): void {
    const { body, rest, ...told } = batch;
    const header: Header = { ...told, bodyBytes: body.length, restBytes: rest.length };
    const checked = Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), body, rest]);
    const content = Buffer.concat([Buffer.from(checksumOf(checked)), checked]);
    const temporary = `${path}.tmp`;
    const fd = openSync(temporary, 'w', 0o600);
    try {
      for (let at = 0; at < content.length; ) at += writeSync(fd, content, at);
    } catch (error) {
      unlinkSync(temporary);
      throw error;
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  }
}

const checksumOf = (content: Buffer): string => crc32(content).toString(16).padStart(8, '0');

/** Undefined when there is no file, or a power cut left it broken: then its alerts are still in the spool. */
function readBatch(path: string): Batch | undefined {
  let content: Buffer;
  try {
    content = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const checksum = content.subarray(0, 8).toString('latin1');
  const checked = content.subarray(8);
  if (checksumOf(checked) !== checksum) return undefined;
  const headEnd = checked.indexOf('\n') + 1;
  const { bodyBytes, restBytes, ...header } = JSON.parse(
    checked.toString('utf8', 0, headEnd),
  ) as Header;
  const bodyEnd = headEnd + bodyBytes;
  return {
    ...header,
    body: checked.subarray(headEnd, bodyEnd),
    rest: checked.subarray(bodyEnd, bodyEnd + restBytes),
  };
}
