import { type EventName, syscallNumber } from '../events/event-name.ts';
import { realPath } from '../events/event-path.ts';
import type { KernelEvent } from '../events/kernel-event.ts';
import { EVENT_CALL, EVENT_PATH } from '../events/layout.ts';
import type { CapabilitySets, Process } from './process.ts';

interface Processes {
  get(tgid: number): Process | undefined;
}

type Effect = (event: KernelEvent, process: Process, processes: Processes) => void;

/** Each thread has capabilities of its own; those of the process are its main thread's. */
const changeCapabilities: Effect = (event, process) => {
  if (event.tid !== event.tgid) return;
  Object.assign(process, capabilitiesAfter(event));
};

/** The sets of the calling thread after a call that changes credentials. */
export function capabilitiesAfter(event: KernelEvent): CapabilitySets {
  return {
    capPermitted: event.argument(3),
    capEffective: event.argument(4),
    capInheritable: event.argument(5),
  };
}

const changeDirectory: Effect = (event, process) => {
  const real = realPath(event);
  if (real !== undefined) process.cwd = real;
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

/** Calls whose records tell capabilities. */
const CREDENTIAL_CALLS: readonly EventName[] = [
  ...['capset', 'setuid', 'setreuid', 'setresuid', 'setfsuid', 'unshare', 'setns'],
];
const credentialNumbers: ReadonlySet<number> = new Set(CREDENTIAL_CALLS.map(syscallNumber));

/** Whether a record tells what capabilities its thread has after it. */
export const tellsCapabilities = (event: KernelEvent): boolean =>
  event.kind === EVENT_CALL && credentialNumbers.has(event.syscall);

const effects: readonly (readonly [EventName, number, Effect])[] = [
  ['chdir', EVENT_PATH, changeDirectory],
  ['fchdir', EVENT_PATH, changeDirectory],
  ['setsid', EVENT_CALL, startSession],
  ['setpgid', EVENT_CALL, setProcessGroup],
  ...CREDENTIAL_CALLS.map((name) => [name, EVENT_CALL, changeCapabilities] as const),
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
    calls: CREDENTIAL_CALLS,
  },
];
