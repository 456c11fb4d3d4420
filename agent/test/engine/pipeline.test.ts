import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  CGROUP_MKDIR,
  CGROUP_RMDIR,
  cgroupLayout,
  EVENT_CGROUP,
  forEachRecord,
} from '@tocsin/native';
import { DrainLoop } from '../../src/engine/drain-loop.ts';
import { type Judge, Pipeline } from '../../src/engine/pipeline.ts';
import { Session } from '../../src/engine/session.ts';
import { KernelEvent } from '../../src/events/kernel-event.ts';
import type { Container } from '../../src/state/container.ts';
import { Containers } from '../../src/state/containers.ts';
import type { ProcessTreeOptions } from '../../src/state/process-tree.ts';
import type { Found } from '../../src/state/runtimes/lookup.ts';
import { get, quietTree } from '../events/fields.ts';
import { exec, fork, open, record } from '../events/records.ts';
import { facts } from '../state/facts.ts';
import { RecordedProbe } from './recorded-probe.ts';

const id = '3f'.repeat(32);
const makeCgroup = (cgroup: number, path: string, action = CGROUP_MKDIR): Buffer =>
  record(EVENT_CGROUP, cgroupLayout, {}, { id: cgroup, action }, [path]);

/** A pipeline whose runtime answers when told to, and notes of what was judged. */
function setUp(
  options: {
    dependsOnFacts?: boolean;
    byteLimit?: number;
    now?: () => number;
    longestTurnMs?: number;
    tree?: ProcessTreeOptions;
  } = {},
) {
  const { dependsOnFacts = true, now = () => 0 } = options;
  const notes: string[] = [];
  const answers: ((found: Found | undefined) => void)[] = [];
  const looked: Container[] = [];
  const onHost: number[] = [];
  const ask = (container: Container) => {
    looked.push(container);
    return new Promise<Found | undefined>((resolve) => answers.push(resolve));
  };
  const tree = quietTree(options.tree);
  tree.bootstrap();
  const release: { pipeline?: Pipeline } = {};
  const containers = new Containers({
    hierarchy: '/nowhere',
    byteLimit: options.byteLimit ?? 1 << 20,
    lookup: { readFiles: ask, ask: async () => undefined },
    retryMs: [],
    now,
    readCgroup: () => '',
    onHostCgroup: (id) => onHost.push(id),
    onSettled: (container: Container) => release.pipeline?.parking.release(container),
  });
  const judge: Judge = {
    eventTypes: new Set(['execve', 'openat']),
    dependsOnFacts: () => dependsOnFacts,
    judge: (event) =>
      notes.push(
        ['evt.num', 'evt.type', 'proc.name', 'container.id', 'container.image.repository']
          .map((field) => get(event, field, tree))
          .join(' '),
      ),
  };
  const pipeline = new Pipeline(tree, containers, judge, {
    now,
    ...(options.longestTurnMs !== undefined && { longestTurnMs: options.longestTurnMs }),
  });
  release.pipeline = pipeline;
  const event = new KernelEvent();
  const handle = (...records: Buffer[]) => {
    for (const bytes of records) {
      event.use(bytes);
      pipeline.handle(event, 0, bytes.length);
    }
  };
  return { notes, answers, looked, onHost, containers, pipeline, handle };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const found: Found = { facts: { name: 'web', image: 'nginx:1' }, runtime: 'docker' };

describe('Pipeline', () => {
  it('judges host events at once and leaves out types no rule reads', () => {
    const { notes, handle, pipeline } = setUp();
    handle(exec({}, { argv: ['a'] }, 'a'), open('/x'), makeCgroup(7, '/system.slice'));
    assert.deepEqual(notes, ['1 execve a host ', '2 openat a host ']);
    assert.equal(pipeline.counters.records, 3);
  });

  it('tells which cgroups are on the host, and not of those that are in doubt', () => {
    const { onHost, handle } = setUp();
    handle(
      makeCgroup(7, '/system.slice/ssh.service'),
      makeCgroup(8, `/docker/${id}`),
      makeCgroup(9, `/docker/${id}/system.slice`),
      makeCgroup(10, '/default/web'),
      makeCgroup(11, '/machine.slice/systemd-nspawn@web.service'),
      open('/x', {}, { cgroup: 12 }),
    );
    assert.deepEqual(onHost, [7]);
  });

  it('holds events of a container until its facts are there, in order and as they were', async () => {
    const { notes, answers, handle, containers } = setUp();
    handle(makeCgroup(7, `/docker/${id}`));
    assert.equal(answers.length, 1, 'looked up before the first exec');
    handle(
      exec({ cgroup: 7 }, { argv: ['entry'] }, 'entry'),
      open('/x', {}, { cgroup: 7 }),
      exec({ cgroup: 7 }, { argv: ['later'] }, 'later'),
      exec({ tgid: 300 }, { argv: ['host'] }, 'host'),
    );
    assert.deepEqual(notes, ['4 execve host host ']);
    answers[0]?.(found);
    await settled();
    const short = id.slice(0, 12);
    assert.deepEqual(notes.slice(1), [
      `1 execve entry ${short} nginx`,
      `2 openat entry ${short} nginx`,
      `3 execve later ${short} nginx`,
    ]);
    handle(open('/y', {}, { cgroup: 7 }));
    assert.equal(notes.at(-1), `5 openat later ${short} nginx`);
    assert.equal(containers.loader.counters.found, 1);
  });

  it('waits no longer than its patience, and not again', () => {
    let now = 0;
    const { notes, handle, pipeline } = setUp({ now: () => now });
    handle(makeCgroup(7, `/docker/${id}`), exec({ cgroup: 7 }, { argv: ['a'] }, 'a'));
    pipeline.parking.releaseExpired();
    now = 2000;
    pipeline.parking.releaseExpired();
    assert.equal(notes.length, 0, 'a runtime that is busy may still answer');
    now = 3001;
    pipeline.parking.releaseExpired();
    assert.deepEqual(notes, [`1 execve a ${id.slice(0, 12)} `]);
    handle(open('/x', {}, { cgroup: 7 }));
    assert.equal(notes.length, 2);
    assert.deepEqual(pipeline.parking.counters, { parked: 1, expired: 1, refused: 0 });
  });

  it('does not take the time for lost in which it stood still itself: the facts may be there', async () => {
    let now = 0;
    const { notes, answers, handle, pipeline } = setUp({ now: () => now, longestTurnMs: 100 });
    handle(makeCgroup(7, `/docker/${id}`), exec({ cgroup: 7 }, { argv: ['a'] }, 'a'));
    now = 5000;
    answers[0]?.(found);
    // The timer of the next turn goes before what came in.
    pipeline.parking.releaseExpired();
    await settled();
    assert.deepEqual(notes, [`1 execve a ${id.slice(0, 12)} nginx`]);
    handle(makeCgroup(8, `/docker/${'5f'.repeat(32)}`), exec({ cgroup: 8 }, { argv: ['b'] }, 'b'));
    for (let turn = 0; turn < 31; turn++) {
      now += 1000;
      pipeline.parking.releaseExpired();
    }
    assert.equal(notes.length, 2, 'after as many turns it has waited long enough');
  });

  it('does not wait when no verdict depends on facts', () => {
    const { notes, handle } = setUp({ dependsOnFacts: false });
    handle(makeCgroup(7, `/docker/${id}`), exec({ cgroup: 7 }, { argv: ['a'] }, 'a'));
    assert.equal(notes.length, 1);
  });

  it('knows a container again until its cgroup has been gone for a while', () => {
    let now = 0;
    const { handle, containers } = setUp({ now: () => now });
    handle(makeCgroup(7, `/docker/${id}`), makeCgroup(7, `/docker/${id}`, CGROUP_RMDIR));
    containers.sweep();
    assert.equal(containers.containerCount, 1);
    now = 60_001;
    containers.sweep();
    assert.equal(containers.containerCount, 0);
    assert.equal(containers.cgroupCount, 0);
  });

  it('takes another group with the same id for another container', async () => {
    const { notes, answers, handle } = setUp();
    const user = `/user.slice/user-1000.slice/docker-${id}.scope`;
    handle(makeCgroup(7, `/docker/${id}`), makeCgroup(8, user));
    assert.equal(answers.length, 2);
    answers[0]?.(found);
    answers[1]?.(undefined);
    await settled();
    handle(open('/x', {}, { cgroup: 7 }), open('/x', {}, { cgroup: 8 }));
    const short = id.slice(0, 12);
    assert.deepEqual(
      notes.map((note) => note.split(' ').slice(3).join(' ')),
      [`${short} nginx`, `${short} `],
    );
  });

  it('knows the bundle by the arguments of the runtime that made the group, or of what started it', () => {
    const bundle = `/run/x/${id}`;
    const other = '4e'.repeat(32);
    const stored = `/home/a/overlay-containers/${other}/userdata`;
    const { handle, containers, looked } = setUp();
    handle(
      makeCgroup(1, '/system.slice'),
      exec({ tgid: 40, cgroup: 1 }, { argv: ['conmon', '-b', stored] }, 'conmon'),
      exec(
        { tgid: 41, ppid: 40, cgroup: 1 },
        { argv: ['runc', 'create', '--bundle', bundle] },
        'runc',
      ),
    );
    const made = (cgroup: number, path: string, tgid: number) =>
      record(EVENT_CGROUP, cgroupLayout, { tgid }, { id: cgroup, action: CGROUP_MKDIR }, [path]);
    handle(
      made(7, `/docker/${id}`, 41),
      made(8, `/x/libpod-${other}`, 41),
      made(9, `/y/${'5f'.repeat(32)}`, 41),
    );
    assert.deepEqual(
      looked.map((one) => one.bundle),
      [bundle, stored, undefined],
    );
    // Inside of a container any process can have such arguments.
    handle(
      exec({ tgid: 50, cgroup: 7 }, { argv: ['x', `--bundle=/evil/${'6a'.repeat(32)}`] }, 'x'),
    );
    handle(made(10, `/docker/${id}/docker/${'6a'.repeat(32)}`, 50));
    assert.equal(looked.at(-1)?.bundle, undefined);
    assert.equal(containers.containerCount, 4);
  });

  it('forgets the oldest containers when their facts are too many bytes', async () => {
    const { answers, handle, containers } = setUp({ byteLimit: 2000 });
    const large: Found = { facts: { name: 'n', image: 'i', healthcheck: 'x'.repeat(900) } };
    const paths = ['a', 'b', 'c'].map((letter) => `/docker/${letter.repeat(64)}`);
    paths.forEach((path, index) => {
      handle(makeCgroup(7 + index, path));
      answers[index]?.(large);
    });
    await settled();
    assert.ok(containers.bytes > 2000);
    containers.sweep();
    assert.ok(containers.bytes <= 2000);
    assert.equal(containers.containerCount, 1);
    assert.equal(containers.cgroupCount, 1, 'their groups are looked at again at the next event');
    assert.equal(containers.counters.evicted, 2);
  });

  it('counts gaps in the numbers of each cpu, and what is no record', () => {
    const { handle, pipeline } = setUp();
    const numbered = (cpu: number, sequence: number) => open('/x', {}, { cpu, sequence });
    handle(numbered(0, 5), numbered(1, 100), numbered(0, 6), numbered(0, 9), numbered(1, 101));
    assert.equal(pipeline.counters.missing, 2);
    handle(numbered(0, 8));
    assert.equal(pipeline.counters.missing, 1);
    handle(Buffer.alloc(200));
    assert.equal(pipeline.counters.malformed, 1);
  });

  it('survives spans whose headers and records are damaged, whatever the damage', () => {
    const { pipeline } = setUp({ dependsOnFacts: false });
    const whole = [fork({}, { tgid: 200 }), exec({}, { argv: ['a', 'b'] }), open('/etc/passwd')];
    let state = 7;
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const span = 4096;
    // As in the ring: what can be read goes on behind the span.
    const bytes = Buffer.alloc(2 * span);
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    const event = new KernelEvent();
    event.use(bytes);
    for (let run = 0; run < 3000; run++) {
      bytes.fill(0);
      let at = 0;
      for (;;) {
        const one = whole[random(whole.length)] ?? Buffer.alloc(0);
        if (at + 8 + one.length + 8 > span) break;
        bytes.writeUInt32LE(one.length, at);
        one.copy(bytes, at + 8);
        at += (one.length + 15) & ~7;
      }
      for (let damage = random(40); damage > 0; damage--)
        bytes.writeUInt32LE(random(4) === 0 ? 0xffffffff : random(2 ** 32), random(span - 4));
      const end = random(at) & ~7;
      forEachRecord(words, 0, end, (offset) => pipeline.handle(event, offset, end - offset));
    }
    const { records, malformed, judged } = pipeline.counters;
    assert.ok(malformed > 1000 && judged > 1000, `${malformed} and ${judged} of ${records}`);
  });

  it('does not judge what the agent has started and starts, nor their children', () => {
    const running = [facts(100, 1), facts(150, 100), facts(160, 1)];
    const { notes, handle, pipeline } = setUp({
      tree: {
        ours: 100,
        list: () => [100, 150, 160],
        read: (id) => running.find(({ tgid }) => tgid === id),
      },
    });
    const start = Math.ceil((50 * 10_000_000) / 2 ** 20);
    const of = (tgid: number, ppid: number, more = {}) => ({ tgid, ppid, start, ...more });
    handle(open('/before', {}, of(150, 100)), open('/other', {}, of(160, 1)));
    handle(fork(of(100, 1), { tgid: 200, start }), exec(of(200, 100), { argv: ['sh'] }, 'sh'));
    handle(fork(of(200, 100), { tgid: 201, start }), exec(of(201, 200), { argv: ['id'] }, 'id'));
    handle(fork(of(160, 1), { tgid: 300, start }), exec(of(300, 160), { argv: ['ls'] }, 'ls'));
    assert.deepEqual(notes, ['1 openat p160 host ', '2 execve ls host ']);
    assert.equal(pipeline.counters.own, 5);
  });

  it('wraps with the sequence', () => {
    const { handle, pipeline } = setUp();
    handle(open('/x', {}, { sequence: 0xffffffff }), open('/x', {}, { sequence: 0 }));
    assert.equal(pipeline.counters.missing, 0);
  });
});

describe('DrainLoop', () => {
  it('reads what is in the ring, record by record', () => {
    const paths: unknown[] = [];
    const probe = new RecordedProbe(['/a', '/bc', '/def'].map((path) => open(path)));
    let turns = 0;
    const loop = new DrainLoop(probe, {
      onRecord: (event, offset, available) => {
        assert.ok(event.attach(offset, available));
        paths.push(get(event, 'fd.name'));
      },
      onTurn: () => turns++,
    });
    loop.turn();
    assert.deepEqual(paths, ['/a', '/bc', '/def']);
    loop.turn();
    assert.equal(paths.length, 3);
    assert.equal(turns, 2);
  });

  it('reads all that is left at the end, however long a turn may last', () => {
    const records = ['/a', '/b', '/c', '/d'].map((path) => open(path));
    const probe = new RecordedProbe(records, { recordsOfScan: 1 });
    let read = 0;
    const loop = new DrainLoop(probe, { budgetMs: 0, onRecord: () => read++, onTurn: () => {} });
    loop.turn();
    assert.equal(read, 1);
    assert.equal(loop.finish(60_000), 0);
    assert.equal(read, 4);
  });

  it('counts what it leaves when the end comes too soon', () => {
    const probe = new RecordedProbe(
      ['/a', '/b', '/c'].map((path) => open(path)),
      { recordsOfScan: 1 },
    );
    const loop = new DrainLoop(probe, { onRecord: () => {}, onTurn: () => {} });
    assert.equal(loop.finish(0), 2);
  });
});

describe('Session', () => {
  it('judges all that is in the ring at its end', () => {
    const paths = Array.from({ length: 50 }, (_, n) => `/file-${n}`);
    const seen: unknown[] = [];
    const session = new Session({ hostname: 'h', onSecond: () => {}, onTurn: () => {} });
    const probe = new RecordedProbe(
      paths.map((path) => open(path)),
      { recordsOfScan: 1 },
    );
    const judge: Judge = {
      eventTypes: new Set(['openat']),
      dependsOnFacts: () => false,
      judge: (event) => {
        seen.push(get(event, 'fd.name'));
        // Longer than one turn may last, all together.
        for (const end = performance.now() + 1; performance.now() < end; );
      },
    };
    session.start(probe, judge, {
      syscalls: [2],
      keepFailed: [],
      environment: false,
    });
    assert.ok(seen.length < 50, 'a turn is too short for all of them');
    session.stop();
    assert.deepEqual(seen, paths);
    assert.deepEqual(probe.interest?.syscalls, []);
    assert.equal(session.counters().pipeline.judged, 50);
  });
});
