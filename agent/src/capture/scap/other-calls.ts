/** Calls that are told by their arguments. */

import { isCall } from '../../events/event-name.ts';
import {
  CLONE_FLAGS,
  EPOLL_FLAGS,
  FCNTL_COMMANDS,
  MAP_FLAGS,
  MODULE_UNLOAD_FLAGS,
  PIDFD_FLAGS,
  PTRACE_REQUESTS,
} from '../../events/flag-names.ts';
import { callLayout, EVENT_CALL } from '../../events/layout.ts';
import type { ByteString } from '../../rules/field.ts';
import { descriptorOf, NO_DESCRIPTOR } from './descriptor.ts';
import type { ScapEvent } from './event.ts';
import { openFlagsOf } from './flags.ts';
import { genericCall } from './generic-calls.ts';
import type { ScapProcess } from './process.ts';
import { all, capabilitiesIn, type Handle, resultOf, type Translation } from './translation.ts';

const UNCHANGED = -1;
/** First bytes of what a call moved that a record holds. */
const DATA_MAX = 80;

/** Makes the record of a call by its arguments; `fd` is what it is about, and `text` its text. */
function writeCall(
  translator: Translation,
  event: ScapEvent,
  process: ScapProcess,
  args: readonly (number | bigint)[] = [],
  fd = -1,
  text: ByteString = '',
  call = event.name,
): void {
  const descriptor = process.descriptors.get(fd) ?? NO_DESCRIPTOR;
  const builder = translator.begin(EVENT_CALL, callLayout.size, event, process, call);
  for (const [index, value] of args.entries())
    builder.uint64(callLayout.arguments + 8 * index, BigInt(value));
  builder
    .uint32(callLayout.fdMode, descriptor.mode)
    .uint16(callLayout.fdFamily, descriptor.family)
    .uint8(callLayout.fdType, descriptor.type)
    .uint8(callLayout.fdProtocol, descriptor.protocol)
    .text(callLayout.fdLocalAddress, 16, descriptor.local)
    .text(callLayout.fdRemoteAddress, 16, descriptor.remote)
    .uint16(callLayout.fdLocalPort, descriptor.localPort)
    .uint16(callLayout.fdRemotePort, descriptor.remotePort)
    .strings(callLayout.stringLength, text, descriptor.path);
  translator.emit();
}

/** Words that captures hold in Falco's numbers, by call and parameter. */
const KERNEL_NUMBERS: Readonly<Record<string, (word: number) => number>> = {
  ...Object.fromEntries(
    ['userfaultfd', 'dup3', 'pipe2', 'eventfd2', 'inotify_init1', 'signalfd4'].map((call) => [
      `${call} flags`,
      openFlagsOf,
    ]),
  ),
  'epoll_create1 flags': EPOLL_FLAGS.toKernel,
  'mmap flags': MAP_FLAGS.toKernel,
  'pidfd_open flags': PIDFD_FLAGS.toKernel,
  'delete_module flags': MODULE_UNLOAD_FLAGS.toKernel,
};

/** A parameter as the kernel was given it. */
function argument(event: ScapEvent, name: string): number {
  const word = event.integer(name) ?? 0;
  return KERNEL_NUMBERS[`${event.name} ${name}`]?.(word) ?? word;
}

/** A call told by numbers of its parameters in the order of its arguments. */
function onArguments(...names: readonly string[]): Handle {
  return (translator, event, process) => {
    const args = names.map((name) => argument(event, name));
    writeCall(translator, event, process, args, event.integer('fd') ?? -1);
  };
}

/** A call that makes an fd without a file behind it. */
function making(path: (event: ScapEvent) => ByteString, ...names: readonly string[]): Handle {
  return (translator, event, process) => {
    const fd = resultOf(event);
    if (fd >= 0) translator.processes.open(process, fd, descriptorOf({ path: path(event) }));
    const args = names.map((name) => argument(event, name));
    writeCall(
      translator,
      event,
      process,
      args,
      fd,
      event.name === 'memfd_create' ? event.text('name') : '',
    );
  };
}

const makingPair: Handle = (translator, event, process) => {
  const isPipe = event.name.startsWith('pipe');
  const descriptor = isPipe
    ? descriptorOf({ path: `pipe:[${event.wide('ino')}]`, mode: 0o010000 })
    : descriptorOf({
        family: event.integer('domain') ?? 1,
        type: (event.integer('type') ?? 0) & 0xf,
      });
  if (resultOf(event) >= 0) {
    for (const name of ['fd1', 'fd2'])
      translator.processes.open(process, event.integer(name) ?? -1, descriptor);
  }
  writeCall(translator, event, process, [0, argument(event, 'flags')]);
};

const close: Handle = (translator, event, process) => {
  const fd = event.integer('fd') ?? -1;
  writeCall(translator, event, process, [fd], fd);
  translator.processes.close(process, fd);
};

const duplicate: Handle = (translator, event, process) => {
  const fd = resultOf(event);
  const old = event.integer('oldfd') ?? -1;
  const descriptor = process.descriptors.get(old);
  if (fd >= 0 && descriptor !== undefined) translator.processes.open(process, fd, descriptor);
  const args = [old, argument(event, 'newfd'), argument(event, 'flags')];
  writeCall(translator, event, process, args, fd >= 0 ? fd : old);
};

/** F_DUPFD and F_DUPFD_CLOEXEC. */
const DUPLICATING = new Set([0, 1030]);

const control: Handle = (translator, event, process) => {
  const fd = event.integer('fd') ?? -1;
  const descriptor = process.descriptors.get(fd);
  const made = resultOf(event);
  const command = FCNTL_COMMANDS.toKernel(event.integer('cmd') ?? 0);
  const isCopy = DUPLICATING.has(command);
  if (isCopy && made >= 0 && descriptor !== undefined)
    translator.processes.open(process, made, descriptor);
  writeCall(translator, event, process, [fd, command], fd);
};

const CLONE_NEWUSER = 0x10000000;
const EVERY = (1n << 41n) - 1n;
const ALL_CAPABILITIES = { capPermitted: EVERY, capEffective: EVERY, capInheritable: 0n };

/** The arguments of a call that changes credentials, and behind them the capabilities after it. */
function withCapabilities(
  args: readonly (number | bigint)[],
  { capabilities: { capPermitted, capEffective, capInheritable } }: ScapProcess,
): readonly (number | bigint)[] {
  const [first = 0, second = 0, third = 0] = args;
  return [first, second, third, capPermitted, capEffective, capInheritable];
}

/** A change of the user or group a process acts as. */
function changingOwner(who: 'uid' | 'gid', effective: string, ...names: readonly string[]): Handle {
  return (translator, event, process) => {
    const id = event.integer(effective) ?? UNCHANGED;
    if (resultOf(event) >= 0 && id !== UNCHANGED) process[who] = id >>> 0;
    const args = names.map((name) => event.integer(name) ?? 0);
    writeCall(translator, event, process, withCapabilities(args, process));
  };
}

const namespaces: Handle = (translator, event, process) => {
  const isJoin = event.name === 'setns';
  const flags = CLONE_FLAGS.toKernel((event.integer(isJoin ? 'nstype' : 'flags') ?? 0) >>> 0);
  const fd = event.integer('fd') ?? -1;
  if (resultOf(event) >= 0 && (flags & CLONE_NEWUSER) !== 0)
    process.capabilities = ALL_CAPABILITIES;
  const args = withCapabilities(isJoin ? [fd, flags] : [flags], process);
  writeCall(translator, event, process, args, isJoin ? fd : -1);
};

const trace: Handle = (translator, event, process) => {
  const request = PTRACE_REQUESTS.toKernel(event.integer('request') ?? 0);
  const [address, data] = ['addr', 'data'].map((name) => dynamic(event, name));
  writeCall(translator, event, process, [
    request,
    event.integer('pid') ?? 0,
    address ?? 0n,
    data ?? 0n,
  ]);
};

/** A value behind a byte that tells its sort. */
function dynamic(event: ScapEvent, name: string): bigint {
  const bytes = event.raw(name);
  return bytes !== undefined && bytes.length === 9 ? bytes.readBigUInt64LE(1) : 0n;
}

const startSession: Handle = (translator, event, process) => {
  if (resultOf(event) >= 0) {
    process.session = process.pid;
    process.group = process.pid;
    process.vgroup = process.vpid;
    process.tty = 0;
  }
  writeCall(translator, event, process);
};

const setCapabilities: Handle = (translator, event, process) => {
  if (resultOf(event) >= 0) process.capabilities = capabilitiesIn(event);
  writeCall(translator, event, process, withCapabilities([], process));
};

const loadModule: Handle = (translator, event, process) => {
  const isFile = event.name === 'finit_module';
  const fd = isFile ? (event.integer('fd') ?? -1) : -1;
  const args = isFile ? [fd, 0, event.integer('flags') ?? 0] : [0, event.wide('length')];
  writeCall(translator, event, process, args, fd, event.text('uargs'));
};

const unloadModule: Handle = (translator, event, process) =>
  writeCall(translator, event, process, [0, argument(event, 'flags')], -1, event.text('name'));

const prctl: Handle = (translator, event, process) => {
  const args = [event.integer('option') ?? 0, event.wide('arg2_int')];
  writeCall(translator, event, process, args, -1, event.text('arg2_str'));
};

/** In old captures a byte in front tells whether the result is an fd. */
const bpf: Handle = (translator, event, process) => {
  const old = event.raw('res_or_fd');
  const fd =
    old !== undefined && old.length === 9 ? Number(old.readBigInt64LE(1)) : resultOf(event);
  if (fd >= 0) translator.processes.open(process, fd, descriptorOf({ path: 'bpf' }));
  writeCall(translator, event, process, [event.integer('cmd') ?? 0], fd);
};

/** A call without an event of its own: its number tells which. */
const generic: Handle = (translator, event, process) => {
  const [number, native] = ['id', 'native_id'].map((name) => (event.integer(name) ?? -1) & 0xffff);
  const name = genericCall(number ?? 0, native ?? 0);
  if (name !== undefined && isCall(name)) writeCall(translator, event, process, [], -1, '', name);
};

/** The end of a call that only its result and its fd are told of. */
export const told: Handle = (translator, event, process) => {
  const fd = event.integer('fd') ?? -1;
  const args = fd >= 0 ? [fd, 0, argument(event, 'size')] : [];
  writeCall(translator, event, process, args, fd, event.data('data').slice(0, DATA_MAX));
};

const map: Handle = (translator, event, process) => {
  const args = ['addr', 'length', 'prot', 'flags', 'fd', 'offset'].map((name) =>
    argument(event, name),
  );
  writeCall(translator, event, process, args, event.integer('fd') ?? -1);
};

export const OTHER_CALLS: Readonly<Record<string, Handle>> = {
  ...all(['socketpair', 'pipe', 'pipe2'], makingPair),
  close,
  ...all(['dup', 'dup2', 'dup3'], duplicate),
  fcntl: control,
  ...all(
    ['eventfd', 'eventfd2'],
    making(() => '[eventfd]', 'initval', 'flags'),
  ),
  ...all(
    ['signalfd', 'signalfd4'],
    making(() => '[signalfd]', 'fd', 'mask', 'size', 'flags'),
  ),
  ...all(
    ['inotify_init', 'inotify_init1'],
    making(() => 'inotify', 'flags'),
  ),
  ...all(
    ['epoll_create', 'epoll_create1'],
    making(() => '[eventpoll]', 'flags'),
  ),
  timerfd_create: making(() => '[timerfd]', 'clockid', 'flags'),
  userfaultfd: making(() => '[userfaultfd]', 'flags'),
  io_uring_setup: making(() => '[io_uring]', 'entries'),
  memfd_create: making((event) => `/memfd:${event.text('name')}`, 'fd', 'flags'),
  pidfd_open: making(() => '[pidfd]', 'pid', 'flags'),
  pidfd_getfd: making(() => '', 'pid_fd', 'target_fd', 'flags'),
  bpf,
  setuid: changingOwner('uid', 'uid', 'uid'),
  setgid: changingOwner('gid', 'gid', 'gid'),
  setreuid: changingOwner('uid', 'euid', 'ruid', 'euid'),
  setregid: changingOwner('gid', 'egid', 'rgid', 'egid'),
  setresuid: changingOwner('uid', 'euid', 'ruid', 'euid', 'suid'),
  setresgid: changingOwner('gid', 'egid', 'rgid', 'egid', 'sgid'),
  ...all(['setns', 'unshare'], namespaces),
  ptrace: trace,
  setsid: startSession,
  setpgid: onArguments('pid', 'pgid'),
  capset: setCapabilities,
  ...all(['init_module', 'finit_module'], loadModule),
  delete_module: unloadModule,
  prctl,
  kill: onArguments('pid', 'sig'),
  tkill: onArguments('tid', 'sig'),
  tgkill: onArguments('pid', 'tid', 'sig'),
  shutdown: onArguments('fd', 'how'),
  ...all(['process_vm_readv', 'process_vm_writev'], onArguments('pid')),
  ioctl: onArguments('fd', 'request', 'argument'),
  mprotect: onArguments('addr', 'length', 'prot'),
  mmap: map,
  generic,
};
