/** Forks, execs and exits. */
import {
  EVENT_EXEC,
  EVENT_EXECFAIL,
  EVENT_EXIT,
  EVENT_FORK,
  EVENT_PIDNS,
  execLayout,
  exitLayout,
  forkLayout,
  usageLayout,
} from '../../events/layout.ts';
import type { ByteString } from '../../rules/field.ts';
import type { ScapEvent } from './event.ts';
import { CLONE, executableBitsOf } from './flags.ts';
import { folderOf, resolved } from './folder.ts';
import type { ScapProcess } from './process.ts';
import {
  all,
  argvOf,
  capabilitiesIn,
  type Handle,
  resultOf,
  type Translation,
  withoutSlash,
} from './translation.ts';

const fork: Handle = (translator, event, process) => {
  const result = resultOf(event);
  if (result < 0) return;
  const flags = event.integer('flags') ?? 0;
  if (result > 0) forkedByParent(translator, event, process, result, flags);
  else forkedByChild(translator, event, flags);
};

/** The call returned in the parent. Where a child has another number outside of its namespace, only the child tells that one. */
function forkedByParent(
  translator: Translation,
  event: ScapEvent,
  process: ScapProcess,
  child: number,
  flags: number,
): void {
  const { processes } = translator;
  if (process.inPidNamespace || (flags & CLONE.CHILD_IN_PID_NAMESPACE) !== 0) return;
  if ((flags & CLONE.THREAD) !== 0) {
    processes.addThread(child, process);
    return;
  }
  const known = processes.ofThread(child);
  if (known?.toldBy === 'child' && known.parent === process) known.toldBy = undefined;
  else makeChild(translator, event, process, child, 'parent');
}

function forkedByChild(translator: Translation, event: ScapEvent, flags: number): void {
  const { processes } = translator;
  const pid = event.integer('pid') ?? event.tid;
  const known = processes.ofThread(event.tid);
  if ((flags & CLONE.THREAD) !== 0) {
    const process = processes.ofThread(pid) ?? processes.add(pid);
    if (process !== undefined && process !== known) processes.addThread(event.tid, process);
    return;
  }
  const ptid = event.integer('ptid') ?? 0;
  const isTold = known?.toldBy === 'parent';
  const parent = processes.ofThread(ptid) ?? processes.add(ptid);
  const child = isTold ? known : parent && makeChild(translator, event, parent, event.tid, 'child');
  if (child === undefined) return;
  if (isTold) child.toldBy = undefined;
  tellChild(translator, event, child);
}

/** What only the child's side of the call tells. */
function tellChild(translator: Translation, event: ScapEvent, child: ScapProcess): void {
  child.comm = event.text('comm').slice(0, 64) || child.comm;
  child.uid = (event.integer('uid') ?? child.uid) >>> 0;
  child.gid = (event.integer('gid') ?? child.gid) >>> 0;
  translator.move(child, event.data('cgroups'));
}

function makeChild(
  translator: Translation,
  event: ScapEvent,
  parent: ScapProcess,
  pid: number,
  toldBy: 'parent' | 'child',
): ScapProcess | undefined {
  const child = translator.processes.add(pid);
  if (child === undefined) return undefined;
  child.inheritFrom(parent);
  child.toldBy = toldBy;
  const vpid = toldBy === 'child' ? event.integer('vpid') : undefined;
  child.vpid = vpid !== undefined && vpid > 0 ? vpid : pid;
  child.inPidNamespace = child.vpid !== pid;
  translator.processes.copyDescriptors(parent, child);
  // Before the record is begun: a cgroup seen first is a record of its own.
  if (toldBy === 'child') translator.move(child, event.data('cgroups'));
  translator
    .begin(EVENT_FORK, forkLayout.size, event, parent, event.name)
    .int64(forkLayout.cgroup, child.cgroup)
    .uint64(forkLayout.capPermitted, child.capabilities.capPermitted)
    .uint64(forkLayout.capEffective, child.capabilities.capEffective)
    .uint64(forkLayout.capInheritable, child.capabilities.capInheritable)
    .uint32(forkLayout.start, child.start)
    .uint32(forkLayout.tgid, pid)
    .uint32(forkLayout.vpid, child.vpid)
    .uint32(forkLayout.flags, child.inPidNamespace ? EVENT_PIDNS : 0);
  writeUsage(translator, forkLayout.usage, event);
  translator.emit();
  return child;
}

const execute: Handle = (translator, event, caller) => {
  const filename = event.text('filename') || event.text('pathname');
  const argv = argvOf(event.text('exe'), event.data('args'));
  if (resultOf(event) < 0) {
    translator
      .begin(EVENT_EXECFAIL, execLayout.size, event, caller, event.name)
      .strings(execLayout.stringLength, filename || event.text('exe'), '', '', argv, '');
    translator.emit();
    return;
  }
  const pid = event.integer('pid') ?? event.tid;
  const process = translator.processes.ofThread(pid) ?? caller;
  translator.processes.keepOnly(process, event.tid);
  update(translator, event, process, filename);
  translator
    .begin(EVENT_EXEC, execLayout.size, event, process, event.name)
    .uint64(execLayout.capPermitted, process.capabilities.capPermitted)
    .uint64(execLayout.capEffective, process.capabilities.capEffective)
    .uint64(execLayout.capInheritable, process.capabilities.capInheritable)
    .uint64(execLayout.inode, event.wide('exe_ino'))
    .uint64(execLayout.changeTime, event.wide('exe_ino_ctime'))
    .uint64(execLayout.modificationTime, event.wide('exe_ino_mtime'))
    .uint32(execLayout.session, process.session)
    .uint32(execLayout.processGroup, process.group)
    .uint32(execLayout.vprocessGroup, process.vgroup)
    .uint32(execLayout.tty, process.tty)
    .uint32(execLayout.argsTotal, argv.length)
    .flag(executableBitsOf(event.integer('exe_flags') ?? 0))
    .strings(
      execLayout.stringLength,
      filename,
      process.exePath,
      process.cwd,
      argv,
      event.data('env'),
    );
  writeUsage(translator, execLayout.usage, event);
  translator.emit();
};

function writeUsage({ builder }: Translation, at: number, event: ScapEvent): void {
  for (const [name, place] of USAGE) builder.uint32(at + place, event.integer(name) ?? 0);
}

const USAGE = [
  ['fdlimit', usageLayout.fileLimit],
  ['pgft_maj', usageLayout.majorFaults],
  ['pgft_min', usageLayout.minorFaults],
  ['vm_size', usageLayout.virtualKilobytes],
  ['vm_rss', usageLayout.residentKilobytes],
  ['vm_swap', usageLayout.swappedKilobytes],
] as const;

/** A process after its exec. */
function update(
  translator: Translation,
  event: ScapEvent,
  process: ScapProcess,
  filename: ByteString,
): void {
  const exe = event.text('exe');
  const given = filename || (exe.startsWith('/') ? exe : '');
  const from = folderOf(event, process, 'dirfd');
  const known = event.text('trusted_exepath');
  process.capabilities = capabilitiesIn(event);
  process.comm =
    event.text('comm') || exe.slice(exe.lastIndexOf('/') + 1).slice(0, 15) || process.comm;
  process.cwd = withoutSlash(event.text('cwd')) || process.cwd;
  process.exePath = known || (given === '' ? '' : resolved(process, given, from));
  process.uid = (event.integer('uid') ?? process.uid) >>> 0;
  process.gid = (event.integer('gid') ?? process.gid) >>> 0;
  process.loginuid = (event.integer('loginuid') ?? process.loginuid) >>> 0;
  process.tty = (event.integer('tty') ?? process.tty) >>> 0;
  process.vgroup = event.integer('vpgid') ?? process.vgroup;
  process.group =
    event.integer('pgid') ?? (process.inPidNamespace ? process.group : process.vgroup);
  translator.move(process, event.data('cgroups'));
}

/** The end of a thread, and with the last one of its process. */
export const exit: Handle = (translator, event, process) => {
  const isLast = process.threads.size <= 1 && process.threads.has(event.tid);
  if (isLast) {
    const reaper = translator.processes.ofThread(event.integer('reaper_tid') ?? 0);
    translator
      .begin(EVENT_EXIT, exitLayout.size, event, process)
      .uint32(exitLayout.status, event.integer('status') ?? 0)
      .uint32(exitLayout.reaper, reaper?.pid ?? 0);
    translator.emit();
  }
  translator.processes.end(event.tid);
};

export const LIFECYCLE_CALLS: Readonly<Record<string, Handle>> = {
  ...all(['clone', 'clone3', 'fork', 'vfork'], fork),
  ...all(['execve', 'execveat'], execute),
};
