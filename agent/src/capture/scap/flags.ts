/** Falco's flag words back into the kernel's, which records hold. */
import { FILE_FLAG, OPEN } from '../../events/flag-names.ts';
import {
  EVENT_EXE_MEMFD,
  EVENT_EXE_OVERLAY,
  EVENT_EXE_UPPER,
  EVENT_EXE_WRITABLE,
  EVENT_FILE_CREATED,
  EVENT_FILE_OVERLAY,
  EVENT_FILE_UPPER,
} from '../../events/layout.ts';

const OPEN_BITS: readonly (readonly [flag: number, open: number])[] = [
  [FILE_FLAG.CREAT, OPEN.CREAT],
  [FILE_FLAG.APPEND, OPEN.APPEND],
  [FILE_FLAG.DSYNC, OPEN.DSYNC],
  [FILE_FLAG.EXCL, OPEN.EXCL],
  [FILE_FLAG.NONBLOCK, OPEN.NONBLOCK],
  [FILE_FLAG.SYNC, OPEN.SYNC],
  [FILE_FLAG.TRUNC, OPEN.TRUNC],
  [FILE_FLAG.DIRECT, OPEN.DIRECT],
  [FILE_FLAG.DIRECTORY, OPEN.DIRECTORY],
  [FILE_FLAG.LARGEFILE, OPEN.LARGEFILE],
  [FILE_FLAG.CLOEXEC, OPEN.CLOEXEC],
  [FILE_FLAG.TMPFILE, OPEN.TMPFILE],
];

/** O_* of an open. */
export function openFlagsOf(word: number): number {
  const access = word & (FILE_FLAG.READ | FILE_FLAG.WRITE);
  let flags: number = 0;
  if (access === FILE_FLAG.WRITE) flags = OPEN.WRONLY;
  else if (access === (FILE_FLAG.READ | FILE_FLAG.WRITE)) flags = OPEN.RDWR;
  for (const [flag, open] of OPEN_BITS) if ((word & flag) !== 0) flags |= open;
  return flags;
}

/** EVENT_FILE_* bits of an open. */
export function fileBitsOf(word: number): number {
  return (
    (word & FILE_FLAG.CREATED ? EVENT_FILE_CREATED : 0) |
    (word & (FILE_FLAG.UPPER | FILE_FLAG.LOWER) ? EVENT_FILE_OVERLAY : 0) |
    (word & FILE_FLAG.UPPER ? EVENT_FILE_UPPER : 0)
  );
}

/** EVENT_EXE_* bits of an exec: writable, upper layer, from memfd, lower layer. */
export function executableBitsOf(word: number): number {
  return (
    (word & 1 ? EVENT_EXE_WRITABLE : 0) |
    (word & 10 ? EVENT_EXE_OVERLAY : 0) |
    (word & 2 ? EVENT_EXE_UPPER : 0) |
    (word & 4 ? EVENT_EXE_MEMFD : 0)
  );
}

/** Bits of Falco's clone word. */
export const CLONE = { THREAD: 1 << 13, CHILD_IN_PID_NAMESPACE: 1 << 29 } as const;
