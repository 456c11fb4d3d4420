import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { ExpectedError } from '../expected-error.ts';
import { makePrivateFolder } from './private-file.ts';

/** Another process uses the folder, or it cannot be locked at all. */
export class DirectoryLockError extends ExpectedError {
  override readonly name = 'DirectoryLockError';
}

/**
 * Takes a folder for this process alone; returns how to give it back. The kernel gives it back when the process dies. Node has no
 * flock(2), so flock(1) takes the lock on our own open file: the lock stays with that file after the child has ended.
 */
export function lockDirectory(path: string): () => void {
  makePrivateFolder(path);
  const fd = openSync(join(path, 'lock'), 'a', 0o600);
  const child = spawnSync('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
  if (child.status === 0) return () => closeSync(fd);
  closeSync(fd);
  if (child.error) {
    throw new DirectoryLockError(
      `${path} cannot be locked: the program flock does not run (${child.error.message}); install util-linux`,
    );
  }
  throw new DirectoryLockError(
    `${path} is in use by another agent; stop it, or choose another folder with --data-dir`,
  );
}
