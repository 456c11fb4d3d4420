import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  EVENT_EXE_MEMFD,
  EVENT_EXE_WRITABLE,
  EVENT_EXEC,
  EVENT_EXECFAIL,
  EVENT_EXIT,
  EVENT_FORK,
  EVENT_OPEN,
} from '../lib/index.ts';
import { numberOf, only, type Run, type Stage, skip, stage, watch } from './live.ts';

const EXECS = ['execve', 'execveat'];

/** The actor's second exec: the first started it. */
const secondExec = ({ records }: Run) => records.filter(({ kind }) => kind === EVENT_EXEC)[1];

/** Session of this process; 0 where whatever started it never made one. */
const ownSession = () =>
  Number(
    readFileSync('/proc/self/stat', 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ')[3],
  );

describe('processes', { skip }, () => {
  let on: Stage;
  before(() => {
    on = stage();
  });
  after(() => on.remove());

  test('an exec tells file, arguments, directory and identity', () => {
    const run = watch(on, [], ['exec', on.actor, 'open', 'a b', ''], { cwd: on.folder });
    const record = secondExec(run);
    const facts = statSync(on.actor, { bigint: true });
    assert.deepEqual(record?.strings, {
      filename: on.actor,
      exePath: on.actor,
      cwd: on.folder,
      args: `${on.actor}\0open\0a b\0\0`,
      env: '',
    });
    assert.equal(record?.u16('syscall'), 0xffff);
    assert.equal(record?.u32('argsTotal'), record?.text('args')?.length);
    assert.equal(record?.u64('inode'), facts.ino);
    assert.equal(record?.u64('changeTime'), facts.ctimeNs);
    assert.equal(record?.u64('modificationTime'), facts.mtimeNs);
    assert.equal(record?.u32('session'), ownSession());
    assert.equal(record?.u32('processGroup'), record?.u32('vprocessGroup'));
    assert.equal(record?.u64('capEffective'), record?.u64('capPermitted'));
    assert.equal(record?.comm, 'actor');
    assert.equal(record?.u8('admission'), 0);
    assert.equal((record?.u32('flags') ?? 0) & EVENT_EXE_WRITABLE, EVENT_EXE_WRITABLE);
  });

  test('the environment comes only when asked for', () => {
    const run = watch(on, [], ['exec', on.actor, 'none'], { environment: true });
    assert.equal(secondExec(run)?.text('env'), 'COLOUR=blue\0SHAPE=round\0');
  });

  test('a failed exec tells what was tried', () => {
    const missing = join(on.folder, 'missing');
    const run = watch(on, EXECS, ['exec', missing, 'one', 'two']);
    const record = only(run, EVENT_EXECFAIL);
    assert.equal(record.text('filename'), missing);
    assert.equal(record.text('args'), `${missing}\0one\0two\0`);
    assert.equal(record.result, -2n);
    assert.equal(record.u16('syscall'), numberOf('execve'));
    assert.equal(secondExec(run), undefined);
    const at = only(watch(on, EXECS, ['execveat', on.folder, 'missing']), EVENT_EXECFAIL);
    assert.equal(at.text('filename'), 'missing');
    assert.equal(at.text('args'), 'missing\0');
    const ok = watch(on, EXECS, ['exec', on.actor, 'none']);
    assert.equal(
      ok.records.some(({ kind }) => kind === EVENT_EXECFAIL),
      false,
    );
  });

  test('a program in a memfd is known as such', () => {
    const record = secondExec(watch(on, [], ['memfd-exec', on.actor, 'none']));
    assert.equal((record?.u32('flags') ?? 0) & EVENT_EXE_MEMFD, EVENT_EXE_MEMFD);
    assert.equal(record?.text('exePath'), 'memfd:evil');
  });

  test('fork comes before exec, exec before open, open before exit', () => {
    const run = watch(on, ['openat'], ['fork-open', '/etc/passwd'], { cwd: on.folder });
    const fork = run.records.find(({ kind }) => kind === EVENT_FORK);
    const child = fork?.bytes.readUInt32LE(108);
    assert.equal(fork?.u32('tgid'), run.pid);
    const kinds = run.records.filter((record) => record.bytes.readUInt32LE(48) === child);
    assert.deepEqual(
      kinds.map(({ kind }) => kind),
      [EVENT_EXEC, EVENT_OPEN, EVENT_EXIT],
    );
    assert.ok(
      kinds.every((record) => record.bytes.readUInt32LE(44) === fork?.bytes.readUInt32LE(104)),
    );
    assert.ok(kinds.every((record) => record.u32('ppid') === run.pid));
    assert.ok(fork && kinds[0] && run.records.indexOf(fork) < run.records.indexOf(kinds[0]));
  });

  test('a vfork child and its parent are told apart', () => {
    const run = watch(on, [], ['vfork', on.actor, 'none']);
    const fork = run.records.find(({ kind }) => kind === EVENT_FORK);
    const exits = run.records
      .filter(({ kind }) => kind === EVENT_EXIT)
      .map((one) => one.u32('tgid'));
    assert.deepEqual(exits, [fork?.bytes.readUInt32LE(108), run.pid]);
    assert.equal(secondExec(run)?.u32('tgid'), fork?.bytes.readUInt32LE(108));
  });

  test('threads are no processes, and a process ends with its last thread', () => {
    const run = watch(on, ['openat'], ['leader-first', '/etc/passwd']);
    assert.equal(
      run.records.some(({ kind }) => kind === EVENT_FORK),
      false,
    );
    const exit = only(run, EVENT_EXIT);
    assert.equal(exit.s32('status'), 5 << 8);
    assert.notEqual(exit.u32('tid'), run.pid);
    assert.equal(run.records.at(-1), exit);
    assert.equal(only(run, EVENT_OPEN).text('path'), '/etc/passwd');
  });

  test('a killed process tells the signal', () => {
    const run = watch(on, [], ['killed']);
    assert.equal(run.signal, 'SIGKILL');
    assert.equal(only(run, EVENT_EXIT).s32('status') & 0x7f, 9);
  });

  test('a name longer than 15 bytes is cut as the kernel cuts it', () => {
    const long = join(on.folder, 'a-rather-long-program-name');
    copyFileSync(on.actor, long);
    assert.equal(secondExec(watch(on, [], ['exec', long]))?.comm, 'a-rather-long-p');
  });
});
