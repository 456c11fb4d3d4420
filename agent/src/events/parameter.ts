import type { ByteString, Value } from '../rules/field.ts';
import { endpointsOf, endpointsText, endText, isConnected } from './endpoints.ts';
import { errorName } from './errno.ts';
import { AT_FDCWD } from './event-path.ts';
import type { FieldContext } from './fields/context.ts';
import { fdName, fdNumber, fdTypeCharacter, isOpenFd, transport } from './file-descriptor.ts';
import { type Choices, enumText, type FlagWord, flagText } from './flag-names.ts';
import type { KernelEvent } from './kernel-event.ts';

/** One parameter of an event type. */
export interface Parameter {
  readonly name: string;
  /** As a number or the text that was given; undefined when the record does not tell. */
  readonly raw: (event: KernelEvent) => Value | undefined;
  /** `raw` as text, where that is not just its decimal form. */
  readonly text?: (event: KernelEvent) => ByteString | undefined;
  /** What it means: a path made absolute, the names of flags. */
  readonly resolved?: (event: KernelEvent, context: FieldContext) => ByteString | undefined;
}

type Get<T> = (event: KernelEvent) => T;
type Names = Parameters<typeof flagText>[0];

/** A parameter Falco has and this probe does not send: keeps the positions of the others. */
export const absent = (name: string): Parameter => ({ name, raw: () => undefined });

/** Any number or text without further meaning. */
export const plainly = (name: string, raw: Get<Value | undefined>): Parameter => ({ name, raw });

/** The result of a call: a negative one has a name. */
export const result = (name = 'res'): Parameter => ({
  name,
  raw: (event) => event.result,
  resolved: (event) => (event.result < 0 ? errorName(event.result) : undefined),
});

/** A result that is the event's new fd. */
export const newFd = (name = 'fd'): Parameter => ({
  name,
  raw: (event) => event.result,
  resolved: (event) => (event.result < 0 ? errorName(event.result) : describeFd(event)),
});

/** The fd that the event is about. */
export const usedFd = (name = 'fd'): Parameter => ({
  name,
  raw: (event) => fdNumber(event),
  resolved: (event) => {
    const fd = fdNumber(event) ?? -1;
    return fd < 0 ? errorName(fd) : describeFd(event);
  },
});

/** Numbers before and after a duplication, of one and the same file. */
export const sameFd = (name: string, raw: Get<number>): Parameter => ({
  name,
  raw,
  resolved: (event) => {
    const fd = raw(event);
    return fd < 0 ? errorName(fd) : event.result < 0 ? undefined : describeFd(event);
  },
});

function describeFd(event: KernelEvent): ByteString | undefined {
  const name = fdName(event);
  if (name === undefined || !isOpenFd(event)) return undefined;
  const protocol = endpointsOf(event) === undefined ? undefined : transport(event);
  const letter = protocol === undefined || protocol === '<NA>' ? '' : protocol.charAt(0);
  return `<${fdTypeCharacter(event)}${letter}>${name}`;
}

/** A folder's fd that a path may start from. `base` is that folder where the record tells it. */
export const folderFd = (name: string, raw: Get<number>, base: Get<ByteString>): Parameter => ({
  name,
  raw,
  resolved: (event) => {
    const fd = raw(event);
    if (fd === AT_FDCWD) return 'AT_FDCWD';
    if (fd < 0) return errorName(fd);
    const path = base(event);
    return path === '' ? undefined : `<d>${path}`;
  },
});

/** A process by its number, with its name. */
export const processId = (name: string, raw: Get<number>): Parameter => ({
  name,
  raw,
  resolved: (event, { processes }) => {
    const pid = raw(event);
    const isOwn = pid === event.tgid || pid === event.tid;
    return isOwn ? event.process.comm : processes.get(pid)?.comm;
  },
});

/** A number in hexadecimal digits. */
export const hexadecimal = (name: string, raw: Get<number | bigint>): Parameter => ({
  name,
  raw,
  text: (event) => hexadecimalText(raw(event)),
});

export const hexadecimalText = (value: number | bigint): string => value.toString(16).toUpperCase();

/** Any bytes: those that cannot be printed show as dots, none at all as NULL. */
export const bytes = (name: string, raw: Get<ByteString | undefined>): Parameter => ({
  name,
  raw,
  text: (event) => raw(event)?.replace(/[^ -~]/g, '.') || 'NULL',
});

/** A path: resolved to the absolute one when it was given otherwise. */
export const path = (
  name: string,
  given: Get<ByteString>,
  absolute: Get<ByteString | undefined>,
): Parameter => ({
  name,
  raw: given,
  resolved: (event) => {
    const full = absolute(event);
    return full === given(event) ? undefined : full;
  },
});

/** A word of bits that Falco numbers otherwise than the kernel. */
export const convertedFlags = (name: string, word: FlagWord, raw: Get<number>): Parameter =>
  flags(name, word.names, (event) => word.fromKernel(raw(event)));

/** The same for an enumeration. */
export const convertedChoice = (name: string, table: Choices, raw: Get<number>): Parameter =>
  choice(name, table.names, (event) => table.fromKernel(raw(event)));

/** A word of bits with names. */
export const flags = (name: string, table: Names, raw: Get<number>): Parameter => ({
  name,
  raw: (event) => raw(event) >>> 0,
  resolved: (event) => flagText(table, raw(event) | 0),
});

/** A number whose values have names. */
export const choice = (
  name: string,
  table: ReadonlyMap<number, string>,
  raw: Get<number>,
  fallback?: string,
): Parameter => ({
  name,
  raw,
  resolved: (event) => enumText(table, raw(event), fallback),
});

/** Permission bits, octal, with names where Falco gives them. */
export const mode = (name: string, raw: Get<number>, table?: Names): Parameter => ({
  name,
  raw,
  text: (event) => octal(raw(event)),
  ...(table && { resolved: (event) => flagText(table, raw(event) & 0o7777) }),
});

function octal(value: number): string {
  return value === 0 ? '0' : `0${value.toString(8)}`;
}

const NOBODY = 0xffffffff;

/** A user id with the user's name. */
export const user = (name: string, raw: Get<number>): Parameter => ({
  name,
  raw,
  text: (event) => String(raw(event) | 0),
  resolved: (event, { accounts }) => {
    const uid = raw(event);
    if (uid === NOBODY) return '<NONE>';
    return accounts.user(uid, event)?.name ?? (uid === 0 ? 'root' : '<NA>');
  },
});

/** A group id with the group's name. */
export const group = (name: string, raw: Get<number>): Parameter => ({
  name,
  raw,
  text: (event) => String(raw(event) | 0),
  resolved: (event, { accounts }) => {
    const gid = raw(event);
    return gid === NOBODY ? '<NONE>' : (accounts.group(gid, event) ?? '<NA>');
  },
});

/** Both ends of a socket as text; those of an attempt when there was no connection. */
export const tuple: Parameter = {
  name: 'tuple',
  raw: (event) => {
    const ends = endpointsOf(event);
    if (ends === undefined) return fdName(event) || 'NULL';
    if (ends.role !== 'none') return endpointsText(ends);
    if (!isConnected(ends)) return 'NULL';
    return `${endText(ends.local, ends.localPort)}->${endText(ends.remote, ends.remotePort)}`;
  },
};

/** The address a call was given: the peer of a connect, the own one of a bind. */
export const socketAddress = (side: 'local' | 'remote'): Parameter => ({
  name: 'addr',
  raw: (event) => {
    const ends = endpointsOf(event);
    if (ends === undefined) return fdName(event) || 'NULL';
    return endText(ends[side], side === 'local' ? ends.localPort : ends.remotePort);
  },
});

/** What `evt.arg` shows: the meaning, or else the value itself. */
export function parameterText(
  parameter: Parameter,
  event: KernelEvent,
  context: FieldContext,
): ByteString | undefined {
  return parameter.resolved?.(event, context) ?? valueText(parameter, event);
}

/** What `evt.args` shows of one: `name=value(meaning)`. */
export function parameterPair(
  parameter: Parameter,
  event: KernelEvent,
  context: FieldContext,
): ByteString {
  const value = valueText(parameter, event);
  const meaning = parameter.resolved?.(event, context);
  const shown = value === undefined || value === '' ? '<NA>' : value;
  return `${parameter.name}=${shown}${meaning === undefined || meaning === value ? '' : `(${meaning})`}`;
}

function valueText(parameter: Parameter, event: KernelEvent): ByteString | undefined {
  if (parameter.text !== undefined) return parameter.text(event);
  const value = parameter.raw(event);
  return value === undefined ? undefined : String(value);
}
