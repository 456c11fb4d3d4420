/** The data directory: made when it is not there, and held by one process at a time. */
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
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
    throw notWritable(folder, code ?? message, error);
  }
  return () => {
    if (readLock(lock) === mine) rmSync(lock, { force: true });
  };
}

/** Writes a file of ours whole or not at all: a full disk or a crash leaves no half of a key. Throws StartupError. */
export function writeWhole(path: string, content: string | Buffer): void {
  const draft = `${path}.new`;
  try {
    writeFileSync(draft, content, { mode: 0o600, flush: true });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    const { code, message } = error as NodeJS.ErrnoException;
    throw notWritable(dirname(path), code ?? message, error);
  }
}

const notWritable = (folder: string, reason: string, cause: unknown) =>
  new StartupError(
    `The data directory ${folder} is not writable (${reason}): choose another with --data-dir or TOCSIN_DATA_DIR.`,
    { cause },
  );

/** As `mkdir -p`. Not `recursive: true`, which never returns for a folder below /proc. */
function makeFolder(folder: string): void {
  if (existsSync(folder) && statSync(folder).isDirectory()) return;
  const parent = dirname(folder);
  if (parent !== folder) makeFolder(parent);
  mkdirSync(folder, { mode: 0o700 });
}

/** The lock appears with its content, so that nobody takes one that is just being written for a stale one. */
function writeLock(lock: string, mine: string): void {
  const draft = `${lock}.${process.pid}`;
  try {
    writeFileSync(draft, mine, { mode: 0o600 });
    while (!linkNew(draft, lock)) removeStale(lock);
  } finally {
    rmSync(draft, { force: true });
  }
}

function linkNew(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
}

function removeStale(lock: string): void {
  const found = readLock(lock);
  const [pid = '', start = ''] = found.trim().split(' ');
  // A process id alone may since belong to another process; together with its start it does not.
  if (start !== '' && startOf(Number(pid)) === start && Number(pid) !== process.pid) {
    throw new StartupError(
      `The data directory ${resolve(lock, '..')} is in use by process ${pid}: stop it, or choose another with --data-dir.`,
    );
  }
  // Another start may have replaced it meanwhile: only one of them moves it aside, and gives back what is not what it read.
  const aside = `${lock}.${process.pid}.stale`;
  try {
    renameSync(lock, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  try {
    if (readLock(aside) !== found) linkNew(aside, lock);
  } finally {
    rmSync(aside, { force: true });
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
