import {
  EVENT_EXECFAIL,
  EVENT_FROM_FD,
  EVENT_OPEN,
  EVENT_PATH,
  EVENT_PATHS,
  EVENT_REAL_SAME,
  openLayout,
  pathLayout,
  pathsLayout,
} from '@tocsin/native';
import type { ByteString } from '../rules/field.ts';
import { eventName, syscallNumber } from './event-name.ts';
import type { KernelEvent } from './kernel-event.ts';
import { absolute, fold } from './path.ts';

const OPEN_BY_HANDLE = syscallNumber('open_by_handle_at');
const SYMLINKS = new Set([syscallNumber('symlink'), syscallNumber('symlinkat')]);

export const isSymlink = ({ syscall }: KernelEvent): boolean => SYMLINKS.has(syscall);

/** Whether the path is that of an fd and none was given. */
export function isPathFromFd(event: KernelEvent): boolean {
  return (
    (event.flags & EVENT_FROM_FD) !== 0 ||
    (event.kind === EVENT_OPEN && event.syscall === OPEN_BY_HANDLE)
  );
}

/** The first path as the program gave it; the text of the link for a symlink. */
export function givenPath(event: KernelEvent): ByteString {
  return event.string(0);
}

/** The first path, absolute and folded by its letters. `undefined` for records without one. */
export function mainPath(event: KernelEvent): ByteString | undefined {
  if (event.path !== undefined) return event.path;
  switch (event.kind) {
    case EVENT_OPEN:
      event.path = pathOfFdOr(event, openLayout.dirfd);
      break;
    case EVENT_PATH:
      event.path = pathOfFdOr(event, pathLayout.fd);
      break;
    case EVENT_PATHS:
      event.path = isSymlink(event)
        ? event.string(0)
        : resolve(event, event.string(0), event.string(1), pathsLayout.sourceFd);
      break;
    case EVENT_EXECFAIL:
      event.path = resolve(event, event.string(0), '');
      break;
    default:
      return undefined;
  }
  return event.path;
}

function pathOfFdOr(event: KernelEvent, fdAt: number): ByteString {
  if (isPathFromFd(event)) return event.string(2);
  const given = event.string(0);
  const base = event.string(1);
  // Where a path led is told when the path itself is lost: a thread took its page away during the call, or after a
  // change of directory nobody knows any more where a relative path started.
  if (given === '' || (base === '' && !given.startsWith('/'))) {
    return realPath(event) ?? resolve(event, given, base, fdAt);
  }
  return resolve(event, given, base, fdAt);
}

/** The second path of a call on two, absolute and folded. */
export function targetPath(event: KernelEvent): ByteString | undefined {
  if (event.secondPath !== undefined) return event.secondPath;
  if (event.kind !== EVENT_PATHS) return undefined;
  event.secondPath = resolve(event, event.string(2), event.string(3), pathsLayout.targetFd);
  return event.secondPath;
}

/** What the kernel opened or acted on, symbolic links resolved. `undefined` when it did not tell. */
export function realPath(event: KernelEvent): ByteString | undefined {
  if (event.kind !== EVENT_OPEN && event.kind !== EVENT_PATH) return undefined;
  if ((event.flags & EVENT_REAL_SAME) !== 0) return event.string(0);
  const real = event.string(2);
  return real === '' ? undefined : real;
}

/** Tells a relative path's directory fd that stands for the current directory. */
export const AT_FDCWD = -100;

/** A path from the directory it starts from; the process's current directory when the record does not tell one. */
function resolve(event: KernelEvent, path: ByteString, base: ByteString, fdAt = 0): ByteString {
  if (path.startsWith('/')) return fold(path);
  if (base !== '') return absolute(path, base);
  const fromFd = fdAt !== 0 && takesDirectoryFd(event) && event.int32(fdAt) !== AT_FDCWD;
  return absolute(path, fromFd ? '' : event.process.cwd);
}

function takesDirectoryFd(event: KernelEvent): boolean {
  const name = eventName(event);
  return (name.endsWith('at') || name.endsWith('at2')) && name !== 'creat';
}
