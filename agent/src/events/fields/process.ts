import {
  EVENT_EXE_DELETED,
  EVENT_EXE_MEMFD,
  EVENT_EXE_OVERLAY,
  EVENT_EXE_UPPER,
  EVENT_EXE_WRITABLE,
} from '@tocsin/native';
import type { ByteString, Extractor, Value } from '../../rules/field.ts';
import { capabilitiesAfter, tellsCapabilities } from '../../state/call-effects.ts';
import type { HealthProbe } from '../../state/health-probes.ts';
import type { CapabilitySets, Process, Usage } from '../../state/process.ts';
import { capabilityText } from '../flag-names.ts';
import { isProbe, probeCommand } from '../health-probe.ts';
import type { KernelEvent } from '../kernel-event.ts';
import { type Binder, integer, plain, podOf } from './context.ts';

type Read<T extends Value = Value> = (process: Process) => T | undefined;

/** Longest chain of ancestors that is looked at. */
const CHAIN = 4096;

const commandLine: Read = ({ comm, args }) => (args === '' ? comm : `${comm} ${args}`);
const name: Read = ({ comm }) => comm;
const exe: Read = (process) => process.exe;
const exePath: Read = (process) => process.exePath;
const args: Read = (process) => process.args;
const pid: Read = ({ tgid }) => tgid;

const own =
  (read: Read): Extractor<KernelEvent> =>
  ({ process }) =>
    read(process);

const ofParent =
  (read: Read): Extractor<KernelEvent> =>
  ({ process }) => {
    const parent = process.parentNow();
    return parent && read(parent);
  };

/** One ancestor by number, or all of them, nearest first. */
function ofAncestors(read: Read): Binder {
  return (_context, argument) => {
    if (argument !== undefined) {
      const level = Number(argument);
      if (!Number.isSafeInteger(level)) return undefined;
      return ({ process }) => {
        const ancestor = level < CHAIN ? process.ancestor(level) : undefined;
        return ancestor && read(ancestor);
      };
    }
    return ({ process }) => chain(process, (one) => one.parentNow(), read);
  };
}

function originalAncestors(read: Read): Binder {
  return (_context, argument) => {
    if (argument !== undefined) {
      const level = Number(argument);
      if (!Number.isSafeInteger(level)) return undefined;
      return ({ process }) => {
        const ancestor = level < CHAIN ? process.originalAncestor(level) : undefined;
        return ancestor && read(ancestor);
      };
    }
    return ({ process }) => chain(process, (one) => one.originalParent, read);
  };
}

function chain(
  process: Process,
  next: (process: Process) => Process | undefined,
  read: Read,
): readonly Value[] | undefined {
  const values: Value[] = [];
  let one = next(process);
  for (let level = 0; one !== undefined && level < CHAIN; level++, one = next(one)) {
    const value = read(one);
    if (value !== undefined) values.push(value);
  }
  return values.length === 0 ? undefined : values;
}

/** The leader of a session or group, found by number; of one that is gone or has another number, its highest member above. */
function ofLeader(
  id: (process: Process) => number,
  read: Read,
  isNumberOfHost: (process: Process) => boolean = () => true,
): Binder {
  return ({ processes }) =>
    ({ process }) => {
      const number = id(process);
      if (number === process.tgid && isNumberOfHost(process)) return read(process);
      const known = isNumberOfHost(process) ? processes.get(number) : undefined;
      const isThere = known !== undefined && !known.dead;
      return read(isThere ? known : highestOf(process, (one) => id(one) === number));
    };
}

/** The last of the ancestors, one above the other from the process itself, that belong. */
function highestOf(process: Process, belongs: (process: Process) => boolean): Process {
  let highest = process;
  for (let level = 0; level < CHAIN; level++) {
    const parent = highest.parentNow();
    if (parent === undefined || !belongs(parent)) break;
    highest = parent;
  }
  return highest;
}

const ofVirtualGroup = (read: Read): Binder =>
  ofLeader(
    ({ vprocessGroup }) => vprocessGroup,
    read,
    ({ inPidNamespace }) => !inPidNamespace,
  );

const isUpperLayer: Read = ({ exeFlags }) =>
  (exeFlags & EVENT_EXE_OVERLAY) !== 0 && (exeFlags & EVENT_EXE_UPPER) !== 0;
const isLowerLayer: Read = ({ exeFlags }) =>
  (exeFlags & EVENT_EXE_OVERLAY) !== 0 && (exeFlags & EVENT_EXE_UPPER) === 0;

/** All arguments, or one by its number from 0. */
const argumentsOrOne: Binder = (_context, index) =>
  index === undefined ? own(args) : own(({ argumentList }) => argumentList[Number(index)]);

/** `K=V` of the whole environment. */
function variables(process: Process): ByteString[] {
  return process.environment.split('\0').filter((pair) => pair !== '');
}

/** One variable's value, empty when it is not set. */
function variable(process: Process, key: ByteString): ByteString {
  const prefix = `${key}=`;
  const found = variables(process).find((pair) => pair.startsWith(prefix));
  return found === undefined ? '' : found.slice(prefix.length);
}

const environment: Binder = (_context, key) =>
  key === undefined
    ? own((process) => variables(process).join(' '))
    : own((process) => variable(process, key));

const ancestorEnvironment: Binder = (context, key) => {
  if (key === undefined || /^\d+$/.test(key)) {
    return ofAncestors((process) => variables(process).join(' '))(context, key);
  }
  return ({ process }) => {
    for (let one = process.parentNow(), level = 0; one && level < CHAIN; level++) {
      const value = variable(one, key);
      if (value !== '') return value;
      one = one.parentNow();
    }
    return '';
  };
};

/** How long a process has run at the event; missing while its start is unknown. */
function age(choose: (process: Process) => Process | undefined): Extractor<KernelEvent> {
  return (event) => {
    const process = choose(event.process);
    if (process === undefined || process.startTime === 0n) return undefined;
    return integer(event.time - process.startTime);
  };
}

function startOf(choose: (process: Process) => Process | undefined): Binder {
  return (context) => (event) => {
    const process = choose(event.process);
    if (process === undefined || process.startTime === 0n) return undefined;
    return integer(process.startTime + context.bootEpoch());
  };
}

const sinceChange: Binder =
  (context) =>
  ({ process }) => {
    if (process.startTime === 0n || process.exeChangeTime === 0n) return undefined;
    return integer(process.startTime + context.bootEpoch() - process.exeChangeTime);
  };

const namespaceStart: Binder =
  (context) =>
  ({ container }) =>
    container.initStartTime === 0n
      ? undefined
      : integer(container.initStartTime + context.bootEpoch());

const sinceChangeToNamespace: Binder =
  (context) =>
  ({ process, container }) => {
    if (container.initStartTime === 0n || process.exeChangeTime === 0n) return undefined;
    return integer(container.initStartTime + context.bootEpoch() - process.exeChangeTime);
  };

const SHELLS = new Set(['ash', 'bash', 'csh', 'dash', 'fish', 'ksh', 'sh', 'tcsh', 'zsh']);

/** The oldest of the shells that stand one above the other from here. */
function loginShell({ process }: KernelEvent): number | undefined {
  let found: number | undefined;
  let one: Process | undefined = process;
  for (let level = 0; one !== undefined && level < CHAIN; level++, one = one.parentNow()) {
    if (SHELLS.has(one.comm)) found = one.tgid;
  }
  return found;
}

type CapabilitySet = keyof CapabilitySets;

/** Those of a thread that is not the main one show where it changes them. */
const capabilities =
  (set: CapabilitySet): Extractor<KernelEvent> =>
  (event) => {
    const isTold = event.tid !== event.tgid && event.result >= 0 && tellsCapabilities(event);
    return capabilityText((isTold ? capabilitiesAfter(event) : event.process)[set]);
  };

/** Of the whole process, and told for its main thread only. */
const ofMain =
  (read: (usage: Usage) => number): Extractor<KernelEvent> =>
  ({ tid, tgid, process }) =>
    tid === tgid ? read(process.usage) : 0;

const used = (read: (usage: Usage) => number): Extractor<KernelEvent> =>
  own(({ usage }) => read(usage));

const KILOBYTE = 1024;

const cgroups: Binder = (context) => (event) => {
  const paths = context.cgroupsOf(event);
  return paths.size === 0
    ? undefined
    : [...paths].map(([subsystem, path]) => `${subsystem}=${path}`).join(' ');
};

const cgroupOf: Binder = (context, subsystem) =>
  subsystem === undefined ? undefined : (event) => context.cgroupsOf(event).get(subsystem);

const isProbeOf =
  (kind: HealthProbe): Binder =>
  (context) =>
  ({ process, container: { facts } }) => {
    const command = facts && probeCommand(facts, podOf(context, facts), kind);
    return command !== undefined && isProbe(process, command);
  };

const nonNegative = (value: number): number | undefined => (value < 0 ? undefined : value);
const parent = (process: Process) => process.parentNow();
const self = (process: Process) => process;

export const processFields: readonly [string, Binder][] = [
  ...plain({
    'proc.name': own(name),
    'proc.exe': own(exe),
    'proc.exepath': own(exePath),
    'proc.cmdline': own(commandLine),
    'proc.pname': ofParent(name),
    'proc.pexe': ofParent(exe),
    'proc.pexepath': ofParent(exePath),
    'proc.pcmdline': ofParent(commandLine),
    'proc.ppid': ofParent(pid),
    'proc.pvpid': ofParent(({ vpid }) => nonNegative(vpid)),
    'proc.exeline': own((process) =>
      process.args === '' ? process.exe : `${process.exe} ${process.args}`,
    ),
    'proc.cmdnargs': own(({ argumentList }) => argumentList.length),
    'proc.cmdlenargs': own(
      (process) => process.args.length - Math.max(0, process.argumentList.length - 1),
    ),
    'proc.cwd': own(({ cwd }) => (cwd === '' ? undefined : cwd.endsWith('/') ? cwd : `${cwd}/`)),
    'proc.tty': own(({ tty }) => tty),
    'proc.pid': own(pid),
    'proc.vpid': own(({ vpid }) => nonNegative(vpid)),
    'proc.sid': own(({ session }) => session),
    'proc.pgid': own(({ processGroup }) => processGroup),
    'proc.vpgid': own(({ vprocessGroup }) => nonNegative(vprocessGroup)),
    'proc.is_sid_leader': own(({ session, tgid }) => session === tgid),
    'proc.is_pgid_leader': own(({ processGroup, tgid }) => processGroup === tgid),
    'proc.is_vpgid_leader': own(({ vprocessGroup, vpid }) => vprocessGroup === vpid),
    'proc.duration': age(self),
    'proc.ppid.duration': age(parent),
    'proc.loginshellid': loginShell,
    'proc.is_exe_upper_layer': own(isUpperLayer),
    'proc.is_exe_lower_layer': own(isLowerLayer),
    'proc.is_exe_writable': own(({ exeFlags }) => (exeFlags & EVENT_EXE_WRITABLE) !== 0),
    'proc.is_exe_from_memfd': own(({ exeFlags }) => (exeFlags & EVENT_EXE_MEMFD) !== 0),
    'proc.is_exe_deleted': own(({ exeFlags }) => (exeFlags & EVENT_EXE_DELETED) !== 0),
    'proc.exe_ino': own(({ exeInode }) => integer(exeInode)),
    'proc.exe_ino.ctime': own(({ exeChangeTime }) => integer(exeChangeTime)),
    'proc.exe_ino.mtime': own(({ exeModificationTime }) => integer(exeModificationTime)),
    'proc.fdlimit': own(({ usage: { fileLimit } }) => (fileLimit === 0 ? undefined : fileLimit)),
    'proc.vmsize': used(({ virtualKilobytes }) => virtualKilobytes),
    'proc.vmrss': used(({ residentKilobytes }) => residentKilobytes),
    'proc.vmswap': used(({ swappedKilobytes }) => swappedKilobytes),
    'proc.nthreads': ({ threads }) => threads,
    'proc.nchilds': ({ threads }) => threads - 1,
    'thread.pfmajor': used(({ majorFaults }) => majorFaults),
    'thread.pfminor': used(({ minorFaults }) => minorFaults),
    'thread.vmsize': ofMain(({ virtualKilobytes }) => virtualKilobytes),
    'thread.vmrss': ofMain(({ residentKilobytes }) => residentKilobytes),
    'thread.vmsize.b': ofMain(({ virtualKilobytes }) => virtualKilobytes * KILOBYTE),
    'thread.vmrss.b': ofMain(({ residentKilobytes }) => residentKilobytes * KILOBYTE),
    'thread.cap_permitted': capabilities('capPermitted'),
    'thread.cap_effective': capabilities('capEffective'),
    'thread.cap_inheritable': capabilities('capInheritable'),
    'thread.tid': ({ tid }) => tid,
    'thread.vtid': ({ vtid }) => (vtid === 0 ? undefined : vtid),
    'thread.ismain': ({ tid, tgid }) => tid === tgid,
  }),
  ['proc.is_container_healthcheck', isProbeOf('healthcheck')],
  ['proc.is_container_liveness_probe', isProbeOf('livenessProbe')],
  ['proc.is_container_readiness_probe', isProbeOf('readinessProbe')],
  ['proc.args', argumentsOrOne],
  ['proc.aname', ofAncestors(name)],
  ['proc.aexe', ofAncestors(exe)],
  ['proc.aexepath', ofAncestors(exePath)],
  ['proc.aargs', ofAncestors(args)],
  ['proc.acmdline', ofAncestors(commandLine)],
  ['proc.apid', ofAncestors(pid)],
  ['proc.orig.aname', originalAncestors(name)],
  ['proc.env', environment],
  ['proc.aenv', ancestorEnvironment],
  ['proc.vpgid.name', ofVirtualGroup(name)],
  ['proc.vpgid.exe', ofVirtualGroup(exe)],
  ['proc.vpgid.exepath', ofVirtualGroup(exePath)],
  ['proc.sname', ofLeader(({ session }) => session, name)],
  ['proc.sid.exe', ofLeader(({ session }) => session, exe)],
  ['proc.sid.exepath', ofLeader(({ session }) => session, exePath)],
  ['proc.pgid.name', ofLeader(({ processGroup }) => processGroup, name)],
  ['proc.pgid.exe', ofLeader(({ processGroup }) => processGroup, exe)],
  ['proc.pgid.exepath', ofLeader(({ processGroup }) => processGroup, exePath)],
  ['proc.pid.ts', startOf(self)],
  ['proc.ppid.ts', startOf(parent)],
  ['proc.exe_ino.ctime_duration_proc_start', sinceChange],
  ['proc.exe_ino.ctime_duration_pidns_start', sinceChangeToNamespace],
  ['proc.pidns_init_start_ts', namespaceStart],
  ['thread.cgroups', cgroups],
  ['thread.cgroup', cgroupOf],
];
