import { type EventName, syscallNumber } from '../events/event-name.ts';
import { realPath } from '../events/event-path.ts';
import type { KernelEvent } from '../events/kernel-event.ts';
import { EVENT_CALL, EVENT_PATH } from '../events/layout.ts';
import type { Process } from './process.ts';

interface Processes {
  get(tgid: number): Process | undefined;
}

type Effect = (event: KernelEvent, process: Process, processes: Processes) => void;

const CLONE_NEWUSER = 0x10000000;
const ALL_CAPABILITIES = (1n << 41n) - 1n;

const markStale: Effect = (_event, process) => {
  process.capabilitiesStale = true;
};

const changeDirectory: Effect = (event, process) => {
  const real = realPath(event);
  if (real !== undefined) process.cwd = real;
};

const enterUserNamespace: Effect = (event, process) => {
  const flags =
    event.syscall === syscallNumber('setns') ? event.intArgument(1) : event.intArgument(0);
  if ((flags & CLONE_NEWUSER) === 0) return;
  process.capPermitted = ALL_CAPABILITIES;
  process.capEffective = ALL_CAPABILITIES;
  process.capabilitiesStale = false;
};

const startSession: Effect = (_event, process) => {
  process.session = process.tgid;
  process.processGroup = process.tgid;
  process.vprocessGroup = process.vpid;
  process.tty = 0;
};

/** Numbers are those of the caller's pid namespace; a shell and its child both make the call, so others are left alone there. */
const setProcessGroup: Effect = (event, process, processes) => {
  const pid = event.intArgument(0);
  const group = event.intArgument(1);
  const own = pid === 0 || pid === process.vpid;
  const target = own ? process : process.inPidNamespace ? undefined : processes.get(pid);
  if (target === undefined) return;
  target.vprocessGroup = group === 0 ? target.vpid : group;
  if (!process.inPidNamespace) target.processGroup = group === 0 ? target.tgid : group;
  else if (group === 0 || group === target.vpid) target.processGroup = target.tgid;
};

const effects: readonly [EventName, number, Effect][] = [
  ['chdir', EVENT_PATH, changeDirectory],
  ['fchdir', EVENT_PATH, changeDirectory],
  ['setsid', EVENT_CALL, startSession],
  ['setpgid', EVENT_CALL, setProcessGroup],
  ['unshare', EVENT_CALL, enterUserNamespace],
  ['setns', EVENT_CALL, enterUserNamespace],
  ['capset', EVENT_CALL, markStale],
  ['setuid', EVENT_CALL, markStale],
  ['setreuid', EVENT_CALL, markStale],
  ['setresuid', EVENT_CALL, markStale],
  ['setfsuid', EVENT_CALL, markStale],
];

const byNumber = new Map(
  effects.map(([name, kind, effect]) => [syscallNumber(name), { kind, effect }]),
);

/** Applies what a successful call changes in a process, before rules see the event. */
export function applyCall(event: KernelEvent, process: Process, processes: Processes): void {
  if (event.result < 0) return;
  const entry = byNumber.get(event.syscall);
  if (entry !== undefined && entry.kind === event.kind) entry.effect(event, process, processes);
}

/** The calls whose effects only some fields show: recorded when a rule reads one of them. */
export const STATE_CALLS: readonly {
  readonly fields: readonly string[];
  readonly calls: readonly EventName[];
}[] = [
  { fields: ['proc.cwd'], calls: ['chdir', 'fchdir'] },
  {
    fields: ['proc.sid', 'proc.sname', 'proc.sid.exe', 'proc.sid.exepath', 'proc.is_sid_leader'],
    calls: ['setsid'],
  },
  {
    fields: [
      ...['proc.pgid', 'proc.pgid.name', 'proc.pgid.exe', 'proc.pgid.exepath'],
      ...['proc.vpgid', 'proc.vpgid.name', 'proc.vpgid.exe', 'proc.vpgid.exepath'],
      ...['proc.is_pgid_leader', 'proc.is_vpgid_leader'],
    ],
    calls: ['setpgid', 'setsid'],
  },
  {
    fields: ['thread.cap_permitted', 'thread.cap_effective', 'thread.cap_inheritable'],
    calls: ['capset', 'setuid', 'setreuid', 'setresuid', 'setfsuid', 'unshare', 'setns'],
  },
];
