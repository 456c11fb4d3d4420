import {
  EVENT_EXE_MEMFD,
  EVENT_EXE_OVERLAY,
  EVENT_EXE_UPPER,
  EVENT_EXE_WRITABLE,
  EVENT_EXEC,
  EVENT_FILE_CREATED,
  EVENT_FILE_OVERLAY,
  EVENT_FILE_UPPER,
  EVENT_FORK,
  exitLayout,
  forkLayout,
  openLayout,
  pathLayout,
  pathsLayout,
  socketLayout,
  usageLayout,
} from '@tocsin/native';
import type { ByteString } from '../rules/field.ts';
import type { Usage } from '../state/process.ts';
import { eventName } from './event-name.ts';
import { givenPath, mainPath, targetPath } from './event-path.ts';
import { fdName } from './file-descriptor.ts';
import {
  BPF_COMMANDS,
  CLONE_FLAGS,
  EPOLL_FLAGS,
  EXECVE_FLAGS,
  FCNTL_COMMANDS,
  FILE_FLAG,
  FILE_FLAGS,
  FSCONFIG_COMMANDS,
  fileFlags,
  LINKAT_FLAGS,
  MAP_FLAGS,
  MEMFD_FLAGS,
  MODES,
  MODULE_LOAD_FLAGS,
  MODULE_UNLOAD_FLAGS,
  MOUNT_FLAGS,
  OPEN,
  PIDFD_FLAGS,
  PRCTL_OPTIONS,
  PROTECTION_FLAGS,
  PTRACE_REQUESTS,
  RENAME_FLAGS,
  RESOLVE_FLAGS,
  SHUTDOWN_SIDES,
  SIGNALS,
  SOCKET_DOMAINS,
  UMOUNT_FLAGS,
  UNLINKAT_FLAGS,
} from './flag-names.ts';
import type { KernelEvent } from './kernel-event.ts';
import { messageData } from './message.ts';
import {
  absent,
  bytes,
  choice,
  convertedChoice,
  convertedFlags,
  flags,
  folderFd,
  group,
  hexadecimal,
  hexadecimalText,
  mode,
  newFd,
  type Parameter,
  path,
  plainly,
  processId,
  result,
  sameFd,
  socketAddress,
  tuple,
  usedFd,
  user,
} from './parameter.ts';

type Get<T> = (event: KernelEvent) => T;

const int =
  (n: number): Get<number> =>
  (event) =>
    event.intArgument(n);
const uint =
  (n: number): Get<number> =>
  (event) =>
    event.uintArgument(n);

/** The opens' word of flags with what the kernel added: created, overlay layer. */
export function openFlags(event: KernelEvent): number {
  let word = fileFlags(event.uint32(openLayout.openFlags));
  if (event.flags & EVENT_FILE_CREATED) word |= FILE_FLAG.CREATED;
  if (event.flags & EVENT_FILE_OVERLAY) {
    word |= event.flags & EVENT_FILE_UPPER ? FILE_FLAG.UPPER : FILE_FLAG.LOWER;
  }
  return word;
}

/** The permission bits asked for: none unless the call can create a file. */
export function openMode(event: KernelEvent): number {
  const given = event.uint32(openLayout.openFlags);
  const creates = eventName(event) === 'creat' || given & (OPEN.CREAT | OPEN.TMPFILE);
  return creates ? event.uint32(openLayout.mode) & 0o7777 : 0;
}

/** Falco's word of what is remarkable about the executable. */
function execFlags(bits: number): number {
  const layer = bits & EVENT_EXE_OVERLAY ? (bits & EVENT_EXE_UPPER ? 2 : 8) : 0;
  return (bits & EVENT_EXE_WRITABLE ? 1 : 0) | layer | (bits & EVENT_EXE_MEMFD ? 4 : 0);
}

const given = (name: string): Parameter => path(name, givenPath, mainPath);
const target = (name: string): Parameter => path(name, (event) => event.string(2), targetPath);
/** `at`: where the fd is; `base`: which string of the record is its folder. */
const directoryFd = (name: string, at: number, base = 1): Parameter =>
  folderFd(
    name,
    (event) => event.int32(at),
    (event) => event.string(base),
  );
const pathMode = (name = 'mode'): Parameter =>
  mode(name, (event) => event.uint32(pathLayout.mode), MODES);
const pathFlags = (names: Parameters<typeof flags>[1]): Parameter =>
  flags('flags', names, (event) => event.uint32(pathLayout.mode));
const owner = user('uid', (event) => event.uint32(pathLayout.owner));
const ownerGroup = group('gid', (event) => event.uint32(pathLayout.group));

const OPEN_FLAGS = flags('flags', FILE_FLAGS, openFlags);
const OPEN_MODE = mode('mode', openMode);
const DEVICE = hexadecimal('dev', (event) => event.uint32(openLayout.device));
const INODE = plainly('ino', (event) => event.unsigned64(openLayout.inode));
const OPEN_DIRFD = directoryFd('dirfd', openLayout.dirfd);
const PATH_DIRFD = directoryFd('dirfd', pathLayout.fd);
const MESSAGE_DATA = bytes('data', messageData);
const MESSAGE_SIZE = plainly('size', (event) => event.uint32(socketLayout.messageSize));
const CALL_FLAGS = plainly('flags', (event) => event.uint32(socketLayout.callFlags));

const isExec = (event: KernelEvent) => event.kind === EVENT_EXEC;

/** argv of the event, of the new image or of what a failed exec was asked to run: the first, and the rest as it lies in memory. */
function argv(event: KernelEvent): readonly [first: ByteString, rest: ByteString] {
  const text = event.string(3);
  const end = text.indexOf('\0');
  return end < 0 ? [text, ''] : [text.slice(0, end), text.slice(end + 1)];
}

/** What the new process or program uses; of a failed exec, what its caller did when it began. */
const used = (name: string, what: keyof Usage): Parameter =>
  plainly(name, (event) =>
    event.kind === EVENT_FORK
      ? event.uint32(forkLayout.usage + usageLayout[what])
      : event.process.usage[what],
  );

const USAGE = [
  used('fdlimit', 'fileLimit'),
  used('pgft_maj', 'majorFaults'),
  used('pgft_min', 'minorFaults'),
  used('vm_size', 'virtualKilobytes'),
  used('vm_rss', 'residentKilobytes'),
  used('vm_swap', 'swappedKilobytes'),
];

const EXEC_HEAD: readonly Parameter[] = [
  result(),
  plainly('exe', (event) => argv(event)[0]),
  bytes('args', (event) => argv(event)[1]),
  processId('tid', (event) => event.tid),
  processId('pid', (event) => event.tgid),
  processId('ptid', (event) => event.ppid),
  plainly('cwd', () => ''),
  ...USAGE,
  plainly('comm', (event) => event.process.comm),
  absent('cgroups'),
  bytes('env', (event) => event.process.environment),
  plainly('tty', (event) => event.process.tty),
  processId('vpgid', (event) => event.process.vprocessGroup),
  user('loginuid', (event) => event.auditUid),
  flags('flags', EXECVE_FLAGS, (event) =>
    execFlags(isExec(event) ? event.flags : event.process.exeFlags),
  ),
  hexadecimal('cap_inheritable', (event) => event.process.capInheritable),
  hexadecimal('cap_permitted', (event) => event.process.capPermitted),
  hexadecimal('cap_effective', (event) => event.process.capEffective),
  plainly('exe_ino', (event) => event.process.exeInode),
  plainly('exe_ino_ctime', (event) => event.process.exeChangeTime),
  plainly('exe_ino_mtime', (event) => event.process.exeModificationTime),
  user('uid', (event) => event.euid),
  plainly('trusted_exepath', (event) => event.process.exePath),
  processId('pgid', (event) => event.process.processGroup),
  group('gid', (event) => event.egid),
];

const OLD_NEW = [given('oldpath'), target('newpath')];
const LINK_DIRECTORIES = [
  directoryFd('olddir', pathsLayout.sourceFd),
  directoryFd('newdir', pathsLayout.targetFd, 3),
] as const;
const RENAME_DIRECTORIES = [
  directoryFd('olddirfd', pathsLayout.sourceFd),
  directoryFd('newdirfd', pathsLayout.targetFd, 3),
] as const;
const RENAMEAT = [
  result(),
  RENAME_DIRECTORIES[0],
  given('oldpath'),
  RENAME_DIRECTORIES[1],
  target('newpath'),
];
const callFlags: Get<number> = (event) => event.uint32(pathsLayout.callFlags);
const linkText = plainly('target', (event) => event.string(0));
const ACCEPT = [newFd(), tuple, ...['queuepct', 'queuelen', 'queuemax'].map(absent)];
const moduleText = plainly('uargs', (event) => event.string(0));
const RESULT = [result()];
const openFlagsOf = (n: number): Parameter =>
  flags(
    'flags',
    FILE_FLAGS,
    (event) => fileFlags(event.uintArgument(n) & ~OPEN.ACCESS) & ~FILE_FLAG.READ,
  );
/** The path argument of a call that is told by its raw arguments. */
const callPath = plainly('path', (event) => event.string(1));
const FIRST_DIRFD = folderFd('dirfd', int(0), () => '');
const TREE = [newFd(), FIRST_DIRFD, callPath, plainly('flags', uint(2))];
const otherProcess = processId('pid', int(0));
const SIGNAL = (n: number): Parameter => choice('sig', SIGNALS, int(n));
const DIRECTORY_MODE = hexadecimal('mode', (event) => event.uint32(pathLayout.mode));
/** Bits of a wait status. */
const CORE_DUMPED = 0x80;
const status: Get<number> = (event) => event.int32(exitLayout.status);

const FORK: readonly Parameter[] = [
  processId('res', (event) => event.uint32(forkLayout.tgid)),
  plainly('exe', (event) => event.process.exe),
  bytes('args', (event) => event.process.argumentList.map((one) => `${one}\0`).join('')),
  ...EXEC_HEAD.slice(3, 6),
  plainly('cwd', () => ''),
  ...USAGE,
  plainly('comm', (event) => event.process.comm),
  absent('cgroups'),
  absent('flags'),
  plainly('uid', (event) => event.euid),
  plainly('gid', (event) => event.egid),
  processId('vtid', (event) => event.vtid),
  processId('vpid', (event) => event.process.vpid),
  absent('pidns_init_start_ts'),
];

const TABLES: Readonly<Record<string, readonly Parameter[]>> = {
  execve: [...EXEC_HEAD, plainly('filename', (event) => event.string(0))],
  execveat: EXEC_HEAD,
  clone: FORK,
  clone3: FORK,
  fork: FORK,
  vfork: FORK,
  procexit: [
    plainly('status', status),
    plainly('ret', (event) => (status(event) >> 8) & 0xff),
    choice('sig', SIGNALS, (event) => status(event) & 0x7f),
    plainly('core', (event) => (status(event) & CORE_DUMPED) >>> 7),
    processId('reaper_tid', (event) => event.uint32(exitLayout.reaper)),
  ],
  open: [newFd(), given('name'), OPEN_FLAGS, OPEN_MODE, DEVICE, INODE],
  openat: [newFd(), OPEN_DIRFD, given('name'), OPEN_FLAGS, OPEN_MODE, DEVICE, INODE],
  openat2: [
    newFd(),
    OPEN_DIRFD,
    given('name'),
    OPEN_FLAGS,
    OPEN_MODE,
    convertedFlags('resolve', RESOLVE_FLAGS, (event) => event.uint32(openLayout.resolve)),
    DEVICE,
    INODE,
  ],
  creat: [
    newFd(),
    given('name'),
    OPEN_MODE,
    DEVICE,
    INODE,
    flags('creat_flags', FILE_FLAGS, openFlags),
  ],
  open_by_handle_at: [
    newFd(),
    absent('mountfd'),
    OPEN_FLAGS,
    path('path', mainPathText, mainPath),
    DEVICE,
    INODE,
  ],
  unlink: [result(), given('path')],
  rmdir: [result(), given('path')],
  unlinkat: [result(), PATH_DIRFD, given('name'), pathFlags(UNLINKAT_FLAGS)],
  mkdir: [result(), given('path'), DIRECTORY_MODE],
  mkdirat: [result(), PATH_DIRFD, given('path'), DIRECTORY_MODE],
  mknod: [result(), given('path'), pathMode()],
  mknodat: [result(), PATH_DIRFD, given('path'), pathMode()],
  chmod: [result(), given('filename'), pathMode()],
  fchmod: [result(), usedFd(), pathMode()],
  fchmodat: [result(), PATH_DIRFD, given('filename'), pathMode()],
  fchmodat2: [result(), PATH_DIRFD, given('filename'), pathMode()],
  chown: [result(), given('path'), owner, ownerGroup],
  lchown: [result(), given('path'), owner, ownerGroup],
  fchown: [result(), usedFd(), owner, ownerGroup],
  fchownat: [result(), PATH_DIRFD, given('pathname'), owner, ownerGroup],
  chdir: [result(), given('path')],
  fchdir: [result(), usedFd()],
  chroot: [result(), given('path')],
  umount2: [result(), given('name'), pathFlags(UMOUNT_FLAGS)],
  truncate: [result(), given('path')],
  rename: [result(), ...OLD_NEW],
  renameat: RENAMEAT,
  renameat2: [...RENAMEAT, flags('flags', RENAME_FLAGS, callFlags)],
  link: [result(), ...OLD_NEW],
  linkat: [
    result(),
    LINK_DIRECTORIES[0],
    given('oldpath'),
    LINK_DIRECTORIES[1],
    target('newpath'),
    flags('flags', LINKAT_FLAGS, callFlags),
  ],
  symlink: [result(), linkText, target('linkpath')],
  symlinkat: [
    result(),
    linkText,
    directoryFd('linkdirfd', pathsLayout.targetFd, 3),
    target('linkpath'),
  ],
  mount: [
    result(),
    plainly('dev', (event) => event.string(0)),
    target('dir'),
    plainly('type', (event) => event.string(4)),
    flags('flags', MOUNT_FLAGS, callFlags),
  ],
  move_mount: [result(), given('from'), target('to'), plainly('flags', callFlags)],
  fsopen: [newFd(), plainly('fs_name', (event) => event.string(0)), plainly('flags', uint(1))],
  fsconfig: [
    result(),
    plainly('fd', int(0)),
    choice('cmd', FSCONFIG_COMMANDS, int(1)),
    plainly('key', (event) => event.string(0)),
    absent('value_bytebuf'),
    plainly('value_charbuf', (event) => event.string(1)),
    plainly('aux', int(4)),
  ],
  fspick: [newFd(), FIRST_DIRFD, callPath, plainly('flags', uint(2))],
  name_to_handle_at: [result(), FIRST_DIRFD, callPath, plainly('flags', uint(4))],
  fsmount: [
    newFd(),
    plainly('fs_fd', int(0)),
    plainly('flags', uint(1)),
    plainly('attr_flags', uint(2)),
  ],
  open_tree: TREE,
  open_tree_attr: TREE,
  mount_setattr: [result(), FIRST_DIRFD, callPath, plainly('flags', uint(2))],
  pivot_root: [result(), given('new_root'), target('put_old')],
  socket: [
    newFd(),
    choice('domain', SOCKET_DOMAINS, (event) => event.uint16(socketLayout.family)),
    plainly(
      'type',
      (event) => event.uint32(socketLayout.callFlags) || event.uint8(socketLayout.type),
    ),
    plainly(
      'proto',
      (event) => event.uint32(socketLayout.messageSize) || event.uint8(socketLayout.protocol),
    ),
  ],
  bind: [result(), socketAddress('local'), usedFd()],
  listen: [result(), usedFd(), plainly('backlog', (event) => event.uint32(socketLayout.callFlags))],
  connect: [result(), tuple, usedFd(), socketAddress('remote')],
  accept: ACCEPT,
  accept4: [...ACCEPT, CALL_FLAGS],
  sendto: [result(), MESSAGE_DATA, usedFd(), MESSAGE_SIZE, tuple],
  sendmsg: [result(), MESSAGE_DATA, usedFd(), MESSAGE_SIZE, tuple],
  sendmmsg: [result(), usedFd(), MESSAGE_SIZE, MESSAGE_DATA, tuple],
  recvfrom: [result(), MESSAGE_DATA, tuple, usedFd(), MESSAGE_SIZE],
  recvmsg: [result(), MESSAGE_SIZE, MESSAGE_DATA, tuple, absent('msgcontrol'), usedFd()],
  recvmmsg: [result(), usedFd(), MESSAGE_SIZE, MESSAGE_DATA, tuple],
  dup: [newFd('res'), sameFd('oldfd', int(0))],
  dup2: [newFd('res'), sameFd('oldfd', int(0)), sameFd('newfd', int(1))],
  dup3: [newFd('res'), sameFd('oldfd', int(0)), sameFd('newfd', int(1)), openFlagsOf(2)],
  ptrace: [
    result(),
    hexadecimal('addr', (event) => event.argument(2)),
    hexadecimal('data', (event) => event.argument(3)),
    convertedChoice('request', PTRACE_REQUESTS, int(0)),
    processId('pid', int(1)),
  ],
  setns: [result(), usedFd(), convertedFlags('nstype', CLONE_FLAGS, int(1))],
  unshare: [result(), convertedFlags('flags', CLONE_FLAGS, int(0))],
  setuid: [result(), user('uid', uint(0))],
  setgid: [result(), group('gid', uint(0))],
  setreuid: [result(), user('ruid', uint(0)), user('euid', uint(1))],
  setregid: [result(), group('rgid', uint(0)), group('egid', uint(1))],
  setresuid: [result(), user('ruid', uint(0)), user('euid', uint(1)), user('suid', uint(2))],
  setresgid: [result(), group('rgid', uint(0)), group('egid', uint(1)), group('sgid', uint(2))],
  capset: [
    result(),
    hexadecimal('cap_inheritable', (event) => event.argument(5)),
    hexadecimal('cap_permitted', (event) => event.argument(3)),
    hexadecimal('cap_effective', (event) => event.argument(4)),
  ],
  setsid: [processId('res', (event) => event.result)],
  setpgid: [
    processId('res', (event) => event.result),
    processId('pid', int(0)),
    processId('pgid', int(1)),
  ],
  init_module: [result(), absent('img'), plainly('length', uint(1)), moduleText],
  finit_module: [result(), usedFd(), moduleText, flags('flags', MODULE_LOAD_FLAGS, uint(2))],
  delete_module: [
    result(),
    plainly('name', (event) => event.string(0)),
    convertedFlags('flags', MODULE_UNLOAD_FLAGS, uint(1)),
  ],
  bpf: [newFd(), choice('cmd', BPF_COMMANDS, int(0))],
  userfaultfd: [newFd('res'), openFlagsOf(0)],
  memfd_create: [
    newFd(),
    plainly('name', (event) => event.string(0)),
    flags('flags', MEMFD_FLAGS, uint(1)),
  ],
  pidfd_open: [newFd(), otherProcess, convertedFlags('flags', PIDFD_FLAGS, uint(1))],
  pidfd_getfd: [
    newFd(),
    plainly('pid_fd', int(0)),
    plainly('target_fd', int(1)),
    plainly('flags', uint(2)),
  ],
  process_vm_readv: [result(), otherProcess],
  process_vm_writev: [result(), otherProcess],
  kexec_load: [
    result(),
    absent('entry'),
    plainly('segments', uint(1)),
    absent('list'),
    plainly('flags', uint(3)),
  ],
  kexec_file_load: [
    result(),
    usedFd(),
    plainly('initrd_fd', int(1)),
    plainly('cmdline', (event) => event.string(0)),
  ],
  kill: [result(), otherProcess, SIGNAL(1)],
  prctl: [
    result(),
    choice('option', PRCTL_OPTIONS, int(0)),
    plainly('arg2_str', (event) => event.string(0)),
    plainly('arg2_int', (event) => event.argument(1)),
  ],
};

function mainPathText(event: KernelEvent): ByteString {
  return mainPath(event) ?? fdName(event) ?? '';
}

/** Types that no rule is tried on unless it names them: most of them are too many. */
const MORE_TABLES: Readonly<Record<string, readonly Parameter[]>> = {
  close: [result(), usedFd()],
  ...Object.fromEntries(
    ['read', 'pread', 'write', 'writev', 'pwrite', 'pwritev'].map((name) => [
      name,
      [result(), MESSAGE_DATA, usedFd(), plainly('size', uint(2))],
    ]),
  ),
  ...Object.fromEntries(
    ['readv', 'preadv'].map((name) => [
      name,
      [result(), plainly('size', uint(2)), MESSAGE_DATA, usedFd()],
    ]),
  ),
  mmap: [
    { ...result(), text: (event) => hexadecimalText(event.result) },
    ...['vm_size', 'vm_rss', 'vm_swap'].map(absent),
    hexadecimal('addr', (event) => event.argument(0)),
    plainly('length', uint(1)),
    flags('prot', PROTECTION_FLAGS, uint(2)),
    convertedFlags('flags', MAP_FLAGS, uint(3)),
    usedFd(),
    plainly('offset', uint(5)),
  ],
  fcntl: [newFd('res'), usedFd(), convertedChoice('cmd', FCNTL_COMMANDS, int(1))],
  pidfd_send_signal: [result(), plainly('pidfd', int(0)), SIGNAL(1), plainly('flags', uint(3))],
  ...Object.fromEntries(
    ['setxattr', 'lsetxattr', 'fsetxattr'].map((name) => [
      name,
      [result(), callPath, plainly('name', (event) => event.string(0))],
    ]),
  ),
  tkill: [result(), processId('tid', int(0)), SIGNAL(1)],
  tgkill: [result(), otherProcess, processId('tid', int(1)), SIGNAL(2)],
  shutdown: [result(), plainly('fd', int(0)), choice('how', SHUTDOWN_SIDES, int(1))],
  pipe2: [result(), ...['fd1', 'fd2', 'ino'].map(absent), openFlagsOf(1)],
  eventfd: [newFd('res'), plainly('initval', uint(0))],
  eventfd2: [newFd('res'), openFlagsOf(1), plainly('initval', uint(0))],
  signalfd: [newFd('res'), plainly('fd', int(0))],
  signalfd4: [newFd('res'), openFlagsOf(3), plainly('fd', int(0))],
  timerfd_create: [newFd('res'), plainly('clockid', int(0)), hexadecimal('flags', uint(1))],
  inotify_init: [newFd('res')],
  inotify_init1: [newFd('res'), openFlagsOf(0)],
  epoll_create: [newFd('res'), plainly('size', int(0))],
  epoll_create1: [newFd('res'), convertedFlags('flags', EPOLL_FLAGS, uint(0))],
  io_uring_setup: [newFd('res'), plainly('entries', uint(0))],
  mprotect: [
    result(),
    hexadecimal('addr', (event) => event.argument(0)),
    plainly('length', uint(1)),
    flags('prot', PROTECTION_FLAGS, uint(2)),
  ],
  ioctl: [
    result(),
    plainly('fd', int(0)),
    hexadecimal('request', (event) => event.argument(1)),
    hexadecimal('argument', (event) => event.argument(2)),
  ],
};

/** The parameters of an event, in Falco's order. Calls without a table of their own have their result only. */
export function parametersOf(event: KernelEvent): readonly Parameter[] {
  const name = eventName(event);
  return tables.get(name) ?? RESULT;
}

const tables = new Map(Object.entries({ ...TABLES, ...MORE_TABLES }));

/** What is worth looking at on a whole host. */
export const TRACED_TYPES: readonly string[] = Object.keys(TABLES);
