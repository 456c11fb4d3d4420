import { EVENT_CGROUP, EVENT_EXEC, EVENT_EXIT, EVENT_FORK, SYSCALLS } from '@tocsin/native';
import { EVENT_OF_CALL } from '../rules/event-types.ts';
import type { KernelEvent } from './kernel-event.ts';

/** An `evt.type`, such as `openat`. */
export type EventName = string;

const NO_SYSCALL = 0xffff;
const numbers = new Map<EventName, number>(Object.entries(SYSCALLS));
const names: EventName[] = [];
const eventNames: EventName[] = [];
for (const [name, number] of [...numbers]) {
  const event = EVENT_OF_CALL.get(name) ?? name;
  names[number] = name;
  eventNames[number] = event;
  numbers.set(event, number);
}

/** The number of a call on this architecture, or one that no record has when the architecture lacks the call. */
export function syscallNumber(name: EventName): number {
  return numbers.get(name) ?? NO_SYSCALL - 1;
}

/** Whether a call has this name on this architecture. */
export const isCall = (name: EventName): boolean => numbers.has(name);

/** The name of a call, or undefined for records that are no calls or have an unknown number. */
export function syscallName(number: number): EventName | undefined {
  return names[number];
}

/** The event's `evt.type`. */
export function eventName(event: KernelEvent): EventName {
  switch (event.kind) {
    case EVENT_EXEC:
      return 'execve';
    case EVENT_FORK:
      return FORKS.has(event.syscall) ? (names[event.syscall] ?? 'clone') : 'clone';
    case EVENT_EXIT:
      return 'procexit';
    case EVENT_CGROUP:
      return 'cgroup';
    default:
      return eventNames[event.syscall] ?? 'unknown';
  }
}

const FORK_NAMES: readonly EventName[] = ['clone', 'clone3', 'fork', 'vfork'];
const FORKS: ReadonlySet<number> = new Set(FORK_NAMES.map(syscallNumber));

/** Types that lifecycle records tell, which the probe always sends. */
const LIFECYCLE = new Set<EventName>([...FORK_NAMES, 'procexit']);

/** Whether some event can have this `evt.type`: a call of this architecture, or a lifecycle record. */
export function isEventName(type: EventName): boolean {
  return numbers.has(type) || LIFECYCLE.has(type);
}

/** The system calls the probe must watch so that rules see these types. Unknown names and lifecycle records need none. */
export function syscallsOf(types: Iterable<EventName>): number[] {
  const found = new Set<number>();
  for (const type of types) {
    const number = numbers.get(type);
    if (number !== undefined && !LIFECYCLE.has(type)) found.add(number);
  }
  return [...found].sort((a, b) => a - b);
}

/** Every call of this architecture. */
export const ALL_SYSCALLS: readonly number[] = syscallsOf(numbers.keys());
