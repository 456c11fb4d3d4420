import {
  EVENT_EXE_MEMFD,
  EVENT_EXE_OVERLAY,
  EVENT_EXE_UPPER,
  EVENT_EXE_WRITABLE,
  EVENT_EXEC,
  EVENT_FILE_CREATED,
  EVENT_FILE_OVERLAY,
  EVENT_FILE_UPPER,
  exitLayout,
  openLayout,
  pathLayout,
  pathsLayout,
  socketLayout,
} from '@tocsin/native';
import type { ByteString } from '../rules/field.ts';
import { eventName } from './event-name.ts';
import { givenPath, mainPath, targetPath } from './event-path.ts';
import { fdName } from './file-descriptor.ts';
import {
  BPF_COMMANDS,
  CLONE_FLAGS,
  EXECVE_FLAGS,
  FILE_FLAG,
  FILE_FLAGS,
  fileFlags,
  LINKAT_FLAGS,
  MODES,
  OPEN,
  PTRACE_REQUESTS,
  RENAME_FLAGS,
  SOCKET_DOMAINS,
  UNLINKAT_FLAGS,
} from './flag-names.ts';
import type { KernelEvent } from './kernel-event.ts';
import { messageData } from './message.ts';
import {
  absent,
  choice,
  flags,
  group,
  mode,
  newFd,
  type Parameter,
  path,
  plainly,
  result,
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
export function execFlags(bits: number): number {
  const layer = bits & EVENT_EXE_OVERLAY ? (bits & EVENT_EXE_UPPER ? 2 : 8) : 0;
  return (bits & EVENT_EXE_WRITABLE ? 1 : 0) | layer | (bits & EVENT_EXE_MEMFD ? 4 : 0);
}

const given = (name: string): Parameter => path(name, givenPath, mainPath);
const target = (name: string): Parameter => path(name, (event) => event.string(2), targetPath);
const directoryFd = (name: string, at: number): Parameter =>
  plainly(name, (event) => event.int32(at));
const pathMode = (name = 'mode'): Parameter =>
  mode(name, (event) => event.uint32(pathLayout.mode), MODES);
const pathFlags = (names: Parameters<typeof flags>[1]): Parameter =>
  flags('flags', names, (event) => event.uint32(pathLayout.mode));
const owner = user('uid', (event) => event.uint32(pathLayout.owner));
const ownerGroup = group('gid', (event) => event.uint32(pathLayout.group));

const OPEN_FLAGS = flags('flags', FILE_FLAGS, openFlags);
const OPEN_MODE = mode('mode', openMode);
const DEVICE = plainly('dev', (event) => event.uint32(openLayout.device));
const INODE = plainly('ino', (event) => event.unsigned64(openLayout.inode));
const OPEN_DIRFD = directoryFd('dirfd', openLayout.dirfd);
const PATH_DIRFD = directoryFd('dirfd', pathLayout.fd);
const MESSAGE_DATA: Parameter = {
  name: 'data',
  raw: messageData,
  text: (event) => messageData(event)?.replace(/[^ -~]/g, '.'),
};
const MESSAGE_SIZE = plainly('size', (event) => event.uint32(socketLayout.messageSize));
const CALL_FLAGS = plainly('flags', (event) => event.uint32(socketLayout.callFlags));

const isExec = (event: KernelEvent) => event.kind === EVENT_EXEC;

/** argv of the event: the new image's, or what a failed exec was asked to run. */
function argv(event: KernelEvent): ByteString[] {
  const text = event.string(3);
  return (text.endsWith('\0') ? text.slice(0, -1) : text).split('\0');
}

const EXEC_HEAD: readonly Parameter[] = [
  result(),
  plainly('exe', (event) => argv(event)[0]),
  plainly('args', (event) => argv(event).slice(1).join(' ')),
  plainly('tid', (event) => event.tid),
  plainly('pid', (event) => event.tgid),
  plainly('ptid', (event) => event.ppid),
  plainly('cwd', () => ''),
  ...['fdlimit', 'pgft_maj', 'pgft_min', 'vm_size', 'vm_rss', 'vm_swap'].map(absent),
  plainly('comm', (event) => event.process.comm),
  absent('cgroups'),
  plainly('env', (event) => event.process.environment.replaceAll('\0', ' ').trimEnd()),
  plainly('tty', (event) => event.process.tty),
  plainly('vpgid', (event) => event.process.vprocessGroup),
  plainly('loginuid', (event) => event.auditUid | 0),
  flags('flags', EXECVE_FLAGS, (event) =>
    execFlags(isExec(event) ? event.flags : event.process.exeFlags),
  ),
  plainly('cap_inheritable', (event) => event.process.capInheritable),
  plainly('cap_permitted', (event) => event.process.capPermitted),
  plainly('cap_effective', (event) => event.process.capEffective),
  plainly('exe_ino', (event) => event.process.exeInode),
  plainly('exe_ino_ctime', (event) => event.process.exeChangeTime),
  plainly('exe_ino_mtime', (event) => event.process.exeModificationTime),
  user('uid', (event) => event.euid),
  plainly('trusted_exepath', (event) => event.process.exePath),
  plainly('pgid', (event) => event.process.processGroup),
  plainly('gid', (event) => event.egid),
];

const OLD_NEW = [given('oldpath'), target('newpath')];
const LINK_DIRECTORIES = [
  directoryFd('olddir', pathsLayout.sourceFd),
  directoryFd('newdir', pathsLayout.targetFd),
] as const;
const RENAME_DIRECTORIES = [
  directoryFd('olddirfd', pathsLayout.sourceFd),
  directoryFd('newdirfd', pathsLayout.targetFd),
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
/** The path argument of a call that is told by its raw arguments. */
const callPath = plainly('path', (event) => event.string(1));
const TREE = [newFd(), plainly('dirfd', int(0)), callPath, plainly('flags', uint(2))];
const otherProcess = plainly('pid', int(0));

const TABLES: Readonly<Record<string, readonly Parameter[]>> = {
  execve: [...EXEC_HEAD, plainly('filename', (event) => event.string(0))],
  execveat: EXEC_HEAD,
  clone: [result(), plainly('exe', (event) => event.process.exe)],
  procexit: [plainly('status', (event) => event.int32(exitLayout.status))],
  open: [newFd(), given('name'), OPEN_FLAGS, OPEN_MODE, DEVICE, INODE],
  openat: [newFd(), OPEN_DIRFD, given('name'), OPEN_FLAGS, OPEN_MODE, DEVICE, INODE],
  openat2: [
    newFd(),
    OPEN_DIRFD,
    given('name'),
    OPEN_FLAGS,
    OPEN_MODE,
    plainly('resolve', (event) => event.uint32(openLayout.resolve)),
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
  mkdir: [result(), given('path'), mode('mode', (event) => event.uint32(pathLayout.mode))],
  mkdirat: [
    result(),
    PATH_DIRFD,
    given('path'),
    mode('mode', (event) => event.uint32(pathLayout.mode)),
  ],
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
  umount2: [result(), given('name'), plainly('flags', (event) => event.uint32(pathLayout.mode))],
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
    directoryFd('linkdirfd', pathsLayout.targetFd),
    target('linkpath'),
  ],
  mount: [
    result(),
    plainly('dev', (event) => event.string(0)),
    target('dir'),
    plainly('type', (event) => event.string(4)),
    plainly('flags', callFlags),
  ],
  move_mount: [result(), given('from'), target('to'), plainly('flags', callFlags)],
  fsopen: [newFd(), plainly('fs_name', (event) => event.string(0)), plainly('flags', uint(1))],
  fsmount: [
    newFd(),
    plainly('fs_fd', int(0)),
    plainly('flags', uint(1)),
    plainly('attr_flags', uint(2)),
  ],
  open_tree: TREE,
  open_tree_attr: TREE,
  mount_setattr: [result(), plainly('dirfd', int(0)), callPath, plainly('flags', uint(2))],
  pivot_root: [result(), given('new_root'), target('put_old')],
  socket: [
    newFd(),
    choice('domain', SOCKET_DOMAINS, (event) => event.uint16(socketLayout.family)),
    plainly(
      'type',
      (event) => event.uint32(socketLayout.callFlags) || event.uint8(socketLayout.type),
    ),
    plainly('proto', (event) => event.uint8(socketLayout.protocol)),
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
  dup: [newFd('res'), plainly('oldfd', int(0))],
  dup2: [newFd('res'), plainly('oldfd', int(0)), plainly('newfd', int(1))],
  dup3: [
    newFd('res'),
    plainly('oldfd', int(0)),
    plainly('newfd', int(1)),
    plainly('flags', uint(2)),
  ],
  ptrace: [
    result(),
    plainly('addr', (event) => event.argument(2)),
    plainly('data', (event) => event.argument(3)),
    choice('request', PTRACE_REQUESTS, int(0), 'PTRACE_UNKNOWN'),
    plainly('pid', int(1)),
  ],
  setns: [result(), usedFd(), flags('nstype', CLONE_FLAGS, int(1))],
  unshare: [result(), flags('flags', CLONE_FLAGS, int(0))],
  setuid: [result(), user('uid', uint(0))],
  setgid: [result(), group('gid', uint(0))],
  setreuid: [result(), user('ruid', uint(0)), user('euid', uint(1))],
  setregid: [result(), group('rgid', uint(0)), group('egid', uint(1))],
  setresuid: [result(), user('ruid', uint(0)), user('euid', uint(1)), user('suid', uint(2))],
  setresgid: [result(), group('rgid', uint(0)), group('egid', uint(1)), group('sgid', uint(2))],
  setsid: RESULT,
  setpgid: [result(), plainly('pid', int(0)), plainly('pgid', int(1))],
  init_module: [result(), absent('img'), plainly('length', uint(1)), moduleText],
  finit_module: [result(), usedFd(), moduleText, plainly('flags', uint(2))],
  delete_module: [result(), plainly('name', (event) => event.string(0)), plainly('flags', uint(1))],
  bpf: [newFd(), choice('cmd', BPF_COMMANDS, int(0))],
  userfaultfd: [newFd('res'), plainly('flags', uint(0))],
  memfd_create: [newFd(), plainly('name', (event) => event.string(0)), plainly('flags', uint(1))],
  pidfd_open: [newFd(), otherProcess, plainly('flags', uint(1))],
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
    absent('initrd_fd'),
    plainly('cmdline', (event) => event.string(0)),
  ],
  kill: [result(), plainly('pid', int(0)), plainly('sig', int(1))],
  prctl: [
    result(),
    plainly('option', int(0)),
    absent('arg2_str'),
    plainly('arg2_int', (event) => event.argument(1)),
  ],
};

function mainPathText(event: KernelEvent): ByteString {
  return mainPath(event) ?? fdName(event) ?? '';
}

/** The parameters of an event, in Falco's order. Calls without a table of their own have their result only. */
export function parametersOf(event: KernelEvent): readonly Parameter[] {
  const name = eventName(event);
  return tables.get(name) ?? RESULT;
}

const tables = new Map(Object.entries(TABLES));

/** The types that have a table: what is worth looking at on a whole host. */
export const TRACED_TYPES: readonly string[] = [...tables.keys()];
