import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { CaptureError } from '../../src/capture/format.ts';
import { readCapture } from '../../src/capture/read-capture.ts';
import { ruleOf } from '../engine/live-engine.ts';
import { Collector, pieces, replayed } from './captures.ts';
import * as scap from './scap-writer.ts';

const { event, exec, clone, i64, u8, u16, u32, str, raw, NONE } = scap;
const LOCAL = '\x0a\0\0\x05';
const REMOTE = '\x5d\xb8\xd8\x22';

/** A capture with one shell, 100, whose parent is 1. */
const withShell = (...events: Buffer[]): Buffer =>
  Buffer.concat([
    scap.section(),
    scap.machine(),
    scap.interfaces(),
    scap.processes(9, [
      { tid: 1, ptid: 0, comm: 'systemd', exePath: '/usr/lib/systemd/systemd', cwd: '/' },
      { tid: 100, comm: 'bash', args: ['-i'], cwd: '/srv/', uid: 1000, tty: 34816, loginuid: 1000 },
      { tid: 101, pid: 100 },
    ]),
    scap.descriptors(2, 100, [
      scap.fileFd(3, '/data/file'),
      scap.namedFd(4, 2, '/data'),
      scap.namedFd(5, 12, '[eventpoll]'),
      scap.ipv4Fd(6, LOCAL, 40000, REMOTE, 443),
    ]),
    scap.accounts(2, [
      { uid: 0, name: 'root' },
      { uid: 1000, name: 'alice' },
      { gid: 0, name: 'wheel' },
    ]),
    ...events,
  ]);

/** What a rule prints about the events of a capture. */
async function printed(capture: Buffer, condition: string, fields: readonly string[]) {
  const { alerts, warnings } = await replayed(capture, ruleOf('r', condition, fields));
  return {
    lines: alerts.map(({ output }) => output.replace(/^\S+ Warning /, '')),
    warnings,
    alerts,
  };
}

const openat = (tid: number, fd: number, dirfd: number, path: string, flags = 1) =>
  event(tid, 307, [i64(fd), i64(dirfd), str(path), u32(flags), u32(0o644), u32(0x801), i64(9)]);

describe('a capture of Falco', () => {
  it('knows the machine, its processes and its users', async () => {
    const capture = withShell(openat(100, 7, -100, 'notes/../list'));
    const { lines, warnings, alerts } = await printed(capture, 'evt.type=openat', [
      ...['proc.name', 'proc.cmdline', 'proc.pname', 'proc.exepath', 'proc.cwd', 'proc.tty'],
      ...['user.name', 'user.loginuid', 'group.name', 'fd.name', 'fd.num', 'fd.typechar'],
      ...['evt.is_open_read', 'fd.dev', 'container.id', 'evt.arg.flags'],
    ]);
    assert.deepEqual(lines, [
      'bash | bash -i | systemd | /usr/bin/bash | /srv/ | 34816 | alice | 1000 | wheel | /srv/list | 7 | f | true | 801 | host | O_RDONLY',
    ]);
    assert.equal(alerts[0]?.hostname, 'scap-host');
    assert.match(alerts[0]?.time ?? '', /^2020-09-13T12:26:41\.\d{9}Z$/);
    assert.deepEqual(warnings, []);
  });

  it('follows forks, execs and exits', async () => {
    const capture = withShell(
      clone(100, { result: 200, uid: 1000 }),
      clone(200, { result: 0, ptid: 100, uid: 1000 }),
      event(200, 292, [str('./tool')]),
      exec(200, {
        exe: './tool',
        args: ['-x', 'a b'],
        ptid: 100,
        uid: 0,
        path: '/srv/tool',
        flags: 3,
      }),
      openat(200, 3, -100, '/etc/shadow', 3 | 4),
      // The child's side of a fork may come first.
      clone(201, { result: 0, ptid: 200 }),
      clone(200, { result: 201 }),
      event(200, 186, [i64(0)]),
      openat(201, 3, -100, '/etc/shadow'),
    );
    const { lines } = await printed(capture, 'evt.type in (execve, openat)', [
      ...['evt.type', 'proc.pid', 'proc.cmdline', 'proc.exepath', 'proc.pname', 'proc.aname[2]'],
      ...['user.name', 'proc.is_exe_writable', 'proc.is_exe_upper_layer', 'thread.cap_effective'],
    ]);
    const tool =
      '200 | tool -x a b | /srv/tool | bash | systemd | root | true | true | CAP_SYS_ADMIN';
    assert.deepEqual(lines, [
      `execve | ${tool}`,
      `openat | ${tool}`,
      'openat | 201 | tool -x a b | /srv/tool | bash | systemd | root | true | true | CAP_SYS_ADMIN',
    ]);
    const forks = await printed(capture, 'evt.type in (clone, procexit)', ['evt.type', 'proc.pid']);
    assert.deepEqual(forks.lines, ['clone | 100', 'clone | 200', 'procexit | 200']);
  });

  it('takes a thread for its process', async () => {
    const capture = withShell(
      openat(101, 7, 4, 'inner'),
      clone(100, { result: 102, flags: 1 << 13 }),
      clone(102, { result: 0, pid: 100, flags: 1 << 13 }),
      openat(102, 7, -100, 'outer'),
      event(102, 186, [i64(0)]),
      openat(100, 7, -100, 'last'),
    );
    const { lines } = await printed(capture, 'evt.type=openat', [
      'proc.pid',
      'thread.tid',
      'fd.name',
    ]);
    assert.deepEqual(lines, [
      '100 | 101 | /data/inner',
      '100 | 102 | /srv/outer',
      '100 | 100 | /srv/last',
    ]);
    assert.deepEqual(
      (await printed(capture, 'evt.type in (clone, procexit)', ['evt.type'])).lines,
      [],
    );
  });

  it('resolves paths by folders that were opened, changed and duplicated', async () => {
    const capture = withShell(
      openat(100, 8, -100, '/var/lib', 1 | 1024),
      event(100, 124, [i64(8)]),
      event(100, 367, [i64(9), i64(8)]),
      event(100, 303, [i64(0), i64(9), str('old'), u32(0x200)]),
      event(100, 95, [i64(0), str('/tmp')]),
      event(100, 175, [i64(0), str('a'), str('../b')]),
      event(100, 96, [i64(4)]),
      event(100, 97, [i64(0)]),
      event(100, 319, [i64(0), i64(8), str('x'), i64(-100), str('y'), u32(1)]),
      event(100, 4, [i64(8)]),
      event(100, 5, [i64(0)]),
    );
    const { lines } = await printed(
      capture,
      'evt.type in (unlinkat, rename, renameat2, chdir, fchdir, close)',
      [
        'evt.type',
        'fs.path.name',
        'fs.path.source',
        'fs.path.target',
        'proc.cwd',
        'evt.arg.flags',
        'fd.name',
      ],
    );
    assert.deepEqual(lines, [
      'unlinkat | /var/lib/old | <NA> | <NA> | /srv/ | AT_REMOVEDIR | <NA>',
      'chdir | /tmp | <NA> | <NA> | /tmp/ | <NA> | <NA>',
      'rename | <NA> | /tmp/a | /b | /tmp/ | <NA> | <NA>',
      'fchdir | /data | <NA> | <NA> | /data/ | <NA> | /data',
      'renameat2 | <NA> | /var/lib/x | /data/y | /data/ | RENAME_NOREPLACE | <NA>',
      'close | <NA> | <NA> | <NA> | /data/ | <NA> | /var/lib',
    ]);
  });

  it('knows who is connected to whom', async () => {
    const capture = withShell(
      event(100, 18, [u32(2), u32(1 | 0o2000000), u32(6)]),
      event(100, 19, [i64(8)]),
      event(100, 22, [i64(8), scap.ipv4Address(REMOTE, 80)]),
      event(100, 23, [i64(0), scap.ipv4Tuple(LOCAL, 41000, REMOTE, 80), i64(8)]),
      event(100, 22, [i64(8), scap.ipv4Address(REMOTE, 81)]),
      event(100, 23, [i64(-111), NONE, i64(8)]),
      event(100, 20, [i64(9)]),
      event(100, 21, [i64(0), scap.ipv4Address('\0\0\0\0', 8080)]),
      event(100, 247, [
        i64(10),
        scap.ipv4Tuple(REMOTE, 50000, LOCAL, 8080),
        u8(0),
        u32(0),
        u32(128),
      ]),
      event(100, 30, [i64(6), u32(5), NONE]),
      event(100, 31, [i64(5), raw('hello')]),
      event(100, 23, [i64(0), Buffer.concat([u8(1), i64(1), i64(2), str('/run/x.sock')]), i64(11)]),
    );
    const { lines } = await printed(
      capture,
      'evt.type in (socket, connect, bind, accept, sendto)',
      [
        ...[
          'evt.type',
          'fd.name',
          'fd.sip',
          'fd.sport',
          'fd.l4proto',
          'fd.typechar',
          'evt.rawres',
          'evt.arg.data',
        ],
      ],
    );
    assert.deepEqual(lines, [
      'socket |  | <NA> | <NA> | <NA> | 4 | 8 | <NA>',
      'connect | 10.0.0.5:41000->93.184.216.34:80 | 93.184.216.34 | 80 | tcp | 4 | 0 | <NA>',
      'connect |  | <NA> | <NA> | <NA> | 4 | -111 | <NA>',
      'bind | 0.0.0.0:8080 | 0.0.0.0 | 8080 | <NA> | 4 | 0 | <NA>',
      'accept | 93.184.216.34:50000->10.0.0.5:8080 | 10.0.0.5 | 8080 | tcp | 4 | 10 | <NA>',
      'sendto | 10.0.0.5:40000->93.184.216.34:443 | 93.184.216.34 | 443 | tcp | 4 | 5 | hello',
      'connect | /run/x.sock | <NA> | <NA> | <NA> | u | 0 | <NA>',
    ]);
  });

  it('tells the arguments of other calls in the numbers of the kernel', async () => {
    const capture = withShell(
      event(100, 168, [u16(11), i64(1)]),
      event(100, 169, [i64(0), Buffer.concat([u8(1), i64(16)]), Buffer.concat([u8(1), i64(0)])]),
      event(100, 284, [u32((1 << 20) | (1 << 5))]),
      event(100, 285, [i64(0)]),
      event(100, 198, [u32(0)]),
      event(100, 199, [i64(0)]),
      event(100, 315, [i64(0), str('/srv/x'), u32(0o4755)]),
      event(100, 405, [i64(12), str('evil'), u32(1)]),
      event(100, 425, [i64(0), str('mod'), u32(1)]),
      event(100, 256, [u32(4096)]),
      event(100, 257, [i64(0), str('/dev/sda'), str('/mnt'), str('ext4')]),
    );
    const { lines } = await printed(
      capture,
      'evt.type in (ptrace, unshare, setuid, chmod, memfd_create, delete_module, mount)',
      ['evt.args', 'user.name'],
    );
    assert.deepEqual(lines, [
      'res=0 addr=10 data=0 request=11(PTRACE_ATTACH) pid=1(systemd)  | alice',
      'res=0 flags=1048608(CLONE_NEWNS|CLONE_NEWUSER)  | alice',
      'res=0 uid=0(root)  | root',
      'res=0 filename=/srv/x mode=04755(S_IXOTH|S_IROTH|S_IXGRP|S_IRGRP|S_IXUSR|S_IWUSR|S_IRUSR|S_ISUID)  | root',
      'fd=12(<m>memfd:evil) name=evil flags=1(MFD_CLOEXEC)  | root',
      'res=0 name=mod flags=1(O_NONBLOCK)  | root',
      'res=0 dev=/dev/sda dir=/mnt type=ext4 flags=4096(BIND)  | root',
    ]);
  });

  it('knows containers by their cgroups and by what is told of them', async () => {
    const id = '5f'.repeat(32);
    const cgroups = ['cpuset=/', `memory=/docker/${id}`];
    const json = {
      container: {
        ...{ id: id.slice(0, 12), type: 0, name: 'web', image: 'nginx:1.25', privileged: true },
        ...{ labels: { app: 'shop' }, Mounts: [{ Source: '/', Destination: '/host', RW: true }] },
      },
    };
    const capture = withShell(
      event(1, 324, [str(JSON.stringify(json))], scap.FORM.large),
      clone(300, { result: 0, ptid: 100, vpid: 1, cgroups, comm: 'runc' }),
      exec(300, { exe: '/bin/sh', comm: 'sh', cgroups, ptid: 100 }),
    );
    const { lines } = await printed(capture, 'evt.type=execve', [
      ...['container.id', 'container.name', 'container.image.tag', 'container.privileged'],
      ...['container.label[app]', 'container.mount.dest[/]', 'proc.vpid'],
    ]);
    assert.deepEqual(lines, [`${id.slice(0, 12)} | web | 1.25 | true | shop | /host | 1`]);
  });

  it('knows users and groups of containers, and when they come and go', async () => {
    const id = 'ab'.repeat(32);
    const cgroups = [`memory=/docker/${id}`];
    const inside = (uid: number, fd: number) => [
      event(300, 199, [i64(0), u32(uid)]),
      event(300, 307, [i64(fd), i64(-100), str('/a'), u32(1), u32(0), u32(0), i64(9)]),
    ];
    const account = (type: number, uid: number, name: string, container = id.slice(0, 12)) =>
      event(1, type, [u32(uid), u32(uid), str(name), str('/h'), str('/sh'), str(container)]);
    const json = JSON.stringify({ container: { id: id.slice(0, 12), type: 0, name: 'web' } });
    const capture = withShell(
      event(1, 324, [str(json)], scap.FORM.large),
      account(354, 1000, 'carol'),
      event(1, 358, [u32(0), str('inner'), str(id.slice(0, 12))]),
      clone(300, { result: 0, ptid: 100, vpid: 1, cgroups, uid: 1000 }),
      ...inside(1000, 3),
      account(354, 1001, 'dave'),
      ...inside(1001, 4),
      account(356, 1001, 'dave'),
      ...inside(1001, 5),
      openat(100, 7, -100, '/a'),
    );
    const { lines } = await printed(capture, 'evt.type=openat', [
      ...['proc.pid', 'user.name', 'user.homedir', 'group.name', 'container.id'],
    ]);
    assert.deepEqual(lines, [
      '300 | carol | /h | inner | abababababab',
      '300 | dave | /h | inner | abababababab',
      '300 | <NA> | <NA> | inner | abababababab',
      '100 | alice | /home | wheel | host',
    ]);
  });

  it('knows calls without an event of their own, and the newest', async () => {
    const capture = withShell(
      // By Falco's number, by what its start told, and by the machine's number where that is the same everywhere.
      event(100, 1, [u16(137), u16(155)]),
      event(100, 0, [u16(234), u16(298)]),
      event(100, 1, []),
      event(100, 1, [u16(402), u16(452)]),
      event(100, 1, [u16(9999), u16(1)]),
      event(100, 427, [i64(0), u32(-1), u32(0)]),
      event(100, 429, [i64(-1), u32(0), u32(0)]),
      event(100, 243, [i64(0), i64(3), u32(2)]),
    );
    const { lines, warnings } = await printed(
      capture,
      'evt.type in (pivot_root, perf_event_open, fchmodat2, setreuid, setregid, flock)',
      ['evt.type', 'user.name', 'evt.res', 'fd.name', 'evt.args'],
    );
    assert.deepEqual(lines, [
      'pivot_root | alice | SUCCESS | <NA> | res=0 new_root=<NA> put_old=<NA> ',
      'perf_event_open | alice | SUCCESS | <NA> | res=0 ',
      'fchmodat2 | alice | SUCCESS | <NA> | res=0 dirfd=0 filename=<NA> mode=0 ',
      'setreuid | root | SUCCESS | <NA> | res=0 ruid=-1(<NONE>) euid=0(root) ',
      'setregid | root | EPERM | <NA> | res=-1(EPERM) rgid=0(wheel) egid=0(wheel) ',
      'flock | root | SUCCESS | /data/file | res=0 ',
    ]);
    assert.deepEqual(warnings, []);
  });

  it('may be old: lists of every version', async () => {
    for (let version = 1; version <= 9; version++) {
      for (const tail of ['none', 'old', 'new'] as const) {
        const capture = Buffer.concat([
          scap.section(1, 0),
          scap.machine(),
          scap.processes(
            version,
            [
              { tid: 1, ptid: 0, comm: 'init', cwd: '/' },
              { tid: 100, comm: 'bash', args: ['-c', 'x'], cwd: '/srv/', uid: 1000, loginuid: 5 },
            ],
            tail,
          ),
          scap.descriptors(1, 100, [scap.namedFd(4, 2, '/data'), scap.namedFd(5, 1, '/f')]),
          scap.accounts(1, [{ uid: 1000, name: 'alice' }]),
          event(100, 3, [i64(7), str('x'), u32(1), u32(0)]),
        ]);
        const { lines, warnings } = await printed(capture, 'evt.type=open', [
          ...['proc.cmdline', 'proc.pname', 'user.name', 'fd.name', 'user.loginuid'],
        ]);
        const loginuid = version === 9 && tail !== 'none' ? 5 : -1;
        assert.deepEqual(
          lines,
          [`bash -c x | init | alice | /srv/x | ${loginuid}`],
          `version ${version}`,
        );
        assert.deepEqual(warnings, []);
      }
    }
  });

  it('may be old: events that do not count their parameters, and calls told at their start', async () => {
    const { old, oldWithFlags } = scap.FORM;
    const forked = [i64(0), str('/bin/sh'), NONE, i64(200), i64(200), i64(100), str(''), i64(1024)];
    const executed = [
      i64(0),
      str('/bin/ls'),
      raw('-l\0/\0'),
      i64(200),
      i64(200),
      i64(100),
      str('/srv/'),
      i64(9),
    ];
    const capture = withShell(
      event(100, 3, [i64(7), str('/etc/passwd'), u32(1), u32(0)], old),
      event(200, 15, [...forked, u32(0), u32(1000), u32(0)], old),
      event(200, 12, [], oldWithFlags),
      event(200, 13, executed, oldWithFlags),
      event(200, 102, [i64(-100), str('list'), u32(1), u32(0)], old),
      event(200, 103, [i64(3)], old),
      event(200, 104, [str('a'), str('b')], old),
      event(200, 105, [i64(0)], old),
      event(200, 16, [], old),
    );
    const { lines, warnings } = await printed(
      capture,
      'evt.type in (open, openat, execve, link, procexit)',
      ['evt.type', 'proc.cmdline', 'proc.pname', 'fd.name', 'fs.path.target'],
    );
    assert.deepEqual(lines, [
      'open | bash -i | systemd | /etc/passwd | <NA>',
      'execve | ls -l / | bash | <NA> | <NA>',
      'openat | ls -l / | bash | /srv/list | <NA>',
      'link | ls -l / | bash | <NA> | /srv/a',
      'procexit | ls -l / | bash | <NA> | <NA>',
    ]);
    assert.deepEqual(warnings, []);
  });

  it('may be compressed, come in pieces and be cut off anywhere', async () => {
    const capture = withShell(openat(100, 7, -100, '/a'), openat(100, 7, -100, '/b'));
    const whole = new Collector();
    await readCapture(pieces(capture), whole);
    for (const [bytes, size] of [
      [capture, 1],
      [capture, 7],
      [gzipSync(capture), 100],
    ] as const) {
      const sink = new Collector();
      const end = await readCapture(pieces(bytes, size), sink);
      assert.deepEqual(sink.records, whole.records);
      assert.deepEqual(sink.facts, whole.facts);
      assert.deepEqual(end, { records: 2, warnings: [], damaged: false, isWhole: true });
    }
    for (let length = 1; length < capture.length; length += 5) {
      const sink = new Collector();
      try {
        await readCapture(pieces(capture.subarray(0, length)), sink);
      } catch (error) {
        assert.ok(error instanceof CaptureError, String(error));
      }
      assert.deepEqual(sink.records, whole.records.slice(0, sink.records.length));
    }
    const { warnings } = await replayed(
      capture.subarray(0, -3),
      ruleOf('r', 'evt.type=openat', ['fd.name']),
    );
    assert.deepEqual(warnings, ['the capture was cut off after 1 events']);
  });

  it('tells of blocks it does not know, and of damage to what was compressed', async () => {
    const opened = openat(100, 7, -100, '/a');
    const strange = openat(100, 7, -100, '/b');
    strange.writeUInt32LE(0x777, 0);
    const read = (bytes: Buffer) => readCapture(pieces(bytes), new Collector());
    const interfaces = scap.interfaces();
    interfaces.writeUInt32LE(0x219, 0);
    const { records, warnings } = await read(withShell(interfaces, opened, strange, opened));
    assert.equal(records, 2);
    assert.deepEqual(warnings, [
      '1 blocks are of types this version does not know, and were passed over',
    ]);
    const junk = Buffer.alloc(5000, 7);
    const damaged = Buffer.concat([gzipSync(withShell(opened)), junk]);
    await assert.rejects(read(damaged), /compressed capture is damaged/);
  });

  it('may hold several machines, one after the other', async () => {
    const second = [
      scap.section(),
      scap.machine('second'),
      scap.processes(9, [{ tid: 100, comm: 'zsh' }]),
    ];
    const capture = Buffer.concat([
      withShell(openat(100, 7, -100, '/a')),
      ...second,
      openat(100, 7, -100, '/b'),
    ]);
    const { alerts } = await printed(capture, 'evt.type=openat', ['proc.name', 'fd.name']);
    assert.deepEqual(
      alerts.map(({ hostname, output }) => [hostname, output.replace(/^.*Warning /, '')]),
      [
        ['scap-host', 'bash | /a'],
        ['second', 'zsh | /b'],
      ],
    );
    assert.equal(new Set(alerts.map(({ uuid }) => uuid)).size, 2);
  });

  it('is refused when it is of another kind', async () => {
    const read = (bytes: Buffer) => readCapture(pieces(bytes), new Collector());
    await assert.rejects(read(scap.section(2)), /of version 2\.2; this version reads up to 1/);
    const big = scap.section();
    big.subarray(8, 12).reverse();
    await assert.rejects(read(big), /big-endian/);
    const other = scap.section();
    other.fill(0xee, 8, 12);
    await assert.rejects(read(other), /damaged/);
  });

  it('tells of what it cannot say', async () => {
    const { warnings } = await printed(
      withShell(
        event(100, 999, []),
        event(100, 148, [u32(2)]),
        event(100, 152, [i64(1)]),
        event(100, 152, [i64(1)]),
        event(100, 322, [u32(1), NONE]),
        // Longer than its block.
        event(100, 3, [i64(7)]).fill(0xff, 36, 38),
        openat(100, 7, -100, '/a'),
      ),
      'evt.type=openat',
      ['fd.name'],
    );
    assert.deepEqual(warnings, [
      '1 events or entries of lists could not be understood',
      '1 events are of types this version does not know',
      'at 1 places the capture says that events were dropped',
      'no rule can see some kinds of events: switch 2, pluginevent 1',
    ]);
  });
});
