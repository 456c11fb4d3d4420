/** Falco's flag words back into the kernel's, which records hold. */
import { CLONE_FLAGS, FILE_FLAG, OPEN } from '../../events/flag-names.ts';
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

/** Names of the bits of Falco's clone word that have a counterpart. */
const CLONE_BITS: readonly (readonly [bit: number, name: string])[] = [
  ...[
    ...['FILES', 'FS', 'IO', 'NEWIPC', 'NEWNET', 'NEWNS', 'NEWPID', 'NEWUTS', 'PARENT'],
    ...['PARENT_SETTID', 'PTRACE', 'SIGHAND', 'SYSVSEM', 'THREAD', 'UNTRACED', 'VM'],
  ].map((name, bit) => [bit, name] as const),
  [20, 'NEWUSER'],
  [23, 'CHILD_CLEARTID'],
  [24, 'CHILD_SETTID'],
  [25, 'SETTLS'],
  [27, 'VFORK'],
  [28, 'NEWCGROUP'],
];
const cloneNumbers = new Map(CLONE_FLAGS.map(([number, name]) => [name, number]));

/** CLONE_* of a namespace call. */
export function cloneFlagsOf(word: number): number {
  let flags = 0;
  for (const [bit, name] of CLONE_BITS) {
    if ((word >>> bit) & 1) flags |= cloneNumbers.get(`CLONE_${name}`) ?? 0;
  }
  return flags;
}

/** Bits of Falco's clone word. */
export const CLONE = { THREAD: 1 << 13, CHILD_IN_PID_NAMESPACE: 1 << 29 } as const;

/** PTRACE_* requests in the order of Falco's numbers, which count from 1. */
const PTRACE = [
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 24],
  ...[0x4200, 0x4201, 0x4202, 0x4203, 0x4204, 0x4205, 0x4206, 0x4207, 0x4208, 0x4209, 0x420a],
  ...[0x420b, 12, 13, 14, 15, 18, 19, 21, 25, 26, 30, 31, 32, 33],
];

/** The kernel's number of a ptrace request. */
export const ptraceRequestOf = (number: number): number => PTRACE[number - 1] ?? -1;

/** AT_* of unlinkat: removes a directory. */
export const unlinkFlagsOf = (word: number): number => (word & 1 ? 0x200 : 0);

/** AT_* of linkat: follows symlinks, an empty path. */
export const linkFlagsOf = (word: number): number =>
  (word & 1 ? 0x400 : 0) | (word & 2 ? 0x1000 : 0);

/** A device number as stat shows it into the kernel's own word. */
export function deviceOf(number: number): number {
  const major = (number >>> 8) & 0xfff;
  const minor = (number & 0xff) | ((number >>> 12) & 0xfff00);
  return (major << 20) | minor;
}
