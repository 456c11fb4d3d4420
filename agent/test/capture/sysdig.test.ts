/** The same capture read by sysdig, with the libraries of Falco, and by ours: fields and arguments must come out alike. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ruleOf } from '../engine/live-engine.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { replayed } from './captures.ts';
import * as scap from './scap-writer.ts';

const { event, exec, clone, i64, u8, u16, u32, str, raw } = scap;
const LOCAL = '\x0a\0\0\x05';
const REMOTE = '\x5d\xb8\xd8\x22';
const ID = '5f'.repeat(32);

const sysdig = spawnSync('sysdig', ['--version'], { encoding: 'utf8' });
const skip = sysdig.status === 0 ? false : 'sysdig is not installed';

const lists = [
  scap.section(),
  scap.machine(),
  scap.interfaces(),
  scap.processes(
    9,
    [
      { tid: 1, ptid: 0, comm: 'systemd', exePath: '/usr/lib/systemd/systemd', cwd: '/' },
      { tid: 100, comm: 'bash', args: ['-i'], cwd: '/srv/', uid: 1000, tty: 34816, loginuid: 1000 },
      { tid: 101, pid: 100 },
      { tid: 50, vpid: 1, comm: 'pause', cwd: '/', cgroups: [`cpuset=/docker/${ID}`] },
    ],
    'old',
  ),
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
];

const openat = (fd: number, dirfd: number, path: string, flags: number, mode = 0) => [
  event(100, 306, [i64(dirfd), str(path), u32(flags), u32(mode)]),
  event(100, 307, [i64(fd), i64(dirfd), str(path), u32(flags), u32(mode), u32(0xfd01), i64(9)]),
];
/** A call that took nothing at its start. */
const call = (type: number, ...parameters: Buffer[]) => [
  event(100, type - 1, []),
  event(100, type, parameters),
];
/** A call whose arguments are told at its start. */
const started = (type: number, before: Buffer[], ...after: Buffer[]) => [
  event(100, type - 1, before),
  event(100, type, after),
];
const result = i64(0);

const events = [
  ...openat(7, -100, 'notes/../list', 1),
  ...openat(8, 4, 'inner', 3 | 4 | 4096, 0o755),
  ...call(3, i64(9), str('/etc/passwd'), u32(1 | 4096), u32(0), u32(0x801)),
  ...call(59, i64(10), str('/tmp/new'), u32(0o644), u32(0x801)),
  ...call(327, i64(11), i64(-100), str('two'), u32(2 | 4), u32(0o600), u32(1 | 8)),
  ...call(311, result, i64(4), str('a'), i64(-100), str('b'), u32(0x400)),
  ...call(303, result, i64(4), str('old'), u32(0x200)),
  ...call(305, result, i64(4), str('dir'), u32(0o755)),
  ...started(277, [u32(0o755)], result, str('mk')),
  ...call(279, i64(-39), str('rm')),
  ...call(313, result, i64(-100), str('f'), u32(0o4755)),
  ...call(315, result, str('/g'), u32(0o644)),
  ...call(317, result, i64(7), u32(0o600)),
  ...call(175, result, str('a'), str('/b')),
  ...call(177, result, i64(4), str('a'), i64(-100), str('/b')),
  ...call(319, result, i64(4), str('a'), i64(4), str('b'), u32(3)),
  ...call(179, result, str('t'), str('l')),
  ...call(181, result, str('t'), i64(4), str('l')),
  ...call(309, result, str('x'), str('y')),
  ...call(301, result, str('gone')),
  ...started(19, [u32(2), u32(1 | 0o2000000), u32(6)], i64(12)),
  ...started(
    23,
    [i64(12), scap.ipv4Address(REMOTE, 80)],
    result,
    scap.ipv4Tuple(LOCAL, 41000, REMOTE, 80),
  ),
  ...started(19, [u32(2), u32(2), u32(0)], i64(13)),
  ...started(21, [i64(13)], result, scap.ipv4Address('\0\0\0\0', 5353)),
  ...started(25, [i64(13), u32(128)], result),
  ...started(9, [i64(3), u32(5)], i64(5), raw('ab\ncd')),
  ...started(125, [i64(3)], i64(20)),
  ...started(151, [i64(3), u8(26)], i64(21)),
  ...started(
    169,
    [u16(11), i64(1)],
    result,
    Buffer.concat([u8(0), i64(255)]),
    Buffer.concat([u8(0), i64(0)]),
  ),
  ...started(285, [u32((1 << 20) | (1 << 5))], result),
  ...started(241, [i64(3), u32(1 << 4)], i64(-1)),
  ...started(199, [u32(0)], result),
  ...started(193, [u32(1000), u32(1000), u32(-1)], result),
  ...started(201, [u32(0)], result),
  ...started(257, [u32(1 << 12)], result, str('/dev/sda'), str('/mnt'), str('ext4')),
  ...started(129, [i64(1), u8(9)], result),
  ...call(95, result, str('/tmp')),
  ...call(267, result, str('/new')),
  ...started(97, [i64(4)], result),
  ...call(275, i64(100)),
  ...started(171, [i64(3), i64(0x5401), i64(255)], result),
  ...started(87, [i64(3), i64(7), u8(1)], i64(7)),
  event(100, 0, [u16(16), u16(39)]),
  event(100, 1, [u16(16)]),
  clone(100, { result: 200, uid: 1000 }),
  clone(200, { result: 0, ptid: 100, uid: 1000 }),
  event(200, 292, [str('./tool')]),
  exec(200, {
    exe: './tool',
    args: ['-x', 'a b'],
    ptid: 100,
    uid: 1000,
    path: '/data/tool',
    flags: 1,
  }),
  event(200, 292, [str('/no/such')]),
  exec(200, { exe: './tool', comm: 'tool', ptid: 100, uid: 1000, result: -2 }),
  event(50, 306, [i64(-100), str('/etc/x'), u32(1), u32(0)]),
  event(50, 307, [i64(3), i64(-100), str('/etc/x'), u32(1), u32(0), u32(5), i64(9)]),
];

/** Lines of `type | value | ...` of the ends of the capture's calls. */
function theirs(capture: Buffer, fields: readonly string[], folder: string): string[] {
  const path = join(folder, 'some.scap');
  writeFileSync(path, capture);
  const format = `*${fields.map((field) => `%${field}`).join(' | ')}`;
  const output = execFileSync('sysdig', ['-r', path, '-p', format, 'evt.dir=<'], {
    encoding: 'latin1',
    env: { ...process.env, TZ: 'UTC' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return output.replace(/\n$/, '').split('\n');
}

async function ours(capture: Buffer, fields: readonly string[]): Promise<string[]> {
  // A rule is tried on every type only if it names it.
  const types = [...new Set(theirs(capture, ['evt.type'], temporaryFolder()))];
  const condition = `evt.type in (${types.join(', ')}) and not (evt.type=clone and proc.pid=1)`;
  const { alerts } = await replayed(capture, ruleOf('r', condition, fields));
  return alerts.map(({ output }) => output.replace(/^\S+ Warning /, ''));
}

/** The child's end of a clone is no event of its own here. */
const isChild = (line: string): boolean => /^clone \| 200( |$)/.test(line);

describe('sysdig and ours', { skip }, () => {
  const capture = Buffer.concat([...lists, ...events]);
  const folder = temporaryFolder();
  const key = ['evt.type', 'proc.pid'];

  it('tell the same of every event', async () => {
    const fields = [
      ...[...key, 'syscall.type', 'evt.category', 'evt.res', 'evt.failed', 'evt.cpu'],
      ...['evt.datetime', 'evt.time.iso8601', 'evt.rawtime', 'evt.rawtime.ns', 'proc.name'],
      ...['proc.cmdline', 'proc.pname', 'proc.exepath', 'proc.cwd', 'proc.vpid'],
      ...['proc.aname[1]', 'proc.sid', 'proc.ppid', 'user.name', 'user.uid', 'group.gid'],
      ...['user.loginuid', 'thread.tid', 'container.id'],
    ];
    // Its version told neither a result of generic calls nor the descriptor of an ioctl's end.
    const isTold = (line: string) => !isChild(line) && !/^(getpid|ioctl) /.test(line);
    const expected = theirs(capture, fields, folder).filter(isTold);
    assert.deepEqual((await ours(capture, fields)).filter(isTold), expected);
  });

  it('tell the same of what processes use, of threads and of bytes that were moved', async () => {
    const fields = [
      ...[...key, 'proc.fdlimit', 'proc.vmsize', 'proc.vmrss', 'proc.vmswap'],
      ...['thread.pfmajor', 'thread.pfminor', 'thread.vmsize', 'thread.vmrss.b', 'thread.vtid'],
      ...['evt.is_syslog', 'evt.buflen', 'evt.buflen.file', 'evt.buflen.net', 'evt.buflen.file.in'],
    ];
    // It takes the number of a copied descriptor for a length.
    const isTold = (line: string) => !isChild(line) && !/^(dup|fcntl) /.test(line);
    const expected = theirs(capture, fields, folder).filter(isTold);
    assert.deepEqual((await ours(capture, fields)).filter(isTold), expected);
  });

  it('tell the same of descriptors', async () => {
    const fields = [
      ...[...key, 'fd.name', 'fd.type', 'fd.typechar', 'fd.directory', 'fd.filename'],
      ...['fd.l4proto', 'fd.sockfamily', 'fd.sip', 'fd.cip', 'fd.sport', 'fd.is_server'],
    ];
    // Its version did not know yet that fchmod is about a descriptor.
    const isTold = (line: string) => !isChild(line) && !line.startsWith('fchmod ');
    const expected = theirs(capture, fields, folder).filter(isTold);
    assert.deepEqual((await ours(capture, fields)).filter(isTold), expected);
  });

  it('print arguments alike; later libraries have more of them', async () => {
    const fields = [...key, 'evt.args'];
    const told = /^(clone|execve) /;
    const expected = theirs(capture, fields, folder).filter((line) => !told.test(line));
    const actual = (await ours(capture, fields)).filter((line) => !told.test(line));
    assert.equal(actual.length, expected.length);
    for (const [index, line] of expected.entries())
      assert.equal(actual[index]?.slice(0, line.length), line);
  });
});
