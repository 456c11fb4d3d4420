import { absolute } from '../../events/path.ts';
import type { ByteString } from '../../rules/field.ts';
import type { ScapEvent } from './event.ts';
import type { ScapProcess } from './process.ts';

/** The current directory instead of a directory's fd. */
export const AT_FDCWD = -100;

/** The fd of a folder that a call was given. */
export function folderFd(event: ScapEvent, name: string | undefined): number {
  return (name === undefined ? undefined : event.integer(name)) ?? AT_FDCWD;
}

/** The folder that an fd given to a call stands for; empty for the current one. */
export function folderOf(
  event: ScapEvent,
  process: ScapProcess,
  name: string | undefined,
): ByteString {
  const fd = folderFd(event, name);
  return fd === AT_FDCWD ? '' : (process.descriptors.get(fd)?.path ?? '');
}

/** A path made absolute: from a folder, or else from the current one. */
export function resolved(process: ScapProcess, path: ByteString, from: ByteString): ByteString {
  return absolute(path, from || process.cwd);
}
