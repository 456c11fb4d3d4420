import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { PROBE_OBJECTS } from '../lib/binding.ts';
import { EVENT_EXIT, EVENT_OPEN, OPEN_CLASS_CREATE, openProbe, type Probe } from '../lib/index.ts';
import { drain, numberOf, numbers, type Stage, skip, stage } from './live.ts';

/** The quarter that reads leave free has room for what a busy machine starts and ends meanwhile. */
const RING_BYTES = 4 * 1024 * 1024;
const OPENS = 60_000;

const openStatistics = (probe: Probe) => {
  const found = probe.statistics().kinds.find(({ kind }) => kind === 'open');
  assert.ok(found);
  return found;
};

const filtersOf = (probe: Probe) => {
  const found = probe.statistics().filtered.find(({ kind }) => kind === 'open');
  assert.ok(found);
  return found;
};

describe('accounting', { skip }, () => {
  let on: Stage;
  before(() => {
    on = stage();
  });
  after(() => on.remove());

  test('with a small ring and no reader, what was offered is what was sent, shed or full', () => {
    const watched = numbers('openat');
    const probe = openProbe({ ringBytes: RING_BYTES, syscalls: watched, keepFailed: watched });
    try {
      const { pid } = spawnSync(on.actor, ['storm', String(OPENS)]);
      probe.setSyscalls([], []);
      const { sent, shed, full, fault, busy } = openStatistics(probe);
      assert.ok(sent + shed + full >= OPENS);
      assert.ok(shed > 0, 'reads are shed at three quarters');
      assert.equal(fault + busy, 0);
      const { backlogBytes, ringBytes, kinds, calls } = probe.statistics();
      const openat = calls.find(({ call }) => call === 'openat');
      assert.deepEqual(openat, { call: 'openat', sent, lost: shed + full });
      const losers = probe.takeLosers();
      const actor = losers.find(({ tgid }) => tgid === pid);
      assert.equal(actor?.comm, 'actor');
      assert.ok(actor.lost + sent >= OPENS && actor.lost <= shed + full, `${actor.lost}`);
      assert.deepEqual(
        probe.takeLosers().filter(({ tgid }) => tgid === pid),
        [],
        'told once',
      );
      assert.equal(ringBytes, RING_BYTES);
      assert.ok(backlogBytes >= (ringBytes / 4) * 3);
      assert.equal(kinds.find(({ kind }) => kind === 'exit')?.shed, 0);
      const records = drain(probe);
      assert.equal(records.filter(({ kind }) => kind === EVENT_OPEN).length, sent);
      const mine = records.filter((record) => record.u32('tgid') === pid);
      assert.equal(mine.at(-1)?.kind, EVENT_EXIT, 'the exit had room');
    } finally {
      probe.close();
    }
  });

  test('every record that was sent is read, in sequence per cpu', () => {
    const probe = openProbe({ syscalls: numbers('openat'), keepFailed: [] });
    try {
      spawnSync(on.actor, ['storm', '2000']);
      const sequences = new Map<number, number>();
      for (const record of drain(probe)) {
        const cpu = record.u16('cpu');
        const previous = sequences.get(cpu);
        if (previous !== undefined) assert.equal(record.u32('sequence'), previous + 1);
        sequences.set(cpu, record.u32('sequence'));
      }
      const kinds = probe.statistics().kinds;
      assert.ok(kinds.every(({ shed, full, fault, busy }) => shed + full + fault + busy === 0));
    } finally {
      probe.close();
    }
  });

  test('opens of other classes are left out and counted, and are no losses', () => {
    const call = numberOf('openat');
    const probe = openProbe({
      syscalls: numbers('openat', 'openat2', 'open'),
      keepFailed: numbers('openat'),
      openClasses: [{ call, succeeded: 1 << 1, failed: 1 << (1 | OPEN_CLASS_CREATE) }],
    });
    const opens = (...words: string[]) => {
      const { pid } = spawnSync(on.actor, words);
      return drain(probe).filter((one) => one.kind === EVENT_OPEN && one.u32('tgid') === pid);
    };
    const absent = join(on.folder, 'absent');
    try {
      assert.equal(opens('storm', '500').length, 0, 'reads of an existing file');
      const { class: left } = filtersOf(probe);
      assert.ok(left >= 500);
      assert.equal(opens('open', absent).length, 0, 'a read that failed');
      assert.ok(filtersOf(probe).class > left);
      assert.equal(opens('open-mode', on.actor).length, 1, 'a making that failed');
      assert.equal(opens('openat2', '/etc').length, 1, 'its flags are not in its arguments');
      if (process.arch === 'x64') {
        assert.equal(opens('open-old', '/etc/passwd').length, 1, 'a call that is not narrowed');
      }
      assert.ok(
        probe
          .statistics()
          .kinds.every(({ shed, full, fault, busy }) => shed + full + fault + busy === 0),
      );
      probe.setSyscalls(numbers('openat'), []);
      assert.equal(opens('storm', '5').length, 5, 'not narrowed any more');
      assert.equal(opens('open', absent).length, 0, 'failures are not told');
      assert.ok(filtersOf(probe).failed > 0);
    } finally {
      probe.close();
    }
  });

  for (const object of PROBE_OBJECTS) {
    const name = basename(object);
    test(`what was ruled out is left out, and nothing that differs from it (${name})`, () => {
      const folder = join(on.folder, name);
      const file = join(folder, 'file');
      const link = join(folder, 'link');
      const other = join(folder, 'other');
      mkdirSync(folder);
      writeFileSync(file, '');
      writeFileSync(other, '');
      symlinkSync(file, link);
      const watched = numbers('openat', 'openat2', 'open');
      const probe = openProbe({ object, syscalls: watched, keepFailed: watched });
      const opens = (...words: string[]) => {
        const { pid } = spawnSync(on.actor, words, { cwd: folder });
        const mine = drain(probe).filter((one) => one.u32('tgid') === pid);
        return mine.filter((one) => one.kind === EVENT_OPEN).length;
      };
      const verdict = { call: numberOf('openat'), openFlags: 0, failed: false, onHost: false };
      try {
        probe.ruleOut({ ...verdict, path: file, real: '' });
        probe.ruleOut({ ...verdict, path: link, real: file });
        assert.equal(opens('open', file), 0);
        assert.equal(opens('open', link), 0, 'it leads where it did');
        assert.ok(filtersOf(probe).verdict >= 2);
        assert.equal(opens('open', 'file'), 1, 'a relative path');
        assert.equal(opens('open', `${folder}/./file`), 1, 'other letters');
        assert.equal(opens('open-mode', file), 1, 'other flags, and it failed');
        assert.equal(opens('openat2', file), 1, 'another call');
        if (process.arch === 'x64') assert.equal(opens('open-old', file), 1, 'another call');
        rmSync(link);
        symlinkSync(other, link);
        assert.equal(opens('open', link), 1, 'it leads elsewhere now');
        rmSync(link);
        assert.equal(opens('open', link), 1, 'it leads nowhere');
        linkSync(file, link);
        assert.equal(opens('open', link), 1, 'another name of the same file is another path');
        rmSync(link);
        symlinkSync(file, link);
        assert.equal(opens('open', link), 0);
        renameSync(file, `${file}.old`);
        symlinkSync(`${file}.old`, file);
        assert.equal(opens('open', link), 1, 'the file was renamed');
        probe.setSyscalls(watched, watched);
        assert.equal(opens('open', file), 1, 'another setting has no verdicts yet');
      } finally {
        probe.close();
      }
    });

    test(`what was ruled out on the host is told of other cgroups (${name})`, () => {
      const folder = join(on.folder, `cgroup-${name}`);
      const file = join(folder, 'file');
      const link = join(folder, 'link');
      mkdirSync(folder);
      writeFileSync(file, '');
      symlinkSync(file, link);
      const probe = openProbe({ object, syscalls: numbers('openat'), keepFailed: [] });
      const group = join(probe.cgroupHierarchy, `tocsin-test-${process.pid}-${name}`);
      const inside = 'echo $$ >"$0/cgroup.procs"; exec "$1" open "$2"';
      const opens = (path: string, where?: string) => {
        const { pid } =
          where === undefined
            ? spawnSync(on.actor, ['open', path])
            : spawnSync('sh', ['-c', inside, where, on.actor, path]);
        return drain(probe).filter(
          (one) => one.kind === EVENT_OPEN && one.u32('tgid') === pid && one.text('path') === path,
        );
      };
      const verdict = { call: numberOf('openat'), openFlags: 0, failed: false, onHost: true };
      mkdirSync(group);
      try {
        const [first] = opens(file);
        assert.ok(first);
        probe.ruleOut({ ...verdict, path: file, real: '' });
        probe.ruleOut({ ...verdict, path: link, real: file });
        assert.equal(opens(file).length, 1, 'no cgroup is on the host yet');
        probe.markHost(first.u64('cgroup'));
        assert.equal(opens(file).length, 0);
        assert.equal(opens(link).length, 0);
        const [moved] = opens(file, group);
        assert.ok(moved, 'it left the cgroup');
        assert.equal(opens(link, group).length, 1);
        probe.markHost(moved.u64('cgroup'));
        assert.equal(opens(file, group).length, 0);
        probe.setSyscalls(numbers('openat'), []);
        probe.ruleOut({ ...verdict, path: file, real: '' });
        assert.equal(opens(file).length, 0, 'the cgroup outlives the setting');
        assert.equal(opens(link).length, 1, 'the verdict does not');
        rmSync(link);
        symlinkSync(on.actor, link);
        probe.ruleOut({ ...verdict, path: link, real: file });
        assert.equal(opens(link).length, 1, 'it leads elsewhere now');
      } finally {
        probe.close();
        rmdirSync(group);
      }
    });

    test(`a real path of many parts and one across mounts are compared whole (${name})`, () => {
      const probe = openProbe({ object, syscalls: numbers('openat'), keepFailed: [] });
      const verdict = { call: numberOf('openat'), openFlags: 0, failed: false, onHost: false };
      const opens = (path: string, first = '') => {
        const script = `${first} exec "$0" open "$1"`;
        const { pid } = spawnSync('bash', ['-c', script, on.actor, path]);
        return drain(probe).filter(
          (one) => one.kind === EVENT_OPEN && one.u32('tgid') === pid && one.text('path') === path,
        );
      };
      // Its table of files is another one than that of a process with few.
      const withMany = (path: string) => opens(path, 'exec 100</dev/null;');
      const deep = join(on.folder, ...'abcdefgh', 'a-name-of-some-length', 'file');
      mkdirSync(dirname(deep), { recursive: true });
      writeFileSync(deep, '');
      try {
        for (const path of [deep, '/proc/sys/kernel/ostype', '/proc/self/status']) {
          const [told] = opens(path);
          assert.ok(told);
          const real = told.text('real') || path;
          for (const wrong of [
            `${real}x`,
            real.slice(1),
            real.slice(0, -1),
            real.replace('o', 'p'),
          ]) {
            probe.ruleOut({ ...verdict, path, real: wrong });
            assert.equal(opens(path).length, 1, wrong);
            assert.equal(withMany(path).length, 1, wrong);
          }
          probe.ruleOut({ ...verdict, path, real });
          // Every process has another /proc/self.
          assert.equal(opens(path).length, path.includes('self') ? 1 : 0, path);
          assert.equal(withMany(path).length, path.includes('self') ? 1 : 0, path);
        }
      } finally {
        probe.close();
      }
    });
  }

  test('a muted process is not told, others are', () => {
    const opened = (probe: Probe) =>
      drain(probe).filter((one) => one.kind === EVENT_OPEN && one.u32('tgid') === process.pid);
    const touch = () => closeSync(openSync('/etc/passwd', 'r'));
    // Nobody has read this ring since the stage was set.
    drain(on.probe);
    on.probe.setSyscalls(numbers('openat', 'open'), []);
    touch();
    assert.ok(opened(on.probe).length > 0);
    on.probe.mute(process.pid);
    touch();
    assert.equal(opened(on.probe).length, 0);
    const { pid } = spawnSync(on.actor, ['open', '/etc/passwd']);
    assert.ok(drain(on.probe).some((one) => one.kind === EVENT_OPEN && one.u32('tgid') === pid));
  });
});
