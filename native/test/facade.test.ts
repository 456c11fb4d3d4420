import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { hierarchyFrom } from '../lib/cgroups.ts';
import {
  forEachRecord,
  openProbe,
  probeCapabilities,
  SYSCALL_NAMES,
  SYSCALLS,
} from '../lib/index.ts';
import { drain, numberOf, skip } from './live.ts';

const packageRoot = join(import.meta.dirname, '..', '..');

test('the TypeScript layout follows the headers', () => {
  execFileSync(process.execPath, [join(packageRoot, 'scripts', 'generate-layout.mjs'), '--check']);
});

test('capabilities are told in words and never throw', () => {
  const { ok, problems, kernel } = probeCapabilities();
  assert.equal(ok, problems.length === 0);
  assert.match(kernel, /^\d+\.\d+/);
  for (const { what, remedy } of problems) assert.ok(what && remedy);
});

test("system call names and numbers are each other's inverse", () => {
  for (const [name, number] of Object.entries(SYSCALLS)) assert.equal(SYSCALL_NAMES[number], name);
  assert.equal(numberOf('openat'), process.arch === 'arm64' ? 56 : 257);
  assert.equal(numberOf('fchmodat2'), 452);
});

test('discarded records are passed over and lengths are rounded up', () => {
  const ring = new Uint32Array(16);
  ring[0] = 5; // 8 + 5 bytes, rounded to 16
  ring[4] = (1 << 30) | 8;
  ring[8] = 16;
  const offsets: number[] = [];
  forEachRecord(ring, 0, 56, (offset) => offsets.push(offset));
  assert.deepEqual(offsets, [8, 40]);
});

test('the hierarchy is the one container runtimes use', () => {
  const cgroups = '#subsys_name\thierarchy\nmemory\t4\t1\t1\npids\t8\t2\t1\n';
  const v2 = 'cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n';
  const hybrid = `cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\ncgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n`;
  assert.deepEqual(hierarchyFrom(v2, cgroups), { mount: '/sys/fs/cgroup', controller: '', id: 0 });
  assert.deepEqual(hierarchyFrom(hybrid, cgroups), {
    mount: '/sys/fs/cgroup/pids',
    controller: 'pids',
    id: 8,
  });
});

test('wrong options are refused before the kernel is asked', () => {
  const open = (options: object) => () =>
    openProbe({ syscalls: [], keepFailed: [], ...options }).close();
  assert.throws(open({ ringBytes: 300_000 }), /ringBytes: 300000 is not a power of two/);
  assert.throws(open({ ringBytes: 4096 }), RangeError);
  assert.throws(open({ syscalls: [512] }), /syscalls: 512/);
  assert.throws(open({ keepFailed: [1.5] }), /keepFailed: 1.5/);
  assert.throws(open({ mutedProcesses: [0] }), /mutedProcesses: 0/);
});

describe('the live facade', { skip }, () => {
  test('opens and closes twice, and a closed probe says so', () => {
    for (let round = 0; round < 2; round++) {
      const probe = openProbe({ syscalls: [], keepFailed: [] });
      const { ring } = probe;
      assert.equal(ring.length, (16 * 1024 + 64) * 1024);
      probe.close();
      probe.close();
      assert.equal(ring.length, 0);
      assert.throws(() => probe.scan(new Uint32Array(2)), { code: 'PROBE_CLOSED' });
      assert.throws(() => probe.statistics(), { code: 'PROBE_CLOSED' });
    }
  });

  test('wrong arguments do no harm', () => {
    const probe = openProbe({ syscalls: [], keepFailed: [], ringBytes: 256 * 1024 });
    try {
      assert.throws(() => probe.scan(new Uint32Array(1)), { code: 'PROBE_ARGUMENT' });
      assert.throws(() => probe.scan(undefined as never), { code: 'PROBE_ARGUMENT' });
      assert.throws(() => probe.advance(3), { code: 'PROBE_ARGUMENT' });
      assert.throws(() => probe.advance(1 << 30), { code: 'PROBE_ARGUMENT' });
      assert.throws(() => probe.mute(-1), RangeError);
    } finally {
      probe.close();
    }
  });

  test('the copying ring tells the same', () => {
    const probe = openProbe({ syscalls: [], keepFailed: [], copy: true });
    try {
      execFileSync('/bin/true');
      assert.ok(drain(probe).some((one) => one.text('filename') === '/bin/true'));
    } finally {
      probe.close();
    }
  });

  test('tells of the first record in an empty ring, once, and of none after another look', async () => {
    const probe = openProbe({ syscalls: [], keepFailed: [] });
    try {
      const span = new Uint32Array(2);
      const waits = () => {
        const told = { calls: 0 };
        do drain(probe);
        while (!probe.wait(() => told.calls++));
        return told;
      };
      const first = waits();
      // The host may come before it; either is a record.
      execFileSync('/bin/true');
      while (first.calls === 0) await setTimeout(1);
      execFileSync('/bin/true');
      await setTimeout(50);
      assert.equal(first.calls, 1);
      // What the host does between the two may be told.
      let second = waits();
      while (probe.scan(span)) second = waits();
      execFileSync('/bin/true');
      await setTimeout(50);
      assert.equal(second.calls, 0, 'it was looked at meanwhile');
    } finally {
      probe.close();
    }
  });

  test('a worker thread can hold the probe and be ended without closing it', async () => {
    const lib = join(packageRoot, 'dist', 'lib', 'index.js');
    const worker = new Worker(
      `import(${JSON.stringify(lib)}).then(({ openProbe }) => {
        const probe = openProbe({ syscalls: [], keepFailed: [] });
        require('node:worker_threads').parentPort.postMessage(probe.ring.length);
        setInterval(() => {
          const span = new Uint32Array(2);
          while (probe.scan(span)) probe.advance(span[1]);
          probe.wait(() => {});
        }, 5);
      });`,
      { eval: true },
    );
    const length = await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    assert.equal(length, (16 * 1024 + 64) * 1024);
    await worker.terminate();
    openProbe({ syscalls: [], keepFailed: [] }).close();
  });
});
