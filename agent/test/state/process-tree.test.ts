import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { EVENT_REAL_SAME } from '@tocsin/native';
import { KernelEvent } from '../../src/events/kernel-event.ts';
import type { Process } from '../../src/state/process.ts';
import type { ProcessTree } from '../../src/state/process-tree.ts';
import { get, quietTree } from '../events/fields.ts';
import { eventOf, exec, exit, fork, onPath, open, rawCall } from '../events/records.ts';
import { facts } from './facts.ts';

function apply(tree: ProcessTree, bytes: Buffer): { event: KernelEvent; process: Process } {
  const event = eventOf(bytes);
  event.process = tree.apply(event);
  return { event, process: event.process };
}

/** A shell (100) that forks 200, which becomes `ls`. */
function shellAndChild(tree: ProcessTree): void {
  apply(
    tree,
    exec(
      { tgid: 100, start: 500, ppid: 1 },
      { exePath: '/bin/sh', argv: ['sh'], cwd: '/home' },
      'sh',
    ),
  );
  apply(tree, fork({ tgid: 100, start: 500, ppid: 1 }, { tgid: 200, start: 900, vpid: 200 }, 'sh'));
  apply(
    tree,
    exec(
      { tgid: 200, start: 900, ppid: 100 },
      { exePath: '/bin/ls', argv: ['ls', '-l'], cwd: '/home' },
      'ls',
    ),
  );
}

describe('ProcessTree', () => {
  it('gives a child what its parent has, until it executes', () => {
    const tree = quietTree();
    shellAndChild(tree);
    apply(
      tree,
      fork({ tgid: 200, start: 900, ppid: 100 }, { tgid: 300, start: 950, vpid: 300 }, 'ls'),
    );
    const { event } = apply(tree, open('/x', {}, { tgid: 300, start: 950, ppid: 200 }));
    assert.deepEqual(
      [
        'proc.name',
        'proc.exepath',
        'proc.cmdline',
        'proc.cwd',
        'proc.pname',
        'proc.aname[2]',
        'proc.aname',
        'proc.aname[9]',
      ].map((name) => get(event, name, tree)),
      ['ls', '/bin/ls', 'ls -l', '/home/', 'ls', 'sh', ['ls', 'sh', '<NA>'], undefined],
    );
    assert.equal(tree.counters.unknown, 1);
  });

  it('measures how long a process has run', () => {
    const tree = quietTree();
    shellAndChild(tree);
    const { event } = apply(
      tree,
      open('/x', {}, { tgid: 200, start: 900, ppid: 100, time: 10_000_000_500n }),
    );
    assert.equal(get(event, 'proc.duration', tree), 500);
  });

  it('tells a reused pid from the process before', () => {
    const tree = quietTree();
    shellAndChild(tree);
    const before = tree.get(200);
    const { process } = apply(tree, open('/x', {}, { tgid: 200, start: 5000, ppid: 1 }));
    assert.notEqual(process, before);
    assert.equal(before?.dead, true);
    assert.equal(tree.counters.pidReused, 1);
  });

  it('gives orphans to the reaper and remembers who bore them', () => {
    const tree = quietTree();
    apply(tree, exec({ tgid: 1, start: 1, ppid: 0 }, { argv: ['init'] }, 'init'));
    shellAndChild(tree);
    apply(tree, exit({ tgid: 100, start: 500, ppid: 1 }, { reaper: 1 }, 'sh'));
    // The kernel tells of the exit before it moves the children.
    for (const ppid of [100, 1]) {
      const { event } = apply(tree, open('/x', {}, { tgid: 200, start: 900, ppid }));
      assert.equal(get(event, 'proc.pname', tree), 'init');
      assert.equal(get(event, 'proc.orig.aname[1]', tree), 'sh');
    }
    assert.equal(tree.get(100)?.dead, true);
  });

  it('follows the parent a header tells, also when the exit was not seen', () => {
    const tree = quietTree();
    apply(tree, exec({ tgid: 7, start: 3, ppid: 1 }, { argv: ['shim'] }, 'shim'));
    shellAndChild(tree);
    const { event } = apply(tree, open('/x', {}, { tgid: 200, start: 900, ppid: 7 }));
    assert.equal(get(event, 'proc.pname', tree), 'shim');
  });

  it('takes an exit before the end of the fork call, as with vfork', () => {
    const tree = quietTree();
    shellAndChild(tree);
    apply(
      tree,
      fork({ tgid: 100, start: 500, ppid: 1 }, { tgid: 201, start: 901, vpid: 201 }, 'sh'),
    );
    apply(tree, exit({ tgid: 201, start: 901, ppid: 100 }, { reaper: 1 }, 'sh'));
    const { event } = apply(tree, open('/x', {}, { tgid: 100, start: 500, ppid: 1 }));
    assert.equal(get(event, 'proc.name', tree), 'sh');
    assert.equal(tree.get(201)?.dead, true);
  });

  it('applies chdir, sessions, groups and namespaces before the event is judged', () => {
    const tree = quietTree();
    shellAndChild(tree);
    const ls = { tgid: 200, tid: 200, start: 900, ppid: 100, vpid: 200 };
    assert.equal(
      get(apply(tree, onPath('chdir', 'x', {}, ls, '/home', '/srv/x')).event, 'proc.cwd', tree),
      '/srv/x/',
    );
    assert.equal(
      get(
        apply(tree, rawCall('setsid', [], { ...ls, result: 200n })).event,
        'proc.is_sid_leader',
        tree,
      ),
      true,
    );
    apply(tree, rawCall('setpgid', [0, 77], ls));
    assert.equal(get(apply(tree, open('/x', {}, ls)).event, 'proc.is_vpgid_leader', tree), false);
    const all = (1n << 41n) - 1n;
    const { event } = apply(tree, rawCall('unshare', [0x10000000, 0, 0, all, all, 0], ls));
    assert.match(
      String(get(event, 'thread.cap_effective', tree)),
      /^CAP_CHOWN .*CAP_CHECKPOINT_RESTORE$/,
    );
    const same = { ...ls, flags: EVENT_REAL_SAME };
    assert.equal(
      get(apply(tree, onPath('chdir', '/usr', {}, same)).event, 'proc.cwd', tree),
      '/usr/',
    );
    const relative = apply(tree, onPath('chdir', 'bin', {}, ls, '', '/usr/bin')).event;
    assert.equal(get(relative, 'evt.arg.path', tree), '/usr/bin');
    assert.equal(get(relative, 'proc.cwd', tree), '/usr/bin/');
    const failed = apply(tree, onPath('chdir', 'y', {}, { ...ls, result: -2n }, '/home', ''));
    assert.equal(get(failed.event, 'proc.cwd', tree), '/usr/bin/');
  });

  it('learns running processes from /proc and takes them for the same when events come', () => {
    const known = new Map(
      [facts(1, 0), facts(50, 1, { startTicks: 1000 })].map((one) => [one.tgid, one]),
    );
    const tree = quietTree({ list: () => [...known.keys()], read: (tgid) => known.get(tgid) });
    tree.bootstrap();
    const start = Math.floor((1000 * 10_000_000 + 5_000_000) / 2 ** 20);
    const { event, process } = apply(tree, open('/x', {}, { tgid: 50, start, ppid: 1 }));
    assert.equal(process.start, start);
    assert.equal(get(event, 'proc.cmdline', tree), 'p50 -x');
    assert.equal(get(event, 'proc.pname', tree), 'p1');
    assert.equal(tree.counters.unknown, 0);
    apply(tree, open('/x', {}, { tgid: 50, start: start + 1000, ppid: 1 }));
    assert.equal(tree.counters.pidReused, 1);
  });

  it('reads unknown processes at a limited rate', () => {
    let reads = 0;
    const tree = quietTree({
      readsPerSecond: 10,
      now: () => 0,
      read: (tgid) => {
        reads++;
        return facts(tgid, 0, { startTicks: 50 });
      },
    });
    const start = Math.floor((50 * 10_000_000) / 2 ** 20);
    for (let tgid = 1000; tgid < 1100; tgid++)
      apply(tree, open('/x', {}, { tgid, start, ppid: 0 }));
    assert.equal(reads, 10);
    assert.equal(tree.counters.healed, 10);
    assert.equal(tree.counters.readsSkipped, 90);
    assert.equal(tree.get(1000)?.known, true);
    assert.equal(tree.get(1099)?.known, false);
  });

  it('agrees with /proc again after losses', () => {
    const running = [facts(1, 0), facts(50, 1), facts(70, 1)];
    running.push(facts(80, 70), facts(90, 1, { stack: 1000 }));
    const tree = quietTree({
      list: () => running.map(({ tgid }) => tgid),
      read: (tgid) => running.find((one) => one.tgid === tgid),
    });
    tree.bootstrap();
    running[1] = facts(50, 1, { exePath: '/bin/other', comm: 'other' });
    running.push(facts(60, 50));
    running[2] = facts(70, 50, { startTicks: 9000, comm: 'stranger' });
    running[3] = facts(80, 60);
    running[4] = facts(90, 1, { stack: 2000, argv: 'p90\0-y\0' });
    running.shift();
    tree.resynchronise();
    assert.equal(tree.get(80)?.parentNow(), tree.get(60), 'adopted when its parent ended');
    assert.equal(tree.get(80)?.originalParent?.comm, 'p70');
    assert.equal(tree.get(90)?.args, '-y', 'the same program anew');
    assert.equal(tree.get(70)?.comm, 'stranger');
    assert.equal(tree.get(70)?.parent, tree.get(50));
    assert.equal(tree.get(1)?.dead, true);
    assert.equal(tree.get(50)?.comm, 'other');
    assert.equal(tree.get(60)?.parent, tree.get(50));
  });

  it('looks once at who acts after a loss: it may have executed something unseen', () => {
    let reads = 0;
    const running = new Map([[50, facts(50, 1, { startTicks: 0, comm: 'before' })]]);
    const tree = quietTree({
      list: () => [...running.keys()],
      read: (tgid) => {
        reads++;
        return running.get(tgid);
      },
    });
    const act = () => apply(tree, open('/x', {}, { tgid: 50, start: 0, ppid: 0 })).process;
    tree.bootstrap();
    assert.equal(act().comm, 'before');
    const change = (comm: string) =>
      running.set(50, facts(50, 1, { startTicks: 0, exePath: `/bin/${comm}`, comm }));
    change('later');
    reads = 0;
    act();
    assert.equal(reads, 0);
    tree.doubt();
    // Its records say that it was another one when it acted.
    assert.equal(act().comm, 'before');
    assert.equal(reads, 1);
    change('cat');
    tree.doubt();
    assert.equal(act().comm, 'cat');
    assert.equal(act().exePath, '/bin/cat');
    assert.equal(reads, 2);
    // What begins after the loss is known.
    apply(tree, fork({ tgid: 50, start: 0, ppid: 0 }, { tgid: 51, start: 7 }));
    apply(tree, open('/x', {}, { tgid: 51, start: 7, ppid: 50 }));
    assert.equal(reads, 2);
  });

  it('refuses the living when it is full of them, and counts', () => {
    const tree = quietTree({ limit: 10 });
    for (let tgid = 100; tgid < 120; tgid++)
      apply(tree, exec({ tgid, start: tgid, ppid: 0 }, { argv: ['x'] }));
    assert.equal(tree.size, 10);
    assert.equal(tree.counters.refused, 10);
    apply(tree, exit({ tgid: 100, start: 100, ppid: 0 }));
    apply(tree, exec({ tgid: 500, start: 500, ppid: 0 }, { argv: ['x'] }));
    assert.ok(tree.get(500));
    assert.equal(tree.get(100), undefined);
  });

  it('counts its bytes, those that processes share once, and all back', () => {
    let now = 0;
    const tree = quietTree({ now: () => now, graceMs: 1000 });
    const long = 'x'.repeat(4000);
    apply(tree, exec({ tgid: 100, start: 1, ppid: 0 }, { argv: ['sh', long], env: [`A=${long}`] }));
    const one = tree.bytes;
    assert.ok(one > 8000 && one < 16_000, `${one}`);
    for (let tgid = 101; tgid <= 110; tgid++)
      apply(tree, fork({ tgid: 100, start: 1, ppid: 0 }, { tgid, start: 2 }, 'sh'));
    assert.ok(tree.bytes < one + 10 * 1000, 'children have the text of their parent');
    apply(tree, exec({ tgid: 100, start: 1, ppid: 0 }, { argv: ['true'] }));
    assert.ok(tree.bytes > one, 'and keep it when the parent has another');
    for (let tgid = 100; tgid <= 110; tgid++)
      apply(tree, exit({ tgid, start: tgid === 100 ? 1 : 2, ppid: 0 }));
    now = 1001;
    tree.sweep();
    assert.equal(tree.size, 0);
    assert.equal(tree.bytes, 0);
  });

  it('keeps below its bytes, however long the arguments of live processes are', () => {
    const byteLimit = 256 * 1024;
    const tree = quietTree({ byteLimit, ours: 50, list: () => [50], read: () => facts(50, 1) });
    tree.bootstrap();
    const long = 'x'.repeat(4000);
    for (let tgid = 100; tgid < 400; tgid++) {
      const words = { argv: ['sh', `${tgid}${long}`], env: [`A=${tgid}${long}`] };
      const { process } = apply(tree, exec({ tgid, start: tgid, ppid: 50 }, words));
      assert.ok(tree.bytes <= byteLimit);
      assert.ok(process.args.startsWith(`${tgid}x`), 'the process of the event is whole');
    }
    assert.ok(tree.get(50), 'the agent itself is never forgotten');
    assert.equal(tree.get(100), undefined);
    assert.ok(tree.get(399));
    assert.equal(tree.counters.forgotten + tree.size, 301);
  });

  it('gives nothing of a lost process to the next of its number', () => {
    const tree = quietTree();
    apply(tree, exec({ tgid: 70, start: 1, ppid: 1 }, { argv: ['secret', '-k', 'v'] }, 'secret'));
    // The exit was lost, and the fork that gave the number away again is seen.
    apply(tree, exec({ tgid: 60, start: 5, ppid: 1 }, { argv: ['shell'] }, 'shell'));
    apply(tree, fork({ tgid: 60, start: 5, ppid: 1 }, { tgid: 70, start: 900 }, 'shell'));
    const { event } = apply(tree, open('/x', {}, { tgid: 70, start: 900, ppid: 60 }));
    assert.equal(get(event, 'proc.cmdline', tree), 'shell');
    assert.equal(get(event, 'proc.pname', tree), 'shell');
    // A late record of the one before does not change the one that is there to stay.
    const late = apply(tree, open('/x', {}, { tgid: 70, start: 901, ppid: 60 }));
    assert.equal(get(late.event, 'proc.cmdline', tree), 'cat', 'its own name is all that is known');
    assert.equal(tree.counters.pidReused, 1);
    const before = tree.bytes;
    apply(tree, exit({ tgid: 70, start: 901, ppid: 60 }));
    assert.equal(tree.bytes, before, 'the dead count until they are forgotten');
  });

  it('forgets the dead after their time', () => {
    let now = 0;
    const tree = quietTree({ now: () => now, graceMs: 1000 });
    shellAndChild(tree);
    apply(tree, exit({ tgid: 200, start: 900, ppid: 100 }));
    now = 900;
    tree.sweep();
    assert.ok(tree.get(200));
    now = 1001;
    tree.sweep();
    assert.equal(tree.get(200), undefined);
  });

  it('stays flat over a million processes, also when each bears the next and dies', () => {
    const tree = quietTree();
    const forked = fork({}, {}, 'sh');
    const exited = exit({ ppid: 1 }, { reaper: 0 });
    const event = new KernelEvent();
    let tgid = 1000;
    const round = (count: number): void => {
      for (let i = 0; i < count; i++) {
        const next = 1000 + ((tgid - 1000 + 1) % 30_000);
        forked.writeUInt32LE(tgid, 48);
        forked.writeUInt32LE(next, 108);
        forked.writeUInt32LE(500, 104);
        exited.writeUInt32LE(tgid, 48);
        for (const bytes of [forked, exited]) {
          event.use(bytes);
          event.attach(0, bytes.length);
          tree.apply(event);
        }
        tgid = next;
      }
    };
    round(100_000);
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    collect();
    const before = process.memoryUsage().heapUsed;
    round(1_000_000);
    collect();
    const growth = process.memoryUsage().heapUsed - before;
    assert.ok(tree.size <= 16_400, `${tree.size} entries`);
    let ancestors = 0;
    for (let one = tree.get(tgid); one; one = one.originalParent) ancestors++;
    assert.ok(ancestors <= 40, `${ancestors} generations are kept`);
    assert.ok(growth < 16 * 2 ** 20, `grew by ${growth} bytes`);
  });
});
