import type { RecordBuilder } from '../../events/record-builder.ts';
import type { ByteString } from '../../rules/field.ts';
import type { CapabilitySets } from '../../state/process.ts';
import type { Fact } from '../facts.ts';
import type { ScapEvent } from './event.ts';
import type { AccountEntry } from './lists.ts';
import type { Processes, ScapProcess } from './process.ts';

/** What the translation of an event can do: write records and facts, and change what is known of processes. */
export interface Translation {
  readonly processes: Processes;
  /** Holds the record that was begun. */
  readonly builder: RecordBuilder;
  /** Begins a record of an event. `syscall` is the name of the call; without one it is none. */
  begin(
    kind: number,
    size: number,
    event: ScapEvent,
    process: ScapProcess,
    syscall?: string,
  ): RecordBuilder;
  /** Ends the record that was begun. */
  emit(): void;
  fact(fact: Fact): void;
  /** A user or group of the host, or of the container of that id, was made, or deleted. */
  account(entry: AccountEntry, container?: ByteString, isDeleted?: boolean): void;
  /** Takes what is told of a container as JSON. */
  learnContainer(json: string): void;
  /** The process is in the cgroup of a list from now on. */
  move(process: ScapProcess, cgroups: string): void;
}

/** Translates one event. */
export type Handle = (translator: Translation, event: ScapEvent, process: ScapProcess) => void;

/** The same for several names. */
export function all(names: readonly string[], handle: Handle): Readonly<Record<string, Handle>> {
  return Object.fromEntries(names.map((name) => [name, handle]));
}

/** What a call returned. */
export function resultOf(event: ScapEvent): number {
  return event.integer('res') ?? event.integer('fd') ?? 0;
}

/** The capabilities that an event tells. */
export function capabilitiesIn(event: ScapEvent): CapabilitySets {
  return {
    capPermitted: event.wide('cap_permitted'),
    capEffective: event.wide('cap_effective'),
    capInheritable: event.wide('cap_inheritable'),
  };
}

/** argv of a program, each ended by NUL. */
export function argvOf(exe: string, args: string): string {
  return `${exe}\0${args === '' || args.endsWith('\0') ? args : `${args}\0`}`;
}

/** A folder without the slash at its end, except for the root. */
export function withoutSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}
