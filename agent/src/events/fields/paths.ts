import { EVENT_OPEN, EVENT_PATH, EVENT_PATHS } from '@tocsin/native';
import type { ByteString } from '../../rules/field.ts';
import { syscallNumber } from '../event-name.ts';
import { givenPath, isPathFromFd, isSymlink, mainPath, targetPath } from '../event-path.ts';
import type { KernelEvent } from '../kernel-event.ts';
import { absolute } from '../path.ts';
import { plain } from './context.ts';

const HARD_LINKS = new Set([syscallNumber('link'), syscallNumber('linkat')]);

const succeeded = (event: KernelEvent): boolean => event.result >= 0;

function hasOnePath(event: KernelEvent): boolean {
  return succeeded(event) && (event.kind === EVENT_OPEN || event.kind === EVENT_PATH);
}

function hasTwoPaths(event: KernelEvent): boolean {
  return succeeded(event) && event.kind === EVENT_PATHS;
}

/** Of links Falco calls the new name the source, and what it leads to the target. */
function side(
  event: KernelEvent,
  wanted: 'source' | 'target',
  raw: boolean,
): ByteString | undefined {
  if (!hasTwoPaths(event)) return undefined;
  const symbolic = isSymlink(event);
  const isFirst = (wanted === 'target') === (symbolic || HARD_LINKS.has(event.syscall));
  if (raw) return event.string(isFirst ? 0 : 2);
  if (!isFirst) return targetPath(event);
  // Falco reads the text of a symlink from the caller's folder.
  return symbolic ? absolute(event.string(0), event.process.cwd) : mainPath(event);
}

export const pathFields = plain({
  'fs.path.name': (event) => (hasOnePath(event) ? mainPath(event) : undefined),
  'fs.path.nameraw': (event) => {
    if (!hasOnePath(event)) return undefined;
    return isPathFromFd(event) ? mainPath(event) : givenPath(event);
  },
  'fs.path.source': (event) => side(event, 'source', false),
  'fs.path.sourceraw': (event) => side(event, 'source', true),
  'fs.path.target': (event) => side(event, 'target', false),
  'fs.path.targetraw': (event) => side(event, 'target', true),
});
