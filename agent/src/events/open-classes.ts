import {
  EVENT_OPEN,
  headerLayout,
  OPEN_CLASS_CREATE,
  OPEN_CLASS_DIRECTORY,
  OPEN_CLASS_TEMPORARY,
  OPEN_CLASSES,
  type OpenClasses,
  openLayout,
} from '@tocsin/native';
import type { CompiledRule, CompiledRules, Knowledge } from '../rules/compile-rules.ts';
import { failureOf, successOf } from '../rules/compiler/failure.ts';
import { isEventName, syscallName, syscallNumber } from './event-name.ts';
import { OPEN } from './flag-names.ts';
import { KernelEvent } from './kernel-event.ts';

/** Calls whose flags lie in their arguments, where the kernel sees them before it makes a record. */
const CLASSIFIED = ['open', 'openat', 'creat', 'open_by_handle_at'] as const;

const ACCESS_MODES = 4;
const EACCES = -13n;

/** O_* flags that put an open into a class. `__O_TMPFILE` alone: the kernel's O_TMPFILE has O_DIRECTORY in it. */
const BITS = [
  [OPEN_CLASS_CREATE, OPEN.CREAT],
  [OPEN_CLASS_DIRECTORY, OPEN.DIRECTORY],
  [OPEN_CLASS_TEMPORARY, OPEN.TMPFILE & ~OPEN.DIRECTORY],
] as const;

const MAKES_FILE = OPEN.CREAT | (OPEN.TMPFILE & ~OPEN.DIRECTORY);

/** Fields that are the same for every open by one native call, of one class, that all succeeded or all failed. */
const CLASS_FIELDS: ReadonlySet<string> = new Set([
  ...['evt.type', 'evt.type.is', 'syscall.type', 'evt.source', 'evt.dir', 'evt.category'],
  ...['evt.is_async', 'evt.is_io', 'evt.is_io_read', 'evt.is_io_write', 'evt.io_dir'],
  ...['evt.is_wait', 'evt.is_syslog', 'evt.abi', 'evt.failed'],
  ...['evt.is_open_read', 'evt.is_open_write', 'fd.type', 'fd.typechar'],
]);
/** Whether a file was made is known only of opens that cannot make one. */
const FIELDS_OF_MAKERS: ReadonlySet<string> = new Set(['evt.is_open_create', 'evt.is_open_exec']);

/** What the class of an open tells. */
export const CLASS_KNOWLEDGE: Required<Knowledge<KernelEvent>> = {
  knows({ definition: { name } }, event) {
    if (CLASS_FIELDS.has(name)) return true;
    // Of all good results the text is the same.
    if (name === 'evt.res') return event.result >= 0;
    return FIELDS_OF_MAKERS.has(name) && (event.uint32(openLayout.openFlags) & MAKES_FILE) === 0;
  },
  assume: (leaf, event) =>
    event.result < 0 ? failureOf(leaf, eventTypeOf(event)) : successOf(leaf),
};

/** An event type by its number, for events that may not be attached to anything else. */
const eventTypeOf = (event: KernelEvent): string => syscallName(event.syscall) ?? '';

/** An open of a class, made up to ask the rules about all that are like it. */
function exampleOf(call: number, openClass: number, failed: boolean): KernelEvent {
  const bytes = Buffer.alloc(openLayout.size);
  const flags = BITS.reduce(
    (sum, [bit, flag]) => (openClass & bit ? sum | flag : sum),
    openClass & (ACCESS_MODES - 1),
  );
  bytes.writeUInt32LE(bytes.length, headerLayout.length);
  bytes.writeUInt8(EVENT_OPEN, headerLayout.kind);
  bytes.writeUInt16LE(call, headerLayout.syscall);
  bytes.writeBigInt64LE(failed ? EACCES : 3n, headerLayout.result);
  bytes.writeUInt32LE(flags, openLayout.openFlags);
  const event = new KernelEvent();
  event.use(bytes);
  event.attach(0, bytes.length);
  return event;
}

/** The classes of opens by one call that `wanted` holds for, a bit each. */
function classesOf(
  call: number,
  failed: boolean,
  wanted: (example: KernelEvent) => boolean,
): number {
  let classes = 0;
  for (let openClass = 0; openClass < OPEN_CLASSES; openClass++)
    if (wanted(exampleOf(call, openClass, failed))) classes |= 1 << openClass;
  return classes >>> 0;
}

/** What of the opens these rules could match, or one of them. */
export function openClassesOf(
  rules: Pick<CompiledRules<KernelEvent>, 'couldMatch'>,
  only?: CompiledRule<KernelEvent>,
): OpenClasses[] {
  const wanted = rules.couldMatch(CLASS_KNOWLEDGE, only);
  return CLASSIFIED.flatMap((name) => {
    if (!isEventName(name)) return [];
    const call = syscallNumber(name);
    const succeeded = classesOf(call, false, wanted);
    return [{ call, succeeded, failed: classesOf(call, true, wanted) }];
  });
}
