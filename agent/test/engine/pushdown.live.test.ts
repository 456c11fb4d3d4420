/** The same workload before two engines at once, one with pushdown and one without: the same alerts. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { LiveEngine, ruleOf, skipLive } from './live-engine.ts';

const run = promisify(execFile);
const ACTOR = join(import.meta.dirname, '../../../../native/test/actor.c');
const SHOWN = [
  ...['evt.type', 'evt.res', 'evt.abi', 'evt.arg.flags', 'fd.name', 'fd.path.real', 'fd.type'],
  ...['fs.path.name', 'fs.path.target', 'proc.pid', 'proc.name', 'proc.cmdline', 'proc.cwd'],
];
const OPENS = 'evt.type in (open, openat, openat2, creat, open_by_handle_at)';

const CONDITIONS: Readonly<Record<string, string>> = {
  read: `${OPENS} and evt.is_open_read=true and fd.typechar=f and fd.num>=0
    and (fd.filename in (secret, moved, late) or fd.path.real endswith /secret or fd.name endswith /status)`,
  written: `${OPENS} and evt.is_open_write=true and fd.num>=0`,
  made: `${OPENS} and evt.is_open_create=true`,
  executable: `${OPENS} and evt.is_open_exec=true`,
  folder: `${OPENS} and fd.type=directory and fd.filename exists or ${OPENS} and fd.directory endswith /sub`,
  failed: `${OPENS} and evt.failed=true and fd.name contains absent`,
  excluded: `${OPENS} and not fd.name startswith anyof (/usr, /lib, /etc, /proc, /dev, /sys) and not evt.is_open_write=true
    and not fd.filename in (plain, link)`,
  foreign: `${OPENS} and evt.abi!=64`,
  files:
    'evt.type in (rename, renameat, renameat2, unlink, unlinkat, rmdir, mkdir, mkdirat, link, linkat, symlink, symlinkat, chmod, fchmodat)',
  programs: 'evt.type in (execve, execveat)',
  sockets:
    'evt.type in (socket, bind, listen, connect, accept, accept4, sendto, sendmsg, recvfrom) and evt.rawres>=0',
  refused: 'evt.type in (connect, setuid, ptrace) and evt.res!=SUCCESS',
};

describe('pushdown', { skip: skipLive }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-pushdown-'));
  const actor = join(folder, 'actor');
  const engines: LiveEngine[] = [];

  before(async () => {
    execFileSync('cc', ['-O1', '-static', '-no-pie', '-pthread', '-w', '-o', actor, ACTOR]);
    const ours = `(proc.cmdline contains ${basename(folder)} or proc.cwd startswith ${folder})`;
    const rules = Object.entries(CONDITIONS)
      .map(([name, condition]) => ruleOf(name, `(${condition}) and ${ours}`, SHOWN))
      .join('');
    // A busy machine may not lose a record of either: with one less there is nothing to compare.
    for (const pushdown of [true, false])
      engines.push(new LiveEngine(rules, { pushdown, ringBytes: 64 * 1024 * 1024 }));
    await Promise.all(engines.map(({ engine }) => engine.ready));
  });

  after(async () => {
    await Promise.all(engines.map(({ engine }) => engine.stop()));
    rmSync(folder, { recursive: true, force: true });
  });

  const act = (...words: string[]) => run(actor, words, { cwd: folder }).catch(() => undefined);
  const shell = (script: string) => run('/bin/sh', ['-c', script], { cwd: folder });

  it('changes no alert of files, processes and sockets, whatever became hot before', async () => {
    mkdirSync(join(folder, 'sub'));
    for (const name of ['plain', 'secret', 'sub/file']) writeFileSync(join(folder, name), 'x');
    await shell(
      'ln -s plain link; i=0; while [ $i -lt 40 ]; do : <"$PWD/link"; : <"$PWD/plain"; i=$((i+1)); done',
    );
    await act('storm', '1000');
    // What was learnt must not outlive what it rests on.
    const verdicts = () =>
      engines.map(({ engine }) =>
        (engine.statistics().filtered ?? [])
          .filter(({ reason }) => reason === 'verdict')
          .reduce((sum, { count }) => sum + count, 0),
      );
    for (let round = 0; round < 60 && verdicts()[0] === 0; round++) {
      await shell('i=0; while [ $i -lt 20 ]; do : <"$PWD/link"; : <"$PWD/plain"; i=$((i+1)); done');
      await delay(500);
    }
    assert.ok((verdicts()[0] ?? 0) > 0, 'what is opened again and again is left out');
    assert.equal(verdicts()[1], 0, 'and is not without pushdown');
    await shell('ln -sf secret link; : <"$PWD/link"; : <link');
    await shell(
      'ln secret hard; : <"$PWD/hard"; mv plain moved; : <"$PWD/moved"; mv moved plain; : <"$PWD/plain"',
    );
    await shell(
      'rm link; ln secret link; : <"$PWD/link"; cat "$PWD/sub/../secret" ./secret sub/file',
    );
    await shell(
      'cd sub; : <../secret; cd ..; mv sub gone; mkdir sub; : >sub/late; : <"$PWD/sub/late"',
    );
    await shell(
      ': >"$PWD/plain"; : >>"$PWD/new"; chmod 700 new; rm new; ls . sub /proc/self >/dev/null',
    );
    await shell('cat "$PWD/absent" absent sub/absent 2>/dev/null; mkdir d; rmdir d; cp actor copy');
    await act('open', join(folder, 'secret'));
    await act('openat', folder, 'secret');
    await act('openat', '/', 'etc/passwd');
    await act('openat2', join(folder, 'secret'));
    await act('open-mode', join(folder, 'made'));
    await act('open-mode', join(folder, 'made'));
    await act('open-old', join(folder, 'secret'));
    await act('open-int80', join(folder, 'secret'));
    await act('creat', join(folder, 'created'));
    await act('temporary', folder);
    await act('uring-open', join(folder, 'plain'));
    await act('fork-open', join(folder, 'secret'));
    await act('leader-first', join(folder, 'secret'));
    await act('fault');
    await act('long');
    await act('rename', join(folder, 'made'), join(folder, 'renamed'));
    await act('connect4', '9');
    await act('accept4');
    await act('unix', join(folder, 'socket'));
    await act('udp', '9');
    await act('setuid', '12');
    await act('ptrace');
    writeFileSync(join(folder, 'secret'), 'end');
    await act('exec', '/bin/true', 'the-end');
    await Promise.all(
      engines.map((one) =>
        one.until('programs', (fields) => fields['proc.cmdline'] === 'true the-end'),
      ),
    );
    const told = engines.flatMap(({ alerts }) =>
      alerts.filter(({ source }) => source !== 'syscall'),
    );
    assert.deepEqual(told, [], 'neither lost a record');
    const [withIt = [], without = []] = engines.map(({ alerts }) =>
      alerts
        .filter(({ source }) => source === 'syscall')
        .map(({ rule, output }) => `${rule}: ${output.replace(/^[\d:.]+: /, '')}`)
        .sort(),
    );
    assert.deepEqual(withIt, without);
    const rules = new Set(withIt.map((line) => line.split(':')[0]));
    assert.deepEqual(
      [...rules].sort(),
      Object.keys(CONDITIONS)
        .filter((name) => name !== 'foreign' || process.arch === 'x64')
        .sort(),
    );
  });
});
