import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  EVENT_FAULT,
  EVENT_FILE_CREATED,
  EVENT_FROM_FD,
  EVENT_REAL_SAME,
  execLayout,
  forkLayout,
} from '@tocsin/native';
import { kernelEventSource } from '../../src/events/fields/source.ts';
import { contextOf, get, quietTree } from './fields.ts';
import {
  call,
  eventOf,
  exec,
  exit,
  failedExec,
  fork,
  onPath,
  onPaths,
  open,
  rawCall,
  socket,
} from './records.ts';

const O = {
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  TRUNC: 0o1000,
  CLOEXEC: 0o2000000,
  DIRECTORY: 0o200000,
};

/** Evaluates many fields of one record after the state saw it. */
function fieldsOf(bytes: Buffer, expected: Record<string, unknown>): void {
  const tree = quietTree();
  const event = eventOf(bytes);
  event.process = tree.apply(event);
  const found = Object.fromEntries(
    Object.keys(expected).map((name) => [name, get(event, name, tree)]),
  );
  assert.deepEqual(found, expected);
}

describe('what a process may and what it uses', () => {
  const usage = (bytes: Buffer, at: number) => {
    [1024, 3, 500, 9000, 3000, 12].forEach((value, index) => {
      bytes.writeUInt32LE(value, at + 4 * index);
    });
    return bytes;
  };

  it('is told at exec and fork, and for the main thread', () => {
    const tree = quietTree();
    const program = eventOf(usage(exec({}, { argv: ['a'] }), execLayout.usage));
    program.process = tree.apply(program);
    const expected = {
      'proc.fdlimit': 1024,
      'proc.vmsize': 9000,
      'proc.vmrss': 3000,
      'proc.vmswap': 12,
      'thread.pfmajor': 3,
      'thread.pfminor': 500,
      'thread.vmsize': 9000,
      'thread.vmrss.b': 3000 * 1024,
      'evt.arg.fdlimit': '1024',
      'evt.arg.pgft_min': '500',
      'evt.arg.vm_swap': '12',
    };
    for (const [name, value] of Object.entries(expected))
      assert.equal(get(program, name, tree), value, name);
    const thread = eventOf(open('/x', {}, { tid: 101 }));
    thread.process = tree.apply(thread);
    assert.equal(get(thread, 'thread.vmsize', tree), 0);
    assert.equal(get(thread, 'proc.vmsize', tree), 9000);
    const child = eventOf(usage(fork({}, { tgid: 200, start: 600 }), forkLayout.usage));
    tree.apply(child);
    assert.equal(tree.get(200)?.usage.minorFaults, 500);
  });

  it('a limit that was not seen is missing, and so is a number in an unknown namespace', () => {
    fieldsOf(open('/x'), { 'proc.fdlimit': undefined, 'thread.vtid': undefined });
    fieldsOf(open('/x', {}, { vtid: 7, threads: 3 }), {
      'thread.vtid': 7,
      'proc.nthreads': 3,
      'proc.nchilds': 2,
    });
  });

  it('capabilities are those after the call, of the thread that made it', () => {
    const tree = quietTree();
    const first = eventOf(exec({}, { argv: ['a'] }, 'cat', { capEffective: 6n, capPermitted: 7n }));
    first.process = tree.apply(first);
    const sets = [0n, 0n, 0n, 3n, 1n, 0n];
    const apply = (bytes: Buffer) => {
      const event = eventOf(bytes);
      event.process = tree.apply(event);
      return event;
    };
    const failed = apply(rawCall('capset', sets, { result: -1 }));
    assert.equal(get(failed, 'thread.cap_effective', tree), 'CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH');
    const other = apply(rawCall('capset', sets, { tid: 101 }));
    assert.equal(get(other, 'thread.cap_effective', tree), 'CAP_CHOWN');
    assert.equal(first.process.capEffective, 6n);
    const own = apply(rawCall('capset', sets));
    assert.equal(
      get(own, 'evt.args', tree),
      'res=0 cap_inheritable=0 cap_permitted=3 cap_effective=1 ',
    );
    assert.equal(get(own, 'thread.cap_permitted', tree), 'CAP_CHOWN CAP_DAC_OVERRIDE');
    assert.equal(get(apply(open('/x')), 'thread.cap_effective', tree), 'CAP_CHOWN');
    const child = apply(fork({}, { tgid: 200, start: 600, capEffective: 2n }));
    assert.equal(child.process.capEffective, 1n);
    assert.equal(tree.get(200)?.capEffective, 2n);
  });
});

describe('times between events', () => {
  it('count from the event that was last looked at, once for each event', () => {
    const extract = kernelEventSource(contextOf()).bind({
      definition: { name: 'evt.deltatime', type: 'reltime', description: '' },
    });
    const at = (number: number, time: bigint) => {
      const event = eventOf(open('/x', {}, { time }));
      event.number = number;
      return extract?.(event);
    };
    assert.deepEqual(
      [at(1, 5n), at(2, 2_000_000_005n), at(2, 2_000_000_005n), at(9, 2_000_000_000n), at(10, 7n)],
      [0, 2_000_000_000, 2_000_000_000, 0, 0],
    );
  });
});

describe('opens', () => {
  it('tells flags, mode and path as Falco does', () => {
    fieldsOf(
      open(
        '/etc/../etc//shadow',
        { openFlags: O.WRONLY | O.CREAT | O.TRUNC | O.CLOEXEC, mode: 0o644, inode: 77 },
        { flags: EVENT_FILE_CREATED },
      ),
      {
        'evt.type': 'openat',
        'evt.res': 'SUCCESS',
        'evt.is_open_write': true,
        'evt.is_open_read': false,
        'evt.is_open_exec': false,
        'evt.is_open_create': true,
        'evt.arg.flags': 'O_TRUNC|O_CREAT|O_WRONLY|O_CLOEXEC|O_F_CREATED',
        'evt.rawarg.flags': 2 | 4 | 256 | 4096 | (1 << 14),
        'evt.arg.name': '/etc/shadow',
        'evt.arg[0]': '<f>/etc/shadow',
        'evt.args':
          'fd=3(<f>/etc/shadow) dirfd=-100(AT_FDCWD) name=/etc/../etc//shadow(/etc/shadow) flags=20742(O_TRUNC|O_CREAT|O_WRONLY|O_CLOEXEC|O_F_CREATED) mode=0644 dev=0 ino=77 ',
        'fd.num': 3,
        'fd.name': '/etc/shadow',
        'fd.nameraw': '/etc/../etc/shadow',
        'fd.directory': '/etc',
        'fd.filename': 'shadow',
        'fd.type': 'file',
        'fd.typechar': 'f',
        'fd.ino': 77,
        'fs.path.name': '/etc/shadow',
        'fd.sip': undefined,
        'fd.connected': false,
      },
    );
  });

  it('reads and writes at once with O_RDWR, and prints only that name', () => {
    fieldsOf(open('/x', { openFlags: O.RDWR }), {
      'evt.is_open_read': true,
      'evt.is_open_write': true,
      'evt.arg.flags': 'O_RDWR',
      'fd.directory': '/',
    });
  });

  it('resolves relative paths from their directory and keeps what the kernel opened', () => {
    fieldsOf(open('../run/x', { openFlags: 0 }, {}, '/var/lib', '/run/x'), {
      'fd.name': '/var/run/x',
      'fd.nameraw': '../run/x',
      'fd.path.real': '/run/x',
    });
    fieldsOf(open('/run/x', {}, { flags: EVENT_REAL_SAME }), { 'fd.path.real': '/run/x' });
    fieldsOf(open('x', { dirfd: 9 }), { 'fd.name': '<UNKNOWN>x' });
  });

  it('shows what was opened when the path was gone from memory at the end of the call', () => {
    fieldsOf(open('', {}, { flags: EVENT_FAULT }, '/home/bob', '/etc/shadow'), {
      'fd.name': '/etc/shadow',
      'evt.arg.name': '/etc/shadow',
      'fd.directory': '/etc',
    });
    fieldsOf(open('', {}, { flags: EVENT_FAULT, result: -14n }, '/home/bob'), {
      'fd.name': '/home/bob',
    });
  });

  it('has a folder and a file name for the root and for what has no folder', () => {
    fieldsOf(open('/', {}), { 'fd.filename': '/', 'fd.directory': '/' });
    fieldsOf(open('x', { dirfd: 9 }, { result: -9n }), { 'fd.directory': '/' });
  });

  it('opens directories as directories only when asked to', () => {
    fieldsOf(open('/etc/', { openFlags: O.DIRECTORY }), {
      'fd.type': 'directory',
      'fd.typechar': 'd',
      'fd.directory': '/etc',
      'fd.filename': undefined,
      'evt.arg.flags': 'O_DIRECTORY|O_RDONLY|O_TMPFILE',
    });
  });

  it('takes the path of a failed open from its arguments', () => {
    const failed = { result: -13n };
    fieldsOf(open('/etc/shadow', {}, failed), {
      'evt.res': 'EACCES',
      'evt.rawres': -13,
      'evt.failed': true,
      'fd.num': -1,
      'fd.name': '/etc/shadow',
      'fd.filename': undefined,
      'fd.typechar': 'f',
      'evt.arg.fd': 'EACCES',
      'fs.path.name': undefined,
    });
    fieldsOf(open('/etc/shadow', {}, { ...failed, syscall: 2 }), { 'fd.typechar': 'o' });
  });
});

describe('calls on paths', () => {
  it('shows chmod modes by name', () => {
    fieldsOf(onPath('fchmodat', 'bin/x', { mode: 0o4755 }, {}, '/tmp'), {
      'evt.arg.mode': 'S_IXOTH|S_IROTH|S_IXGRP|S_IRGRP|S_IXUSR|S_IWUSR|S_IRUSR|S_ISUID',
      'evt.arg.filename': '/tmp/bin/x',
      'fd.name': undefined,
      'fd.num': undefined,
      'fs.path.name': '/tmp/bin/x',
    });
    fieldsOf(onPath('fchmod', '', { mode: 0, fd: 5 }, { flags: EVENT_FROM_FD }, '', '/tmp/y'), {
      'fd.num': 5,
      'fd.name': '/tmp/y',
      'evt.arg.fd': '<f>/tmp/y',
      'evt.arg.mode': '0',
    });
  });

  it('has both sides of renames and links', () => {
    fieldsOf(onPaths('renameat2', ['a', '/x', 'b', '/y', ''], { callFlags: 2 }), {
      'evt.arg.oldpath': '/x/a',
      'evt.arg.newpath': '/y/b',
      'evt.arg.flags': 'RENAME_EXCHANGE',
      'fs.path.source': '/x/a',
      'fs.path.target': '/y/b',
      'fs.path.sourceraw': 'a',
      'evt.abspath[dst]': '/y/b',
    });
  });

  it('calls the new name of a hard link the source, as of a symlink', () => {
    fieldsOf(onPaths('linkat', ['a', '/x', 'b', '/y', '']), {
      'fs.path.source': '/y/b',
      'fs.path.sourceraw': 'b',
      'fs.path.target': '/x/a',
      'fs.path.targetraw': 'a',
      'evt.arg.oldpath': '/x/a',
    });
  });

  it('leaves the text of a symlink alone, and tells where it leads', () => {
    const tree = quietTree();
    const cwd = eventOf(exec({}, { cwd: '/srv/www' }));
    tree.apply(cwd);
    const event = eventOf(onPaths('symlinkat', ['../etc', '', 'link', '/tmp', '']));
    event.process = tree.apply(event);
    const told = Object.fromEntries(
      [
        'evt.arg.target',
        'evt.arg.linkpath',
        'fs.path.source',
        'fs.path.target',
        'fs.path.targetraw',
      ].map((name) => [name, get(event, name, tree)]),
    );
    assert.deepEqual(told, {
      'evt.arg.target': '../etc',
      'evt.arg.linkpath': '/tmp/link',
      'fs.path.source': '/tmp/link',
      'fs.path.target': '/srv/etc',
      'fs.path.targetraw': '../etc',
    });
  });

  it('of a number that is no open fd tells no more than the number', () => {
    fieldsOf(onPath('fchdir', '', { fd: 99 }, { flags: EVENT_FROM_FD, result: -9n }), {
      'fd.num': 99,
      'fd.name': '',
      'fd.type': undefined,
      'fd.typechar': 'o',
      'fd.directory': undefined,
      'evt.arg.fd': '99',
    });
    fieldsOf(rawCall('fcntl', [999, 0], { result: -9n }), {
      'fd.typechar': 'o',
      'evt.args': 'res=-9(EBADF) fd=999 cmd=1(F_DUPFD) ',
    });
  });
});

const V4 = { local: [10, 0, 0, 5], remote: [93, 184, 216, 34] };
const address = (...bytes: number[]): string => String.fromCharCode(...bytes);

describe('sockets', () => {
  it('makes the caller of connect the client', () => {
    fieldsOf(
      socket(
        'connect',
        { fd: 4, family: 2, type: 1, protocol: 6, localPort: 40000, remotePort: 443 },
        V4,
        { result: -115n },
      ),
      {
        'evt.res': 'EINPROGRESS',
        'fd.num': 4,
        'fd.name': '10.0.0.5:40000->93.184.216.34:443',
        'fd.type': 'ipv4',
        'fd.typechar': '4',
        'fd.l4proto': 'tcp',
        'fd.sockfamily': 'ip',
        'fd.connected': true,
        'fd.sip': address(93, 184, 216, 34),
        'fd.cip': address(10, 0, 0, 5),
        'fd.lip': address(10, 0, 0, 5),
        'fd.rip': address(93, 184, 216, 34),
        'fd.sport': 443,
        'fd.lport': 40000,
        'fd.rport': 443,
        'fd.ip': [address(10, 0, 0, 5), address(93, 184, 216, 34)],
        'fd.port': [40000, 443],
        'fd.is_server': false,
        'fd.sproto': 'https',
      },
    );
  });

  it('gives a refused connect no ends', () => {
    fieldsOf(
      socket('connect', { fd: 4, family: 2, type: 1, protocol: 6, remotePort: 443 }, V4, {
        result: -111n,
      }),
      {
        'fd.name': '',
        'fd.sip': undefined,
        'fd.l4proto': '<NA>',
        'fd.connected': false,
        'fd.typechar': '4',
        'evt.arg.tuple': '10.0.0.5:0->93.184.216.34:443',
        'evt.arg.addr': '93.184.216.34:443',
      },
    );
  });

  it('makes the caller of accept the server, and mapped addresses IPv4', () => {
    const mapped = (last: number[]) => [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...last];
    fieldsOf(
      socket(
        'accept4',
        { fd: 3, family: 10, type: 1, protocol: 6, localPort: 22, remotePort: 5000 },
        { local: mapped(V4.local), remote: mapped(V4.remote) },
        { result: 7n },
      ),
      {
        'fd.num': 7,
        'fd.type': 'ipv4',
        'fd.name': '93.184.216.34:5000->10.0.0.5:22',
        'fd.sip': address(10, 0, 0, 5),
        'fd.is_server': true,
      },
    );
  });

  it('shows a listening socket by its one address', () => {
    fieldsOf(
      socket(
        'listen',
        { fd: 3, family: 2, type: 1, protocol: 6, localPort: 8080 },
        { local: [0, 0, 0, 0] },
      ),
      {
        'fd.name': '0.0.0.0:8080',
        'fd.sport': 8080,
        'fd.cip': undefined,
        'fd.rip': undefined,
      },
    );
  });

  it('knows a peer that has an address and no port, as pings do', () => {
    const own = { fd: 3, family: 2, type: 3, protocol: 1, localPort: 1, fromUser: 1 };
    fieldsOf(socket('sendto', own, { remote: [1, 2, 3, 4] }, { result: 8n }), {
      'fd.name': '0.0.0.0:1->1.2.3.4:0',
      'fd.sip': address(1, 2, 3, 4),
      'fd.rip': address(1, 2, 3, 4),
      'fd.connected': true,
      'fd.l4proto': 'raw',
    });
  });

  it('shows the first bytes of a message, printable in its argument', () => {
    const own = { fd: 3, family: 2, type: 1, protocol: 6, messageSize: 4096 };
    const data = '\xca\xfe\xba\xbe ok';
    fieldsOf(socket('recvfrom', own, V4, { result: 7n }, ['', '', data]), {
      'evt.buffer': data,
      'evt.arg.data': '.... ok',
    });
    fieldsOf(socket('recvfrom', own, V4, { result: -11n }), { 'evt.buffer': undefined });
    fieldsOf(socket('connect', own, V4, {}, ['', '', 'x']), { 'evt.buffer': undefined });
  });

  it('shows unix sockets by path and names socket domains', () => {
    fieldsOf(socket('connect', { fd: 3, family: 1, type: 1 }, {}, {}, ['', '/run/docker.sock']), {
      'fd.name': '/run/docker.sock',
      'fd.typechar': 'u',
      'fd.sockfamily': 'unix',
    });
    fieldsOf(socket('socket', { family: 17, type: 3 }, {}, { result: 5n }), {
      'evt.arg.domain': 'AF_PACKET',
      'fd.num': 5,
      'fd.typechar': 'o',
    });
    fieldsOf(socket('socket', { family: 17, type: 3, messageSize: 768 }, {}, { result: 5n }), {
      'evt.args': 'fd=5(<o>) domain=17(AF_PACKET) type=3 proto=768 ',
    });
    fieldsOf(socket('socket', { family: 1, type: 1 }, {}, { result: 5n }), {
      'evt.arg.domain': 'AF_LOCAL|AF_UNIX',
    });
  });
});

describe('raw calls', () => {
  it('names ptrace requests and bpf commands', () => {
    fieldsOf(rawCall('ptrace', [0x4205, 55]), {
      'evt.arg.request': 'PTRACE_SETREGSET',
      'evt.arg.pid': '55',
    });
    fieldsOf(rawCall('ptrace', [99]), { 'evt.arg.request': 'PTRACE_UNKNOWN' });
    fieldsOf(rawCall('bpf', [10], { result: 4n }), {
      'evt.arg.cmd': 'BPF_PROG_TEST_RUN|BPF_PROG_RUN',
      'evt.rawarg.cmd': 10,
      'fd.type': 'bpf',
    });
    const kernel = rawCall('kexec_file_load', [5, -1], { result: -1n }, { fdMode: 0o100644 }, [
      'quiet',
      '/vmlinuz',
    ]);
    fieldsOf(kernel, {
      'fd.name': '/vmlinuz',
      'evt.args': 'res=-1(EPERM) fd=5(<f>/vmlinuz) initrd_fd=-1 cmdline=quiet ',
    });
    fieldsOf(rawCall('unshare', [0x10000000 | 0x20000]), {
      'evt.arg.flags': 'CLONE_NEWNS|CLONE_NEWUSER',
    });
  });

  it('shows a duplicated socket with its ends', () => {
    const bytes = rawCall(
      'dup2',
      [4, 0],
      { result: 0n },
      {
        fdFamily: 2,
        fdType: 1,
        fdProtocol: 6,
        fdLocalPort: 40000,
        fdRemotePort: 4444,
        fdMode: 0o140777,
      },
    );
    bytes.set([10, 0, 0, 5], 152);
    bytes.set([1, 2, 3, 4], 168);
    fieldsOf(bytes, {
      'fd.num': 0,
      'fd.type': 'ipv4',
      'fd.name': '10.0.0.5:40000->1.2.3.4:4444',
      'fd.rip': address(1, 2, 3, 4),
      'fd.l4proto': 'tcp',
      'evt.arg.oldfd': '<4t>10.0.0.5:40000->1.2.3.4:4444',
      'evt.arg.newfd': '<4t>10.0.0.5:40000->1.2.3.4:4444',
    });
    fieldsOf(rawCall('dup2', [998, 3], { result: -9n }), {
      'evt.args': 'res=-9(EBADF) oldfd=998 newfd=3 ',
    });
  });

  it('has the names that Falco gives to events, beside those of the calls', () => {
    fieldsOf(
      rawCall('pwrite64', [3, 0, 5], { result: 5n }, { fdMode: 0o100644 }, ['hello', '/x']),
      {
        'evt.type': 'pwrite',
        'syscall.type': 'pwrite64',
        'evt.is_io_write': true,
        'evt.buffer': 'hello',
        'fd.name': '/x',
        'evt.arg.size': '5',
      },
    );
  });

  it('shows users by name', () => {
    fieldsOf(rawCall('setuid', [1000], { euid: 1000 }), {
      'evt.arg.uid': 'bob',
      'user.uid': 1000,
      'user.name': 'bob',
      'evt.args': 'res=0 uid=1000(bob) ',
    });
    fieldsOf(rawCall('setuid', [0]), { 'evt.arg.uid': 'root', 'user.name': 'root' });
    fieldsOf(rawCall('setuid', [42], { euid: 42, egid: 42 }), {
      'user.name': '<NA>',
      'group.name': '<NA>',
    });
  });
});

describe('processes', () => {
  it('has the new image at exec, and the old one at a failed exec', () => {
    fieldsOf(
      exec(
        { tgid: 200 },
        {
          filename: './x',
          exePath: '/usr/bin/x',
          cwd: '/tmp',
          argv: ['./x', '-a', ''],
          env: ['A=1', 'B=2'],
        },
        'x',
        { tty: 34816, vprocessGroup: 100, session: 200 },
      ),
      {
        'evt.type': 'execve',
        'proc.name': 'x',
        'proc.exe': './x',
        'proc.exepath': '/usr/bin/x',
        'proc.args': '-a ',
        'proc.args[0]': '-a',
        'proc.args[1]': '',
        'proc.args[2]': undefined,
        'proc.cmdnargs': 2,
        'proc.cmdline': 'x -a ',
        'proc.cwd': '/tmp/',
        'proc.env': 'A=1 B=2',
        'proc.env[B]': '2',
        'proc.env[C]': '',
        'proc.tty': 34816,
        'proc.is_vpgid_leader': true,
        'evt.arg.flags': '0',
        'user.loginuid': -1,
        'proc.sname': 'x',
      },
    );
    fieldsOf(failedExec({}, '/no/such', ['/no/such', 'y'], 'sh'), {
      'evt.type': 'execve',
      'evt.res': 'ENOENT',
      'proc.name': 'sh',
      'evt.arg.filename': '/no/such',
      'evt.arg.args': 'y.',
    });
  });

  it('knows ancestors however many stand between', () => {
    const tree = quietTree();
    tree.apply(eventOf(exec({ tgid: 1000 }, {}, 'nginx')));
    const depth = 1500;
    for (let tgid = 1000; tgid < 1000 + depth; tgid++)
      tree.apply(eventOf(fork({ tgid, ppid: tgid - 1 }, { tgid: tgid + 1, start: 500 })));
    const last = 1000 + depth;
    const event = eventOf(exec({ tgid: last, ppid: last - 1 }, {}, 'sh'));
    event.process = tree.apply(event);
    assert.equal(get(event, `proc.apid[${depth}]`, tree), 1000);
    assert.ok([get(event, 'proc.apid', tree)].flat().includes(1000));
  });

  it('takes the highest of a session or group for its leader when the leader is gone', () => {
    const tree = quietTree();
    const own = { session: 300, processGroup: 300, vprocessGroup: 300 };
    tree.apply(eventOf(exec({ tgid: 300 }, {}, 'login', own)));
    tree.apply(eventOf(fork({ tgid: 300 }, { tgid: 301, start: 500 })));
    tree.apply(eventOf(exec({ tgid: 301, ppid: 300 }, {}, 'bash', own)));
    tree.apply(eventOf(fork({ tgid: 301, ppid: 300 }, { tgid: 302, start: 500 })));
    const leaders = (tgid: number) => {
      const event = eventOf(exec({ tgid, ppid: tgid - 1 }, {}, 'ls', own));
      event.process = tree.apply(event);
      return ['proc.sname', 'proc.pgid.name', 'proc.vpgid.name'].map((field) =>
        get(event, field, tree),
      );
    };
    assert.deepEqual(leaders(302), ['login', 'login', 'login']);
    tree.apply(eventOf(exit({ tgid: 300 }, {}, 'login')));
    assert.deepEqual(leaders(302), ['bash', 'bash', 'bash']);
  });

  it('names lifecycle events', () => {
    const child = { tgid: 101, start: 600, vpid: 101 };
    fieldsOf(fork({}, child), { 'evt.type': 'clone' });
    fieldsOf(fork({ syscall: call('vfork') }, child), {
      'evt.type': 'vfork',
      'syscall.type': 'vfork',
    });
    fieldsOf(exit({}), { 'evt.type': 'procexit', 'evt.res': undefined, 'evt.rawres': undefined });
  });
});
