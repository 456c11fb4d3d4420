/** What the fields say of real processes, beside what /proc and the system's files say of the same ones at the same moment. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Alert } from '@tocsin/openapi';
import { readProcess } from '../../src/state/proc-files.ts';
import { quietTree } from '../events/fields.ts';
import { waitFor } from '../support/wait.ts';
import { LiveEngine, ruleOf, skipLive } from './live-engine.ts';

const DEPTH = 5;
const ANCESTORS = ['aname', 'apid', 'aexe', 'aexepath', 'acmdline'] as const;
const PROCESS = [
  ...[
    'name',
    'exe',
    'exepath',
    'args',
    'cmdline',
    'cwd',
    'pid',
    'ppid',
    'vpid',
    'sid',
    'pgid',
    'vpgid',
  ],
  ...[
    'tty',
    'pname',
    'pexe',
    'pexepath',
    'pcmdline',
    'sname',
    'cmdnargs',
    'exe_ino',
    'exe_ino.mtime',
  ],
  ...[
    'exe_ino.ctime',
    'is_sid_leader',
    'is_pgid_leader',
    'is_exe_upper_layer',
    'is_exe_lower_layer',
  ],
  ...['is_exe_from_memfd', 'is_exe_deleted', 'is_exe_writable', 'fdlimit', 'nthreads', 'nchilds'],
  ...Array.from({ length: DEPTH }, (_, n) => ANCESTORS.map((name) => `${name}[${n + 1}]`)).flat(),
  ...['orig.aname[1]', 'orig.aname[2]'],
].map((name) => `proc.${name}`);
const OTHERS = [
  ...['user.uid', 'user.name', 'user.loginuid', 'group.gid', 'group.name', 'thread.cap_effective'],
  ...['thread.vtid', 'thread.cgroups', 'thread.cgroup[memory]', 'thread.cgroup[cpuset]'],
  ...[
    'thread.cap_permitted',
    'thread.cap_inheritable',
    'fd.num',
    'fd.name',
    'fd.nameraw',
    'fd.directory',
  ],
  ...[
    'fd.filename',
    'fd.path.real',
    'fd.type',
    'fd.typechar',
    'fd.ino',
    'fd.dev',
    'fd.dev.major',
    'fd.dev.minor',
    'evt.arg.flags',
    'evt.type',
  ],
];
const SOCKET = [
  ...[
    'fd.name',
    'fd.num',
    'fd.type',
    'fd.typechar',
    'fd.l4proto',
    'fd.cip',
    'fd.sip',
    'fd.cport',
    'fd.sport',
  ],
  ...['fd.lip', 'fd.rip', 'fd.lport', 'fd.rport', 'fd.is_server', 'proc.pid', 'evt.type'],
];
const RULES =
  ruleOf('open', 'evt.type in (open, openat) and fd.filename startswith truth-', [
    ...PROCESS,
    ...OTHERS,
  ]) +
  ruleOf('socket', 'evt.type in (connect, accept) and proc.name=truth', SOCKET) +
  ruleOf('made', 'evt.type in (fork, vfork, clone, clone3) and proc.name=truth', [
    ...['evt.type', 'syscall.type', 'proc.pid'],
  ]) +
  ruleOf('nameless', 'evt.type in (dup2, recvfrom, socket) and proc.name=truth', [
    ...['evt.type', 'fd.name', 'fd.type', 'fd.num', 'evt.arg.proto', 'evt.arg.domain'],
  ]);

const proc = (pid: number, file: string) => readFileSync(`/proc/${pid}/${file}`, 'latin1');

/** What /proc says of a process; text is bytes, a character each. */
function factsOf(pid: number) {
  const stat = proc(pid, 'stat');
  const columns = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = new Map(
    proc(pid, 'status')
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const last = (name: string) => Number((status.get(name) ?? '').split('\t').at(-1));
  // An empty argument list has one empty argument since Linux 5.18.
  const argv = proc(pid, 'cmdline').replace(/\0$/, '').split('\0');
  const comm = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
  const args = argv.slice(1).join(' ');
  return {
    comm,
    exe: argv[0] ?? '',
    args,
    argv,
    cmdline: args === '' ? comm : `${comm} ${args}`,
    exePath: readlinkSync(`/proc/${pid}/exe`, 'latin1'),
    cwd: readlinkSync(`/proc/${pid}/cwd`, 'latin1'),
    pid,
    ppid: Number(columns[1]),
    pgid: Number(columns[2]),
    sid: Number(columns[3]),
    tty: Number(columns[4]),
    vpid: last('NSpid'),
    vpgid: last('NSpgid'),
    uid: Number(status.get('Uid')?.split('\t')[1]),
    gid: Number(status.get('Gid')?.split('\t')[1]),
    capabilities: (which: string) => capabilityNames(BigInt(`0x${status.get(which)}`)),
    threads: Number(status.get('Threads')),
    fileLimit: Number(/^Max open files +(\d+)/m.exec(proc(pid, 'limits'))?.[1]),
    cgroupOf: (subsystem: string) => cgroupIn(proc(pid, 'cgroup'), subsystem),
    image: statSync(`/proc/${pid}/exe`, { bigint: true }),
  };
}

/** Where /proc says a process is; what has no hierarchy of its own is in the unified one. */
function cgroupIn(text: string, subsystem: string): string | undefined {
  const lines = text.trimEnd().split('\n');
  const names = subsystem === 'io' ? ['io', 'blkio'] : [subsystem];
  const own = lines.find((line) =>
    line
      .split(':')[1]
      ?.split(',')
      .some((one) => names.includes(one)),
  );
  return (own ?? lines.find((line) => line.startsWith('0::')))?.split(':').slice(2).join(':');
}

/** Names from the kernel's own header. */
const CAPABILITIES = new Map(
  [
    ...readFileSync('/usr/include/linux/capability.h', 'utf8').matchAll(
      /^#define (CAP_\w+)\s+(\d+)$/gm,
    ),
  ].map(([, name = '', bit]) => [Number(bit), name]),
);
const capabilityNames = (mask: bigint) =>
  [...CAPABILITIES]
    .filter(([bit]) => (mask >> BigInt(bit)) & 1n)
    .map(([, name]) => name)
    .sort();

const accountName = (file: string, id: number) =>
  readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([, , number]) => Number(number) === id)?.[0];

/** What the fields must say of a process that is known to /proc. */
function truthOf(pid: number): Record<string, unknown> {
  const own = factsOf(pid);
  const parent = factsOf(own.ppid);
  const login = (() => {
    try {
      return Number(proc(pid, 'loginuid')) | 0;
    } catch {
      return -1;
    }
  })();
  const truth: Record<string, unknown> = {
    'proc.name': own.comm,
    'proc.exe': own.exe,
    'proc.exepath': own.exePath,
    'proc.args': own.args,
    'proc.cmdline': own.cmdline,
    'proc.cmdnargs': own.argv.length - 1,
    'proc.cwd': own.cwd === '/' ? '/' : `${own.cwd}/`,
    'proc.pid': own.pid,
    'proc.ppid': own.ppid,
    'proc.vpid': own.vpid,
    'proc.sid': own.sid,
    'proc.pgid': own.pgid,
    'proc.vpgid': own.vpgid,
    'proc.tty': own.tty,
    'proc.is_sid_leader': own.sid === own.pid,
    'proc.is_pgid_leader': own.pgid === own.pid,
    'proc.pname': parent.comm,
    'proc.pexe': parent.exe,
    'proc.pexepath': parent.exePath,
    'proc.pcmdline': parent.cmdline,
    'proc.exe_ino': Number(own.image.ino),
    'proc.exe_ino.mtime': own.image.mtimeNs,
    'proc.exe_ino.ctime': own.image.ctimeNs,
    'user.uid': own.uid,
    'user.name': accountName('/etc/passwd', own.uid) ?? '<NA>',
    'user.loginuid': login,
    'group.gid': own.gid,
    'group.name': accountName('/etc/group', own.gid) ?? '<NA>',
    'thread.cap_effective': own.capabilities('CapEff'),
    'thread.cap_permitted': own.capabilities('CapPrm'),
    'thread.cap_inheritable': own.capabilities('CapInh'),
    'proc.fdlimit': own.fileLimit,
    'proc.nthreads': own.threads,
    'proc.nchilds': own.threads - 1,
    'thread.vtid': own.vpid,
    'thread.cgroup[memory]': own.cgroupOf('memory'),
    'thread.cgroup[cpuset]': own.cgroupOf('cpuset'),
    'thread.cgroups': ['cpuset', 'cpu', 'cpuacct', 'io', 'memory']
      .map((name) => `${name}=${own.cgroupOf(name)}`)
      .join(' '),
  };
  let one = own;
  for (let level = 1; level <= DEPTH && one.ppid > 1; level++) {
    one = factsOf(one.ppid);
    truth[`proc.aname[${level}]`] = one.comm;
    truth[`proc.apid[${level}]`] = one.pid;
    truth[`proc.aexe[${level}]`] = one.exe;
    truth[`proc.aexepath[${level}]`] = one.exePath;
    truth[`proc.acmdline[${level}]`] = one.cmdline;
  }
  return truth;
}

/** How a field's value is compared: numbers of any width as text, capabilities as sets. */
const shape = (name: string, value: unknown): unknown => {
  if (name.startsWith('thread.cap_'))
    return Array.isArray(value)
      ? value
      : String(value ?? '')
          .split(' ')
          .filter(/^CAP_/.test.bind(/^CAP_/))
          .sort();
  if (typeof value === 'bigint' || typeof value === 'number') return String(value);
  // Of arguments 4 KiB are kept, and an ancestor can have more.
  return typeof value === 'string' && name.includes('cmdline') ? value.slice(0, 4000) : value;
};

describe('fields beside the truth', { skip: skipLive }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-truth-'));
  const truth = join(folder, 'truth');
  const running = new Set<ChildProcess>();
  let live: LiveEngine;

  before(async () => {
    // Other users must come in.
    chmodSync(folder, 0o755);
    execFileSync('cc', [
      '-O1',
      '-static',
      '-w',
      '-o',
      truth,
      join(import.meta.dirname, '../../../test/engine/truth.c'),
    ]);
    live = new LiveEngine(RULES);
    await live.engine.ready;
  });

  after(async () => {
    for (const one of running) one.stdin?.end();
    await live?.engine.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const mark = (name: string) => {
    const path = join(folder, `truth-${name}`);
    writeFileSync(path, name);
    return path;
  };

  function play(steps: readonly string[], options: { cwd?: string } = {}) {
    const child = spawn(truth, steps, { cwd: '/', stdio: ['pipe', 'pipe', 'inherit'], ...options });
    running.add(child);
    return child;
  }

  /** Plays the steps, then compares every field that /proc knows. Returns what was told. */
  async function compare(
    name: string,
    steps: readonly string[],
    options: { cwd?: string; also?: Record<string, unknown>; but?: readonly string[] } = {},
  ) {
    const path = mark(name);
    const child = play([...steps, 'open', path], options.cwd ? { cwd: options.cwd } : {});
    const { output_fields: told } = await live.until(
      'open',
      (fields) => fields['fd.name'] === path,
    );
    const expected = { ...truthOf(Number(told['proc.pid'])), ...options.also };
    for (const left of options.but ?? []) delete expected[left];
    assertFields(told, expected);
    child.stdin.end();
    return told;
  }

  function assertFields(told: Alert['output_fields'], expected: Record<string, unknown>) {
    const pick = (values: Record<string, unknown>) =>
      Object.fromEntries(
        Object.keys(expected).map((field) => [field, shape(field, values[field])]),
      );
    assert.deepEqual(pick(told), pick(expected));
  }

  const CASES: Readonly<Record<string, readonly string[]>> = {
    plain: [],
    'own-session': ['session'],
    'own-group': ['child', 'group'],
    'own-terminal': ['child', 'terminal', 'exec', truth],
    'deep-ancestry': ['child', 'exec', truth, 'child', 'exec', truth, 'child'],
    'pid-namespace-forked': ['pid-namespace'],
    'pid-namespace': ['pid-namespace', 'exec', truth],
    'pid-namespace-group': ['pid-namespace', 'child', 'group'],
    'other-user': ['ids', '1', '1'],
    'other-user-after-exec': ['ids', '1', '2', 'exec', truth],
    login: ['child', 'login', '1234', 'exec', truth],
    'other-folder': ['cd', '/usr'],
  };
  for (const [name, steps] of Object.entries(CASES))
    it(name, async () => void (await compare(name, steps)));

  it('a folder of its own, and one that it leaves', async () => {
    const cwd = join(folder, 'some where');
    mkdirSync(cwd);
    assert.equal((await compare('cwd', [], { cwd }))['proc.cwd'], `${cwd}/`);
  });

  it('the file: number, inode, device, kind, flags', async () => {
    const path = mark('file');
    const child = play(['open', path]);
    const { output_fields: told } = await live.until(
      'open',
      (fields) => fields['fd.name'] === path,
    );
    const { ino, dev } = statSync(path);
    const numbers = execFileSync('ls', ['-l', `/proc/${told['proc.pid']}/fd`], {
      encoding: 'utf8',
    });
    assert.match(numbers, new RegExp(`${told['fd.num']} -> ${path}\\n`));
    assertFields(told, {
      'fd.nameraw': path,
      'fd.directory': folder,
      'fd.filename': 'truth-file',
      'fd.path.real': path,
      'fd.type': 'file',
      'fd.typechar': 'f',
      'fd.ino': ino,
      'fd.dev': dev.toString(16).toUpperCase(),
      'fd.dev.major': (dev >> 8) & 0xfff,
      'fd.dev.minor': (dev & 0xff) | ((dev >>> 12) & 0xfff00),
    });
    child.stdin.end();
  });

  it('arguments as no shell gives them', async () => {
    for (const kind of ['odd', 'none']) {
      const path = mark(kind);
      const child = play(['arguments', kind, truth, path]);
      const { output_fields: told } = await live.until(
        'open',
        (fields) => fields['fd.name'] === path,
      );
      const pid = Number(told['proc.pid']);
      const expected = truthOf(pid);
      // Alerts carry text, in which bytes that are none are shown as such.
      for (const field of ['proc.exe', 'proc.args', 'proc.cmdline', 'proc.cmdnargs'])
        delete expected[field];
      assertFields(told, expected);
      const argv = factsOf(pid).argv;
      if (kind === 'none')
        assert.deepEqual([told['proc.exe'], told['proc.args'], told['proc.cmdnargs']], ['', '', 0]);
      else assert.equal(told['proc.cmdnargs'], argv.length - 1);
      if (kind === 'odd') assert.equal(told['proc.exe'], argv[0]);
      child.stdin.end();
    }
  });

  it('arguments that a process has written over, without any NUL', async () => {
    const path = mark('title');
    const child = play(['title', path]);
    await live.until('open', (fields) => fields['fd.name'] === path);
    const facts = readProcess(child.pid ?? 0);
    assert.match(facts?.argv ?? '', /^x{100,4096}$/);
    const tree = quietTree({ list: () => [child.pid ?? 0], read: () => facts });
    tree.bootstrap();
    const { exe = '', args, argumentList } = tree.get(child.pid ?? 0) ?? {};
    assert.deepEqual([exe, args, argumentList], [facts?.argv, '', []]);
    child.stdin.end();
  });

  it('arguments beyond the 4 KiB that are kept', async () => {
    const path = mark('much');
    const child = play(['arguments', 'much', truth, path]);
    const { output_fields: told } = await live.until(
      'open',
      (fields) => fields['fd.name'] === path,
    );
    assert.equal(told['proc.exe'], 'much');
    assert.match(String(told['proc.args']), /^x{4000,4096}$/);
    child.stdin.end();
  });

  it('a program at the end of a long path', async () => {
    let deep = folder;
    while (deep.length < 3500) deep = join(deep, 'd'.repeat(200));
    mkdirSync(deep, { recursive: true });
    const program = join(deep, 'truth');
    const told = await compare('long', ['copy', truth, program, 'exec', program]);
    assert.equal(told['proc.exepath'], program);
  });

  it('programs of the two layers of an overlay', async () => {
    const lower = join(folder, 'lower');
    const at = join(folder, 'at');
    mkdirSync(lower);
    mkdirSync(at);
    execFileSync('cp', [truth, join(lower, 'truth')]);
    const stage = ['overlay', lower, at];
    // /proc shows inodes and times of its own for what lies on an overlay.
    const but = ['proc.exe_ino', 'proc.exe_ino.mtime', 'proc.exe_ino.ctime'];
    const flags = (isUpper: boolean) => ({
      'proc.is_exe_upper_layer': isUpper,
      'proc.is_exe_lower_layer': !isUpper,
      'proc.is_exe_from_memfd': false,
      'proc.is_exe_deleted': false,
    });
    await compare('lower', [...stage, 'exec', join(at, 'truth')], { but, also: flags(false) });
    const copy = join(at, 'copy');
    await compare('upper', [...stage, 'copy', truth, copy, 'exec', copy], {
      but,
      also: flags(true),
    });
  });

  it('both ends of connections, and who serves', async () => {
    for (const [kind, address, type, letter] of [
      ['tcp4', '127.0.0.1', 'ipv4', '4'],
      ['tcp6', '::1', 'ipv6', '6'],
    ] as const) {
      const child = play(['connect', kind]);
      let text = '';
      child.stdout.on('data', (chunk) => {
        text += chunk;
      });
      await waitFor('the ports', () => text.endsWith('\n'));
      const [pid, clientPort, serverPort, fd] = text.split(' ').map(Number);
      for (const evt of ['connect', 'accept']) {
        const { output_fields: told } = await live.until(
          'socket',
          (fields) => fields['proc.pid'] === pid && fields['evt.type'] === evt,
        );
        const isClient = evt === 'connect';
        assertFields(told, {
          'fd.name': `${address}:${clientPort}->${address}:${serverPort}`,
          'fd.type': type,
          'fd.typechar': letter,
          'fd.l4proto': 'tcp',
          'fd.cip': address,
          'fd.sip': address,
          'fd.cport': clientPort,
          'fd.sport': serverPort,
          'fd.lport': isClient ? clientPort : serverPort,
          'fd.rport': isClient ? serverPort : clientPort,
          'fd.is_server': !isClient,
          ...(isClient && { 'fd.num': fd }),
        });
      }
      child.stdin.end();
    }
  });

  it('which call made a process', async () => {
    const child = play(['vfork', 'child']);
    const { output_fields: told } = await live.until(
      'made',
      (fields) => fields['proc.pid'] === child.pid && fields['evt.type'] !== 'clone',
    );
    assert.deepEqual([told['evt.type'], told['syscall.type']], ['vfork', 'vfork']);
    await live.until(
      'made',
      (fields) => fields['proc.pid'] === child.pid && fields['evt.type'] === 'clone',
    );
    child.stdin.end();
  });

  it('no name for what has none', async () => {
    const child = play(['nameless', 'truth']);
    const next = async (type: string, fits: (fields: Alert['output_fields']) => boolean) =>
      (await live.until('nameless', (fields) => fields['evt.type'] === type && fits(fields)))
        .output_fields;
    const pipe = await next('dup2', () => true);
    assert.deepEqual([pipe['fd.type'], pipe['fd.name'], pipe['fd.num']], ['pipe', '', 20]);
    assert.equal((await next('recvfrom', () => true))['fd.name'], 'truth');
    const packet = await next('socket', (fields) => fields['evt.arg.domain'] === 'AF_PACKET');
    assert.equal(packet['evt.arg.proto'], '768');
    child.stdin.end();
  });

  it('a unix socket by its path', async () => {
    const path = join(folder, 'socket');
    const child = play(['local', path]);
    const { output_fields: told } = await live.until(
      'socket',
      (fields) => fields['fd.name'] === path,
    );
    assertFields(told, { 'fd.type': 'unix', 'fd.typechar': 'u', 'evt.type': 'connect' });
    child.stdin.end();
  });
});
