/** Appends lines to a file, opened anew for each notification: after a rotation the next line goes to the new file. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Outcome } from '../../channel.ts';
import { describeError, ok, permanent, reasonOfAbort, retry } from '../../outcome.ts';

const MODE = 0o640;
/** Not blocking, so that a FIFO without a reader cannot hang the lane. */
const FLAGS = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

/** Appends whole lines. A file that is not one of JSON lines is left alone: the path may come from the API. */
export async function appendLines(path: string, lines: string): Promise<Outcome> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, FLAGS, MODE);
    const stat = await file.stat();
    if (!stat.isFile()) return permanent('configuration', `${path} is not a regular file`);
    const last = stat.size > 0 ? await byteAt(file, stat.size - 1) : '\n';
    if (stat.size > 0 && (await byteAt(file, 0)) !== '{') {
      return permanent('configuration', `${path} holds something other than JSON lines`);
    }
    // A write that was cut short by a full disk leaves half a line: it must not swallow the next one.
    await file.appendFile(last === '\n' ? lines : `\n${lines}`);
    return ok(`appended to ${path}`);
  } catch (error) {
    return retry('configuration', `${path}: ${describeError(error).message}`);
  } finally {
    await file?.close();
  }
}

async function byteAt(file: FileHandle, position: number): Promise<string> {
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, position);
  return buffer.toString('latin1');
}

/** Writes to standard output and waits until it is taken, so that a slow reader slows the lane and not the memory. */
export function writeStdout(lines: string, signal: AbortSignal): Promise<Outcome> {
  return new Promise((resolve) => {
    const stopped = () => resolve(retry(reasonOfAbort(signal), 'standard output takes nothing'));
    signal.addEventListener('abort', stopped, { once: true });
    process.stdout.write(lines, (error) => {
      signal.removeEventListener('abort', stopped);
      resolve(error ? retry('connection', error.message) : ok('written to standard output'));
    });
  });
}
