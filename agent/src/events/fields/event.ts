import { EVENT_EXIT, EVENT_IA32, EVENT_OPEN, EVENT_SOCKET, EVENT_X32 } from '@tocsin/native';
import type { Extractor, Value } from '../../rules/field.ts';
import { categoryOf } from '../category.ts';
import { resultText } from '../errno.ts';
import { eventName, syscallName } from '../event-name.ts';
import { mainPath, targetPath } from '../event-path.ts';
import { fdName, fdType } from '../file-descriptor.ts';
import { FILE_FLAG } from '../flag-names.ts';
import type { KernelEvent } from '../kernel-event.ts';
import { messageData, messageDirection } from '../message.ts';
import { parameterPair, parameterText } from '../parameter.ts';
import { openFlags, openMode, parametersOf } from '../parameter-tables.ts';
import { type Binder, integer, never, plain } from './context.ts';

const ACCEPTS = new Set(['accept', 'accept4']);
const ANY_EXECUTE = 0o111;

/** Whether an open asks for reading or writing; false for every other event. */
function opensFor(event: KernelEvent, flag: number): boolean {
  return (
    event.kind === EVENT_OPEN && eventName(event) !== 'creat' && (openFlags(event) & flag) !== 0
  );
}

/** Whether an open may create a file with an execute bit. */
function opensExecutable(event: KernelEvent): boolean {
  return event.kind === EVENT_OPEN && (openMode(event) & ANY_EXECUTE) !== 0;
}

function hasResult(event: KernelEvent): boolean {
  return event.kind !== EVENT_EXIT;
}

/** 1 for a failed event of some sort, else missing. */
function failedWhen(matches: (event: KernelEvent) => boolean): Extractor<KernelEvent> {
  return (event) => (hasResult(event) && event.result < 0 && matches(event) ? 1 : undefined);
}

const isFileEvent = (event: KernelEvent): boolean => categoryOf(event) === 'file';
const isNetEvent = (event: KernelEvent): boolean => event.kind === EVENT_SOCKET;

const argument: Binder = (context, key) => {
  if (key === undefined) return undefined;
  const index = /^\d+$/.test(key) ? Number(key) : -1;
  return (event) => {
    const parameters = parametersOf(event);
    const parameter = index >= 0 ? parameters[index] : parameters.find(({ name }) => name === key);
    return parameter && parameterText(parameter, event, context);
  };
};

const rawArgument: Binder = (_context, key) => {
  if (key === undefined) return undefined;
  return (event) => {
    const value = parametersOf(event)
      .find(({ name }) => name === key)
      ?.raw(event);
    return typeof value === 'bigint' ? integer(value) : value;
  };
};

const allArguments: Binder = (context) => (event) =>
  parametersOf(event)
    .map((parameter) => `${parameterPair(parameter, event, context)} `)
    .join('');

const isType: Binder = (_context, name) =>
  name === undefined ? undefined : (event) => (eventName(event) === name ? 1 : 0);

const absolutePath: Binder = (_context, side) => {
  if (side === 'dst') return targetPath;
  return side === undefined || side === 'src' ? mainPath : undefined;
};

function io(test: (direction: 'read' | 'write' | undefined) => Value | undefined) {
  return (event: KernelEvent) => test(messageDirection(event));
}

const NETWORK: ReadonlySet<string | undefined> = new Set(['ipv4', 'ipv6']);
const FILE: ReadonlySet<string | undefined> = new Set(['file']);

/** Bytes that a call moved one way or, without one, any; from or to descriptors of these types or, without them, any. */
function transferred(
  wanted?: 'read' | 'write',
  types?: ReadonlySet<string | undefined>,
): Extractor<KernelEvent> {
  return (event) => {
    const direction = messageDirection(event);
    if (direction === undefined || event.result < 0) return undefined;
    if (wanted !== undefined && direction !== wanted) return undefined;
    return types === undefined || types.has(fdType(event)) ? event.result : undefined;
  };
}

const SYSLOG = '/dev/log';

const NEVER = [
  ...['evt.latency', 'evt.latency.s', 'evt.latency.ns', 'evt.latency.human'],
  ...['evt.latency.quantized', 'evt.wait_latency', 'evt.pluginname', 'evt.plugininfo'],
  ...['evt.asynctype', 'evt.infra.docker.name', 'evt.infra.docker.container.id'],
  ...['evt.infra.docker.container.name', 'evt.infra.docker.container.image'],
  ...['evt.count.procinfo', 'evt.count.threadinfo'],
];

export const eventFields: readonly [string, Binder][] = [
  ...plain({
    'evt.num': (event) => event.number,
    'evt.type': eventName,
    'evt.source': () => 'syscall',
    'evt.is_async': () => false,
    'evt.dir': () => '<',
    'evt.cpu': (event) => event.cpu,
    'evt.category': categoryOf,
    'evt.res': (event) => (hasResult(event) ? resultText(event.result) : undefined),
    'evt.rawres': (event) => (hasResult(event) ? event.result : undefined),
    'evt.failed': (event) => hasResult(event) && event.result < 0,
    'evt.is_open_read': (event) => opensFor(event, FILE_FLAG.READ),
    'evt.is_open_write': (event) => opensFor(event, FILE_FLAG.WRITE),
    'evt.is_open_exec': opensExecutable,
    'evt.is_open_create': (event) =>
      event.kind === EVENT_OPEN && (openFlags(event) & FILE_FLAG.CREATED) !== 0,
    'evt.is_io': io((direction) => direction !== undefined),
    'evt.is_io_read': io((direction) => direction === 'read'),
    'evt.is_io_write': io((direction) => direction === 'write'),
    'evt.io_dir': io((direction) => direction),
    'evt.is_wait': (event) => ACCEPTS.has(eventName(event)),
    'evt.is_syslog': (event) =>
      messageDirection(event) === 'write' && (fdName(event)?.includes(SYSLOG) ?? false),
    'evt.abi': (event) =>
      event.flags & EVENT_IA32 ? 'ia32' : event.flags & EVENT_X32 ? 'x32' : '64',
    'evt.buffer': messageData,
    'evt.buflen': transferred(),
    'evt.buflen.in': transferred('read'),
    'evt.buflen.out': transferred('write'),
    'evt.buflen.file': transferred(undefined, FILE),
    'evt.buflen.file.in': transferred('read', FILE),
    'evt.buflen.file.out': transferred('write', FILE),
    'evt.buflen.net': transferred(undefined, NETWORK),
    'evt.buflen.net.in': transferred('read', NETWORK),
    'evt.buflen.net.out': transferred('write', NETWORK),
    'evt.count': () => 1,
    'evt.count.exit': () => 1,
    'evt.count.error': failedWhen(() => true),
    'evt.count.error.file': failedWhen(isFileEvent),
    'evt.count.error.net': failedWhen(isNetEvent),
    'evt.count.error.memory': never,
    'evt.count.error.other': failedWhen((event) => !isFileEvent(event) && !isNetEvent(event)),
    'syscall.type': (event) =>
      event.kind === EVENT_EXIT ? undefined : (syscallName(event.syscall) ?? eventName(event)),
  }),
  ...NEVER.map((name): [string, Binder] => [name, () => never]),
  [
    'evt.hostname',
    ({ hostname }) =>
      () =>
        hostname,
  ],
  ['evt.arg', argument],
  ['evt.rawarg', rawArgument],
  ['evt.args', allArguments],
  ['evt.info', allArguments],
  ['evt.type.is', isType],
  ['evt.abspath', absolutePath],
];
