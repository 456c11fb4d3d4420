import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  EVENT_CALL,
  EVENT_EXE_MEMFD,
  EVENT_EXE_WRITABLE,
  EVENT_EXEC,
  EVENT_EXECFAIL,
  EVENT_EXIT,
  EVENT_FORK,
  EVENT_OPEN,
  execLayout,
  forkLayout,
  headerLayout,
  usageLayout,
} from '../lib/index.ts';
import { numberOf, only, type Run, type Stage, skip, stage, watch } from './live.ts';
import type { ProbeRecord } from './record.ts';

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
    const child = fork?.bytes.readUInt32LE(forkLayout.tgid);
    assert.equal(fork?.u32('tgid'), run.pid);
    const kinds = run.records.filter(
      (record) => record.bytes.readUInt32LE(headerLayout.tgid) === child,
    );
    assert.deepEqual(
      kinds.map(({ kind }) => kind),
      [EVENT_EXEC, EVENT_OPEN, EVENT_EXIT],
    );
    assert.ok(
      kinds.every(
        (record) =>
          record.bytes.readUInt32LE(headerLayout.start) ===
          fork?.bytes.readUInt32LE(forkLayout.start),
      ),
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
    assert.deepEqual(exits, [fork?.bytes.readUInt32LE(forkLayout.tgid), run.pid]);
    assert.equal(secondExec(run)?.u32('tgid'), fork?.bytes.readUInt32LE(forkLayout.tgid));
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

  test('a fork and an exec tell what the process may and what it uses', () => {
    const run = watch(on, [], ['fork-open', '/etc/passwd']);
    const limit = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    const fork = run.records.find(({ kind }) => kind === EVENT_FORK);
    const exec = secondExec(run);
    for (const [record, { usage }] of [
      [fork, forkLayout],
      [exec, execLayout],
    ] as const) {
      const used = (at: number) => record?.bytes.readUInt32LE(usage + at) ?? 0;
      assert.equal(used(usageLayout.fileLimit), Number(limit));
      assert.ok(used(usageLayout.virtualKilobytes) > used(usageLayout.residentKilobytes));
      // The kernel may not have added up yet what a process that is this young has in memory.
      assert.ok(used(usageLayout.residentKilobytes) < 1024 * 1024);
      assert.equal(record?.u64('capEffective'), run.records[0]?.u64('capEffective'));
      assert.equal(record?.u64('capPermitted'), run.records[0]?.u64('capPermitted'));
    }
    assert.ok((exec?.bytes.readUInt32LE(execLayout.usage + usageLayout.minorFaults) ?? 0) > 0);
  });

  test('calls that change credentials tell the capabilities after them', (t) => {
    const before = (run: Run) => run.records.find(({ kind }) => kind === EVENT_EXEC);
    const sets = (record: ProbeRecord) => [3, 4, 5].map((index) => record.u64('arguments', index));
    const dropped = watch(on, ['capset'], ['drop-capability']);
    const [permitted = 0n, effective = 0n] = sets(only(dropped, EVENT_CALL));
    assert.equal(permitted, before(dropped)?.u64('capPermitted'));
    assert.equal(effective, (before(dropped)?.u64('capEffective') ?? 0n) & ~(1n << 13n));
    const become = watch(on, ['setresuid'], ['become']);
    assert.deepEqual(sets(only(become, EVENT_CALL)), [0n, 0n, 0n]);
    const inside = watch(on, ['unshare'], ['user-namespace']);
    if (inside.status === 77) return t.skip('user namespaces are switched off here');
    const last = BigInt(readFileSync('/proc/sys/kernel/cap_last_cap', 'utf8').trim());
    const all = (2n << last) - 1n;
    assert.deepEqual(sets(only(inside, EVENT_CALL)), [all, all, 0n]);
  });

  test('a thread tells its number in its namespace, and how many there are', (t) => {
    const run = watch(on, ['openat'], ['namespaced-thread', '/etc/passwd']);
    if (run.status === 77) return t.skip('pid namespaces are switched off here');
    const record = run.records.find(({ kind }) => kind === EVENT_OPEN);
    assert.deepEqual(
      ['vpid', 'vtid'].map((name) => record?.u32(name)),
      [1, 2],
    );
    assert.equal(record?.u16('threads'), 2);
    const exec = run.records.find(({ kind }) => kind === EVENT_EXEC);
    assert.equal(exec?.u32('vtid'), exec?.u32('tid'));
    assert.equal(exec?.u16('threads'), 1);
  });

  test('a name longer than 15 bytes is cut as the kernel cuts it', () => {
    const long = join(on.folder, 'a-rather-long-program-name');
    copyFileSync(on.actor, long);
    assert.equal(secondExec(watch(on, [], ['exec', long]))?.comm, 'a-rather-long-p');
  });
});
