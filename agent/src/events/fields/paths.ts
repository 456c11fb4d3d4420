import { EVENT_OPEN, EVENT_PATH, EVENT_PATHS } from '@tocsin/native';
import type { ByteString } from '../../rules/field.ts';
import { syscallNumber } from '../event-name.ts';
import { givenPath, isPathFromFd, mainPath, targetPath } from '../event-path.ts';
import type { KernelEvent } from '../kernel-event.ts';
import { plain } from './context.ts';

const SYMLINKS = new Set([syscallNumber('symlink'), syscallNumber('symlinkat')]);

const succeeded = (event: KernelEvent): boolean => event.result >= 0;

function hasOnePath(event: KernelEvent): boolean {
  return succeeded(event) && (event.kind === EVENT_OPEN || event.kind === EVENT_PATH);
}

function hasTwoPaths(event: KernelEvent): boolean {
  return succeeded(event) && event.kind === EVENT_PATHS;
}

/** For a symlink Falco calls the text the target and the link itself the source. */
function sides(event: KernelEvent): { source: 'first' | 'second' } {
  return { source: SYMLINKS.has(event.syscall) ? 'second' : 'first' };
}

function side(
  event: KernelEvent,
  wanted: 'source' | 'target',
  raw: boolean,
): ByteString | undefined {
  if (!hasTwoPaths(event)) return undefined;
  const first = (wanted === 'source') === (sides(event).source === 'first');
  if (raw) return event.string(first ? 0 : 2);
  return first ? mainPath(event) : targetPath(event);
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
