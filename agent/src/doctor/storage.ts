import { accessSync, constants, existsSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { agentFiles } from '../uplink/agent-files.ts';
import { DirectoryLockError, lockDirectory } from '../uplink/directory-lock.ts';
import { type Finding, failed, ok, warning } from './finding.ts';

const MIB = 1024 * 1024;

/** Whether the data directory can hold key and spool, and whether another agent uses it. Makes no folder that was not there. */
export function storageFindings(dataDir: string, spoolBytes: number): Finding[] {
  const check = 'data directory';
  const { folder } = agentFiles(dataDir);
  const place = existing(folder);
  try {
    tryToWrite(place);
  } catch (error) {
    return [
      failed(
        check,
        `${place} cannot be written: ${(error as Error).message}`,
        'make it writable for the agent, or choose another with --data-dir',
      ),
    ];
  }
  return [
    ok(check, `${folder} can be written`),
    spaceFinding(place, spoolBytes),
    lockFinding(folder),
  ];
}

/** The folder itself or the nearest one above it. */
function existing(folder: string): string {
  let place = resolve(folder);
  while (!existsSync(place)) place = dirname(place);
  return place;
}

function tryToWrite(place: string): void {
  accessSync(place, constants.W_OK | constants.X_OK);
  const file = join(place, `.tocsin-doctor-${process.pid}`);
  writeFileSync(file, 'x', { mode: 0o600, flag: 'wx' });
  rmSync(file);
}

function spaceFinding(place: string, spoolBytes: number): Finding {
  const check = 'spool';
  const { bavail, bsize } = statfsSync(place);
  const free = Math.floor((bavail * bsize) / MIB);
  const wanted = Math.ceil(spoolBytes / MIB);
  if (free >= wanted) return ok(check, `${wanted} MiB, of ${free} MiB that are free`);
  return warning(
    check,
    `the spool may grow to ${wanted} MiB, but only ${free} MiB are free: alerts would be lost in a long outage`,
    'free some space, or set a smaller agent.spool_bytes',
  );
}

function lockFinding(folder: string): Finding {
  const check = 'other agents';
  if (!existsSync(folder)) return ok(check, 'none has used this folder');
  try {
    lockDirectory(folder)();
    return ok(check, 'none uses this folder now');
  } catch (error) {
    if (!(error instanceof DirectoryLockError)) throw error;
    if (/in use/.test(error.message)) return ok(check, 'one runs and uses this folder');
    return failed(check, error.message, 'install util-linux');
  }
}
