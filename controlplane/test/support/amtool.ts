import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PACKAGE = 'prometheus-alertmanager';
const WAIT_MS = 60_000;

/**
 * The programs of Debian's Alertmanager, unpacked without being installed, because installing starts a server. Undefined where the
 * package cannot be had. The folder is removed after the test.
 */
export async function debianAlertmanager(t: {
  after(fn: () => void): void;
}): Promise<{ amtool: string; server: string } | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-amtool-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const options = { cwd: folder, timeout: WAIT_MS };
  try {
    await run('apt-get', ['-o', 'APT::Sandbox::User=root', 'download', PACKAGE], options);
    const [archive] = readdirSync(folder).filter((name) => name.endsWith('.deb'));
    if (archive === undefined) return undefined;
    await run('dpkg-deb', ['--extract', archive, folder], options);
  } catch {
    return undefined;
  }
  const bin = join(folder, 'usr/bin');
  return { amtool: join(bin, 'amtool'), server: join(bin, PACKAGE) };
}
