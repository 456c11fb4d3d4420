import assert from 'node:assert/strict';
import { mkdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  CGROUP_ATTACH,
  CGROUP_MKDIR,
  CGROUP_RMDIR,
  cgroupLayout,
  EVENT_CALL,
  EVENT_CGROUP,
  EVENT_DATA_MAX,
} from '../lib/index.ts';
import { drain, only, type Stage, skip, stage, watch } from './live.ts';
import type { ProbeRecord } from './record.ts';

describe('other calls', { skip }, () => {
  let on: Stage;
  before(() => {
    on = stage();
  });
  after(() => on.remove());
  const call = (name: string, ...command: string[]) =>
    only(watch(on, [name], command), EVENT_CALL, name);

  test('raw arguments', () => {
    const setuid = call('setuid', 'setuid', '1234');
    assert.equal(setuid.u64('arguments'), 1234n);
    assert.equal(setuid.u32('euid'), 1234);
    assert.equal(setuid.u8('admission'), 1);
    const ptrace = call('ptrace', 'ptrace');
    assert.deepEqual(
      [0, 1, 2, 3].map((index) => ptrace.u64('arguments', index)),
      [0x4206n, 0x7ffffff0n, 0x11n, 0x22n],
    );
    assert.equal(ptrace.result, -3n);
    const unshare = call('unshare', 'unshare');
    assert.equal(unshare.u64('arguments'), 0x4000000n);
  });

  test('texts', () => {
    assert.equal(call('memfd_create', 'memfd').text('text'), 'scratch');
    assert.equal(call('delete_module', 'delete-module').text('text'), 'no_such_module');
    const prctl = call('prctl', 'prctl');
    assert.equal(prctl.text('text'), 'renamed');
    assert.equal(prctl.comm, 'renamed');
  });

  test('what was read and written, and from where', () => {
    const file = join(on.folder, 'moved');
    const records = watch(on, ['write', 'writev', 'pread64'], ['move-data', file]);
    const told = (name: string) => {
      const record = only(records, EVENT_CALL, name);
      return [record.text('path'), record.text('text'), record.u8('admission')];
    };
    assert.deepEqual(told('write'), [file, 'x'.repeat(EVENT_DATA_MAX), 3]);
    assert.deepEqual(told('writev'), [file, 'firstsecond', 3]);
    assert.deepEqual(told('pread64'), [file, 'xfi', 3]);
  });

  test('the file behind an fd', () => {
    const file = join(on.folder, 'file');
    writeFileSync(file, '');
    const dup = call('dup3', 'dup', file);
    assert.equal(dup.result, 40n);
    assert.equal(dup.text('path'), file);
    assert.equal(dup.u32('fdMode'), statSync(file).mode);
    assert.equal(dup.u16('fdFamily'), 0);
  });

  test('cgroups: made, joined, removed; ids are inode numbers of the hierarchy told', () => {
    const folder = join(on.probe.cgroupHierarchy, `tocsin-native-${process.pid}`);
    const path = folder.slice(on.probe.cgroupHierarchy.length);
    const told = () =>
      drain(on.probe).filter((one) => one.kind === EVENT_CGROUP && one.text('path') === path);
    const facts = (one: ProbeRecord) => [
      one.u32('action'),
      one.u32('attached'),
      one.bytes.readBigUInt64LE(cgroupLayout.id),
    ];
    drain(on.probe);
    mkdirSync(folder);
    const id = statSync(folder, { bigint: true }).ino;
    try {
      writeFileSync(join(folder, 'cgroup.procs'), String(process.pid));
      assert.deepEqual(told().map(facts), [
        [CGROUP_MKDIR, 0, id],
        [CGROUP_ATTACH, process.pid, id],
      ]);
      const { records } = watch(on, ['openat'], ['open', '/etc/passwd']);
      assert.deepEqual(
        records.map((one) => one.u64('cgroup')),
        [id, id, id],
      );
    } finally {
      writeFileSync(join(on.probe.cgroupHierarchy, 'cgroup.procs'), String(process.pid));
      rmdirSync(folder);
    }
    assert.deepEqual(told().map(facts), [[CGROUP_RMDIR, 0, id]]);
  });
});
