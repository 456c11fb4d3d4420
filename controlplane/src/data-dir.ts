/** The data directory: made when it is not there, and held by one process at a time. */
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { StartupError } from './errors.ts';

const LOCK_FILE = 'tocsin.pid';

/** Makes and locks the data directory. Returns how to give it back. Throws StartupError. */
export function holdDataDir(dataDir: string): () => void {
  const folder = resolve(dataDir);
  const lock = join(folder, LOCK_FILE);
  const mine = `${process.pid} ${startOf(process.pid)}\n`;
  try {
    makeFolder(folder);
    writeLock(lock, mine);
  } catch (error) {
    if (error instanceof StartupError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new StartupError(
      `The data directory ${folder} is not writable (${code ?? message}): choose another with --data-dir or TOCSIN_DATA_DIR.`,
      { cause: error },
    );
  }
  return () => {
    if (readLock(lock) === mine) rmSync(lock, { force: true });
  };
}

/** As `mkdir -p`. Not `recursive: true`, which never returns for a folder below /proc. */
function makeFolder(folder: string): void {
  if (existsSync(folder) && statSync(folder).isDirectory()) return;
  const parent = dirname(folder);
  if (parent !== folder) makeFolder(parent);
  mkdirSync(folder, { mode: 0o700 });
}

function writeLock(lock: string, mine: string): void {
  for (;;) {
    try {
      writeFileSync(lock, mine, { flag: 'wx', mode: 0o600 });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const [pid = '', start = ''] = readLock(lock).trim().split(' ');
    // A process id alone may since belong to another process; together with its start it does not.
    if (start !== '' && startOf(Number(pid)) === start && Number(pid) !== process.pid) {
      throw new StartupError(
        `The data directory ${resolve(lock, '..')} is in use by process ${pid}: stop it, or choose another with --data-dir.`,
      );
    }
    rmSync(lock, { force: true });
  }
}

function readLock(lock: string): string {
  try {
    return readFileSync(lock, 'utf8');
  } catch {
    return '';
  }
}

/** When a process started, in clock ticks since boot; empty when there is none. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold anything; the start is the 20th field after it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
