/** Reading files whose owners may be hostile: what lies there may be a device, a fifo, a link, or without end. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** Takes hold of a place without opening what is there: some devices act on being opened, and fifos wait. Node has no name for it. */
const O_PATH = 0o10000000;
const HOLD = O_PATH | constants.O_NOFOLLOW;
const READ = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

const linkTo = (fd: number): string => `/proc/self/fd/${fd}`;

/** At most `limit` bytes from the start of a regular file; undefined when there is none. The last component may be no link. */
export function readRegularSync(path: string, limit: number): Buffer | undefined {
  try {
    const place = openSync(path, HOLD);
    try {
      if (!fstatSync(place).isFile()) return undefined;
      const file = openSync(linkTo(place), READ);
      try {
        return readUpTo(file, limit);
      } finally {
        closeSync(file);
      }
    } finally {
      closeSync(place);
    }
  } catch {
    return undefined;
  }
}

function readUpTo(file: number, limit: number): Buffer {
  const bytes = Buffer.alloc(limit);
  let length = 0;
  for (let read = -1; read !== 0 && length < limit; length += read)
    read = readSync(file, bytes, length, limit - length, null);
  return bytes.subarray(0, length);
}

/** A file and who may have written it. */
export interface OwnedBytes {
  readonly bytes: Buffer;
  readonly uid: number;
}

/** The whole of a regular file; undefined when there is none or it has more than `limit` bytes. */
export async function readRegular(path: string, limit: number): Promise<OwnedBytes | undefined> {
  let place: FileHandle | undefined;
  let file: FileHandle | undefined;
  try {
    place = await open(path, HOLD);
    const stats = await place.stat();
    if (!stats.isFile() || stats.size > limit) return undefined;
    file = await open(linkTo(place.fd), READ);
    // A byte more than it had: a file that grows meanwhile is still being written.
    const { buffer, bytesRead } = await file.read(Buffer.alloc(stats.size + 1), 0);
    return bytesRead === stats.size
      ? { bytes: buffer.subarray(0, bytesRead), uid: stats.uid }
      : undefined;
  } catch {
    return undefined;
  } finally {
    await file?.close();
    await place?.close();
  }
}
