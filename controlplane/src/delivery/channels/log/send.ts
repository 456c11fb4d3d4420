/** Appends lines to a file, opened anew for each notification: after a rotation the next line goes to the new file. */
import { constants } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import type { Outcome } from '../../channel.ts';
import { ambiguous, describeError, ok, permanent, reasonOfAbort, retry } from '../../outcome.ts';

const MODE = 0o640;
/** Not blocking, so that a FIFO without a reader cannot hang the lane. */
const FLAGS = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

export interface Rotation {
  readonly max_bytes: number;
  readonly keep?: number;
}

const KEPT = 5;

/** Appends whole lines. A file whose first line is of another kind is left alone: its path may be a mistake. */
export async function appendLines(
  path: string,
  lines: string,
  rotation?: Rotation,
): Promise<Outcome> {
  let file: FileHandle | undefined;
  let begun = false;
  try {
    file = await open(path, FLAGS, MODE);
    let stat = await file.stat();
    if (!stat.isFile()) return permanent('configuration', `${path} is not a regular file`);
    if (stat.size > 0 && (await byteAt(file, 0)) !== lines[0]) {
      return permanent('configuration', `${path} holds something other than such lines`);
    }
    if (rotation && stat.size > 0 && stat.size + Buffer.byteLength(lines) > rotation.max_bytes) {
      await file.close();
      await rotate(path, rotation.keep ?? KEPT);
      file = await open(path, FLAGS, MODE);
      stat = await file.stat();
    }
    const last = stat.size > 0 ? await byteAt(file, stat.size - 1) : '\n';
    // A write that was cut short by a full disk leaves half a line: it must not swallow the next one.
    begun = true;
    await file.appendFile(last === '\n' ? lines : `\n${lines}`);
    return ok(`appended to ${path}`);
  } catch (error) {
    // A full disk may have taken some of the lines.
    return (begun ? ambiguous : retry)('configuration', `${path}: ${describeError(error).message}`);
  } finally {
    await file?.close();
  }
}

/** `path` becomes `path.1`, `path.1` becomes `path.2`, and what was `path.keep` is gone. */
async function rotate(path: string, keep: number): Promise<void> {
  for (let number = keep - 1; number >= 0; number -= 1) {
    const from = number === 0 ? path : `${path}.${number}`;
    await rename(from, `${path}.${number + 1}`).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
}

async function byteAt(file: FileHandle, position: number): Promise<string> {
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, position);
  return buffer.toString('latin1');
}

/** Writes to standard output and waits until it is taken, so that a slow reader slows the lane and not the memory. */
export function writeStdout(lines: string, signal: AbortSignal): Promise<Outcome> {
  return new Promise((resolve) => {
    // The lines stay in the stream, and are written when it flows again.
    const stopped = () =>
      resolve(ambiguous(reasonOfAbort(signal), 'standard output takes nothing'));
    signal.addEventListener('abort', stopped, { once: true });
    process.stdout.write(lines, (error) => {
      signal.removeEventListener('abort', stopped);
      resolve(error ? ambiguous('connection', error.message) : ok('written to standard output'));
    });
  });
}
