import assert from 'node:assert/strict';
import {
  mkdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { PROBE_OBJECTS } from '../lib/binding.ts';
import {
  EVENT_FAULT,
  EVENT_FILE_CREATED,
  EVENT_FROM_FD,
  EVENT_IA32,
  EVENT_IO_URING,
  EVENT_OPEN,
  EVENT_PATH,
  EVENT_PATH_INCOMPLETE,
  EVENT_PATHS,
  EVENT_REAL_SAME,
  EVENT_TRUNCATED,
  probeCapabilities,
} from '../lib/index.ts';
import { numberOf, only, type Stage, skip, stage, watch } from './live.ts';

const OPENS = ['open', 'openat', 'openat2', 'creat'];
const x64 = process.arch === 'x64' ? skip : 'only x86-64 has this call';

describe('files', { skip }, () => {
  let on: Stage;
  let file: string;
  before(() => {
    on = stage();
    file = join(on.folder, 'file');
    writeFileSync(file, 'content');
    symlinkSync('file', join(on.folder, 'alias'));
    mkdirSync(join(on.folder, 'sub'));
  });
  after(() => on.remove());
  for (const object of PROBE_OBJECTS)
    test(`an absolute open tells path, inode and mode (${basename(object)})`, () => {
      const run = watch(on, OPENS, ['open', file], { object });
      const record = only(run, EVENT_OPEN);
      const facts = statSync(file);
      assert.deepEqual(record.strings, { path: file, base: '', real: '' });
      assert.equal(record.u32('flags') & EVENT_REAL_SAME, EVENT_REAL_SAME);
      assert.equal(record.u16('syscall'), numberOf('openat'));
      assert.equal(record.u64('inode'), BigInt(facts.ino));
      assert.equal(record.u32('device'), facts.dev);
      assert.equal(record.u32('fileMode'), facts.mode);
      assert.equal(record.s32('dirfd'), -100);
      assert.equal(record.u32('openFlags'), 0);
      assert.equal(record.u8('admission'), 3);
      assert.ok(record.result >= 0n);
      assert.equal(record.comm, 'actor');
      assert.equal(record.u32('ppid'), process.pid);
      assert.equal(record.u32('tid'), run.pid);
      assert.equal(record.u32('vpid'), run.pid);
      assert.equal(record.u32('euid'), process.geteuid?.());
      assert.equal(record.u32('egid'), process.getegid?.());
      assert.equal(
        record.u32('auditUid'),
        Number(readFileSync('/proc/self/loginuid', 'utf8')) >>> 0,
      );
    });

  test('a relative open tells the cwd it starts from', () => {
    const record = only(watch(on, OPENS, ['open', 'sub/../file'], { cwd: on.folder }), EVENT_OPEN);
    assert.deepEqual(record.strings, {
      path: 'sub/../file',
      base: realpathSync(on.folder),
      real: file,
    });
  });

  test('an open below a directory fd tells the path of the fd', () => {
    const run = watch(on, ['openat'], ['openat', on.folder, 'file']);
    const record = run.records.filter(({ kind }) => kind === EVENT_OPEN).at(-1);
    assert.deepEqual(record?.strings, { path: 'file', base: on.folder, real: file });
    assert.ok((record?.s32('dirfd') ?? -1) >= 3);
  });

  test('a symlink tells what was really opened', () => {
    const alias = join(on.folder, 'alias');
    const record = only(watch(on, OPENS, ['open', alias]), EVENT_OPEN);
    assert.deepEqual(record.strings, { path: alias, base: '', real: file });
    assert.equal(record.u32('flags') & EVENT_REAL_SAME, 0);
  });

  test('a failed open tells the error and nothing of a file', () => {
    const missing = join(on.folder, 'missing');
    const record = only(watch(on, OPENS, ['open', missing]), EVENT_OPEN);
    assert.deepEqual(record.strings, { path: missing, base: '', real: '' });
    assert.equal(record.result, -2n);
    assert.equal(record.u64('inode'), 0n);
    assert.equal(record.u32('fileMode'), 0);
    const quiet = watch(on, OPENS, ['open', missing], { keepFailed: [] });
    assert.equal(quiet.records.filter(({ kind }) => kind === EVENT_OPEN).length, 0);
  });

  test('openat2 tells its resolve flags, O_CREAT its mode and that the file is new', () => {
    const second = only(watch(on, OPENS, ['openat2', file]), EVENT_OPEN);
    assert.equal(second.u16('syscall'), numberOf('openat2'));
    assert.equal(second.u32('resolve'), 4);
    const created = join(on.folder, 'created');
    const record = only(watch(on, OPENS, ['open-mode', created]), EVENT_OPEN);
    assert.equal(record.u32('openFlags'), 0o301);
    assert.equal(record.u32('mode'), 0o640);
    assert.equal(record.u32('flags') & EVENT_FILE_CREATED, EVENT_FILE_CREATED);
    assert.equal(record.u8('admission'), 2);
  });

  test('open and creat of old', { skip: x64 }, () => {
    const old = only(watch(on, OPENS, ['open-old', file]), EVENT_OPEN);
    assert.equal(old.u16('syscall'), numberOf('open'));
    assert.equal(old.text('path'), file);
    const made = join(on.folder, 'made');
    const creat = only(watch(on, OPENS, ['creat', made]), EVENT_OPEN);
    assert.equal(creat.u16('syscall'), numberOf('creat'));
    assert.equal(creat.u32('openFlags'), 0o1101);
    assert.equal(creat.u32('mode'), 0o604);
  });

  test('a 32-bit open is told by its 64-bit number', { skip: x64 }, () => {
    const record = only(watch(on, OPENS, ['open-int80', file]), EVENT_OPEN);
    assert.equal(record.u16('syscall'), numberOf('open'));
    assert.equal(record.text('path'), file);
    assert.equal(record.u32('flags') & EVENT_IA32, EVENT_IA32);
    assert.ok(record.result >= 0n);
  });

  const uring = skip || (!probeCapabilities().ioUring && 'this kernel does not tell submissions');
  test('an open through io_uring is told', { skip: uring }, (t) => {
    const run = watch(on, OPENS, ['uring-open', file]);
    if (run.status === 77) return t.skip('io_uring is switched off here');
    const record = only(run, EVENT_OPEN);
    assert.deepEqual(record.strings, { path: file, base: '', real: '' });
    assert.equal(record.u32('flags') & EVENT_IO_URING, EVENT_IO_URING);
    assert.equal(record.u16('syscall'), numberOf('openat'));
    assert.equal(record.u32('openFlags') & 3, 1);
  });

  test('a file that is cut through io_uring is told', { skip: uring }, (t) => {
    const run = watch(on, ['ftruncate'], ['uring-truncate', file]);
    if (run.status === 77) return t.skip('this kernel has no such request');
    const record = only(run, EVENT_PATH, 'ftruncate');
    assert.deepEqual(record.strings, { path: '', base: '', real: file });
    assert.equal(record.u32('flags') & EVENT_IO_URING, EVENT_IO_URING);
  });

  test('unreadable and overlong paths are flagged', () => {
    const fault = only(watch(on, OPENS, ['fault']), EVENT_OPEN);
    assert.equal(fault.u32('flags') & EVENT_FAULT, EVENT_FAULT);
    assert.equal(fault.text('path'), '');
    assert.equal(fault.result, -14n);
    const long = only(watch(on, OPENS, ['long']), EVENT_OPEN);
    assert.equal(long.u32('flags') & EVENT_TRUNCATED, EVENT_TRUNCATED);
    assert.equal(long.text('path'), '/'.repeat(4096));
    assert.equal(long.result, -36n);
  });

  test('calls on one path', () => {
    const folder = join(on.folder, 'folder');
    const mkdir = only(watch(on, ['mkdir', 'mkdirat'], ['mkdir', folder]), EVENT_PATH);
    assert.deepEqual(mkdir.strings, { path: folder, base: '', real: '' });
    assert.equal(mkdir.u32('mode'), 0o750);
    assert.equal(mkdir.result, 0n);
    const rmdir = only(
      watch(on, ['rmdir', 'unlinkat'], ['rmdir', 'folder'], { cwd: on.folder }),
      EVENT_PATH,
    );
    assert.deepEqual(rmdir.strings, { path: 'folder', base: on.folder, real: '' });
    const chmod = only(watch(on, ['chmod', 'fchmodat'], ['chmod', file]), EVENT_PATH);
    assert.equal(chmod.text('path'), file);
    assert.equal(chmod.u32('mode'), 0o4755);
    const fchmod = only(watch(on, ['fchmod'], ['fchmod', file]), EVENT_PATH);
    assert.deepEqual(fchmod.strings, { path: '', base: '', real: file });
    assert.equal(fchmod.u32('flags') & EVENT_FROM_FD, EVENT_FROM_FD);
    assert.equal(fchmod.u32('mode'), 0o600);
    const chown = only(watch(on, ['chown', 'fchownat'], ['chown', file]), EVENT_PATH);
    assert.deepEqual([chown.u32('owner'), chown.u32('group')], [12, 34]);
    const mknod = only(
      watch(on, ['mknod', 'mknodat'], ['mknod', join(on.folder, 'fifo')]),
      EVENT_PATH,
    );
    assert.equal(mknod.u32('mode'), 0o10600);
    const unlink = only(watch(on, ['unlinkat'], ['unlinkat', on.folder, 'fifo']), EVENT_PATH);
    assert.deepEqual(unlink.strings, { path: 'fifo', base: on.folder, real: '' });
  });

  test('a path deeper than a walk goes does not look absolute', () => {
    const opened = (depth: string) =>
      only(watch(on, OPENS, ['deep', depth], { cwd: on.folder }), EVENT_OPEN);
    const whole = opened('100');
    assert.equal(whole.text('base'), `${on.folder}${'/deep'.repeat(100)}`);
    assert.equal(whole.u32('flags') & EVENT_PATH_INCOMPLETE, 0);
    const cut = opened('140');
    assert.equal(cut.u32('flags') & EVENT_PATH_INCOMPLETE, EVENT_PATH_INCOMPLETE);
    assert.match(cut.text('base') ?? '', /^deep(?:\/deep)+$/);
    assert.match(cut.text('real') ?? '', /^deep(?:\/deep)+\/file$/);
  });

  test('a change of directory tells the new one', () => {
    const chdir = only(watch(on, ['chdir'], ['chdir', 'sub'], { cwd: on.folder }), EVENT_PATH);
    assert.deepEqual(chdir.strings, { path: 'sub', base: '', real: join(on.folder, 'sub') });
    const same = only(watch(on, ['chdir'], ['chdir', '/usr']), EVENT_PATH);
    assert.equal(same.u32('flags') & EVENT_REAL_SAME, EVENT_REAL_SAME);
    const fchdir = only(watch(on, ['fchdir'], ['fchdir', '/usr']), EVENT_PATH);
    assert.equal(fchdir.text('real'), '/usr');
  });

  test('calls on two paths', () => {
    const renames = ['rename', 'renameat', 'renameat2'];
    writeFileSync(join(on.folder, 'one'), '');
    const rename = only(
      watch(on, renames, ['rename', 'one', '/tmp/../nowhere/two'], { cwd: on.folder }),
      EVENT_PATHS,
    );
    assert.deepEqual(rename.strings, {
      source: 'one',
      sourceBase: on.folder,
      target: '/tmp/../nowhere/two',
      targetBase: '',
      type: '',
    });
    assert.equal(rename.result, -2n);
    const second = only(
      watch(on, renames, ['renameat2', on.folder, 'one', '/usr', 'two']),
      EVENT_PATHS,
    );
    assert.deepEqual(second.strings, {
      source: 'one',
      sourceBase: on.folder,
      target: 'two',
      targetBase: '/usr',
      type: '',
    });
    assert.equal(second.u64('callFlags'), 1n);
    const symlink = only(
      watch(on, ['symlink', 'symlinkat'], ['symlink', '../x', 'made-link'], { cwd: on.folder }),
      EVENT_PATHS,
    );
    assert.deepEqual(symlink.strings, {
      source: '../x',
      sourceBase: '',
      target: 'made-link',
      targetBase: on.folder,
      type: '',
    });
    const link = only(
      watch(on, ['link', 'linkat'], ['link', file, join(on.folder, 'hard')]),
      EVENT_PATHS,
    );
    assert.deepEqual(link.strings, {
      source: file,
      sourceBase: '',
      target: join(on.folder, 'hard'),
      targetBase: '',
      type: '',
    });
    const mount = only(watch(on, ['mount'], ['mount', on.folder]), EVENT_PATHS);
    assert.deepEqual(mount.strings, {
      source: 'nothing',
      sourceBase: '',
      target: on.folder,
      targetBase: '',
      type: 'nosuchfs',
    });
    assert.equal(mount.result, -19n);
    assert.equal(mount.u64('callFlags'), 1n);
  });
});
