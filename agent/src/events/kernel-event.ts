import {
  CALL_STRINGS,
  CGROUP_STRINGS,
  callLayout,
  cgroupLayout,
  EVENT_CALL,
  EVENT_CGROUP,
  EVENT_EXEC,
  EVENT_EXECFAIL,
  EVENT_EXIT,
  EVENT_FORK,
  EVENT_OPEN,
  EVENT_PATH,
  EVENT_PATHS,
  EVENT_SOCKET,
  EXEC_STRINGS,
  execLayout,
  exitLayout,
  forkLayout,
  headerLayout,
  OPEN_STRINGS,
  openLayout,
  PATH_STRINGS,
  PATHS_STRINGS,
  pathLayout,
  pathsLayout,
  SOCKET_STRINGS,
  socketLayout,
} from '@tocsin/native';
import type { ByteString } from '../rules/field.ts';
import { type Container, HOST } from '../state/container.ts';
import { Process } from '../state/process.ts';

declare global {
  interface Buffer<TArrayBuffer extends ArrayBufferLike = ArrayBufferLike> {
    /** Node's own fast path of `toString('latin1')`, which its type declarations leave out. */
    latin1Slice(start?: number, end?: number): string;
    /** The same of `write(text, 'latin1')`. */
    latin1Write(text: string, offset?: number, length?: number): number;
  }
}

interface Shape {
  readonly size: number;
  /** Where the string lengths are; 0 when the kind has no strings. */
  readonly lengthsAt: number;
  readonly strings: number;
}

const shapes: (Shape | undefined)[] = [];
shapes[EVENT_FORK] = { size: forkLayout.size, lengthsAt: 0, strings: 0 };
shapes[EVENT_EXEC] = shape(execLayout, EXEC_STRINGS);
shapes[EVENT_EXIT] = { size: exitLayout.size, lengthsAt: 0, strings: 0 };
shapes[EVENT_OPEN] = shape(openLayout, OPEN_STRINGS);
shapes[EVENT_PATH] = shape(pathLayout, PATH_STRINGS);
shapes[EVENT_PATHS] = shape(pathsLayout, PATHS_STRINGS);
shapes[EVENT_SOCKET] = shape(socketLayout, SOCKET_STRINGS);
shapes[EVENT_CALL] = shape(callLayout, CALL_STRINGS);
shapes[EVENT_EXECFAIL] = shape(execLayout, EXEC_STRINGS);
shapes[EVENT_CGROUP] = shape(cgroupLayout, CGROUP_STRINGS);

function shape(layout: { size: number; stringLength: number }, strings: number): Shape {
  return { size: layout.size, lengthsAt: layout.stringLength, strings };
}

const NO_BYTES = Buffer.alloc(headerLayout.size);
const NOBODY = new Process(0, 0);

/**
 * One kernel record, read in place. The object is reused for record after record: `attach` moves it, and whatever is to outlive
 * the next `attach` must be read before (or taken along with `copy`). Strings become JavaScript strings only when asked for.
 */
export class KernelEvent {
  bytes: Buffer = NO_BYTES;
  view: DataView = viewOf(NO_BYTES);
  offset = 0;
  /** Bytes of the record. */
  length = 0;
  kind = 0;
  /** Native 64-bit number; 0xffff when it is no system call. */
  syscall = 0;
  flags = 0;
  /** Return value. 64 bits, as exact as a double can be. */
  result = 0;
  tgid = 0;
  start = 0;
  ppid = 0;
  /** Kernel id of the cgroup. */
  cgroup = 0;
  /** Counts the events the rules have seen, from 1. */
  number = 0;
  /** Set by the state before rules see the event. */
  process: Process = NOBODY;
  /** Set by the state before rules see the event. */
  container: Container = HOST;
  /** Memos of derived values, cleared on every attach. */
  path: ByteString | undefined = undefined;
  secondPath: ByteString | undefined = undefined;
  readonly #strings: (ByteString | undefined)[] = [
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ];

  /** Reads from `bytes` henceforth; a view over the same memory spares making one. */
  use(bytes: Buffer, view: DataView = viewOf(bytes)): void {
    this.bytes = bytes;
    this.view = view;
  }

  /** Moves to the record at `offset`, of at most `available` bytes. False when what is there cannot be a record. */
  attach(offset: number, available: number): boolean {
    if (available < headerLayout.size || offset + available > this.bytes.length) return false;
    const view = this.view;
    const length = view.getUint32(offset + headerLayout.length, true);
    const kind = view.getUint8(offset + headerLayout.kind);
    const shape = shapes[kind];
    if (shape === undefined || length > available || length < shape.size) return false;
    let strings = shape.size;
    for (let i = 0, at = offset + shape.lengthsAt; i < shape.strings; i++, at += 2) {
      strings += view.getUint16(at, true);
    }
    if (strings > length) return false;
    this.offset = offset;
    this.length = length;
    this.kind = kind;
    this.syscall = view.getUint16(offset + headerLayout.syscall, true);
    this.flags = view.getUint32(offset + headerLayout.flags, true);
    this.result = this.signed64(headerLayout.result);
    this.tgid = view.getUint32(offset + headerLayout.tgid, true);
    this.start = view.getUint32(offset + headerLayout.start, true);
    this.ppid = view.getUint32(offset + headerLayout.ppid, true);
    this.cgroup = this.unsigned64(headerLayout.cgroup);
    this.path = undefined;
    this.secondPath = undefined;
    const memo = this.#strings;
    memo[0] = memo[1] = memo[2] = memo[3] = memo[4] = undefined;
    return true;
  }

  /** CLOCK_BOOTTIME in nanoseconds. */
  get time(): bigint {
    return this.view.getBigUint64(this.offset + headerLayout.time, true);
  }

  get cpu(): number {
    return this.uint16(headerLayout.cpu);
  }

  /** Counts the records of a cpu: a gap means that some were lost. */
  get sequence(): number {
    return this.uint32(headerLayout.sequence);
  }

  get tid(): number {
    return this.uint32(headerLayout.tid);
  }

  /** As its own pid namespace numbers it; 0 when that is not known. */
  get vtid(): number {
    return this.uint32(headerLayout.vtid);
  }

  /** Threads of the process, at most 65,535. */
  get threads(): number {
    return this.uint16(headerLayout.threads);
  }

  get vpid(): number {
    return this.uint32(headerLayout.vpid);
  }

  get euid(): number {
    return this.uint32(headerLayout.euid);
  }

  get egid(): number {
    return this.uint32(headerLayout.egid);
  }

  get auditUid(): number {
    return this.uint32(headerLayout.auditUid);
  }

  /** The kernel's name of the calling thread now. */
  get comm(): ByteString {
    const from = this.offset + headerLayout.comm;
    let end = from;
    while (end < from + 16 && this.bytes[end] !== 0) end++;
    return this.bytes.latin1Slice(from, end);
  }

  uint8(at: number): number {
    return this.view.getUint8(this.offset + at);
  }

  uint16(at: number): number {
    return this.view.getUint16(this.offset + at, true);
  }

  uint32(at: number): number {
    return this.view.getUint32(this.offset + at, true);
  }

  int32(at: number): number {
    return this.view.getInt32(this.offset + at, true);
  }

  /** An unsigned 64-bit number whose upper bits do not matter beyond 2^53. */
  unsigned64(at: number): number {
    return this.uint32(at) + this.uint32(at + 4) * 2 ** 32;
  }

  /** A signed 64-bit number, exact within 2^53. */
  signed64(at: number): number {
    return this.uint32(at) + this.int32(at + 4) * 2 ** 32;
  }

  big64(at: number): bigint {
    return this.view.getBigUint64(this.offset + at, true);
  }

  /** The n-th argument of a raw call as an unsigned 64-bit number. */
  argument(n: number): bigint {
    return this.big64(callLayout.arguments + 8 * n);
  }

  /** The n-th argument of a raw call as the C type `int`. */
  intArgument(n: number): number {
    return this.int32(callLayout.arguments + 8 * n);
  }

  /** The n-th argument of a raw call as the C type `unsigned int`. */
  uintArgument(n: number): number {
    return this.uint32(callLayout.arguments + 8 * n);
  }

  /** The n-th string of the record's kind, as bytes. */
  string(index: number): ByteString {
    const known = this.#strings[index];
    if (known !== undefined) return known;
    const shape = shapes[this.kind];
    if (shape === undefined || index >= shape.strings) return '';
    let from = this.offset + shape.size;
    let lengthAt = shape.lengthsAt;
    for (let i = 0; i < index; i++, lengthAt += 2) from += this.uint16(lengthAt);
    const text = this.bytes.latin1Slice(from, from + this.uint16(lengthAt));
    this.#strings[index] = text;
    return text;
  }

  /** Bytes of the n-th string, without making it. */
  stringLength(index: number): number {
    const shape = shapes[this.kind];
    return shape === undefined || index >= shape.strings
      ? 0
      : this.uint16(shape.lengthsAt + 2 * index);
  }

  /** `size` raw bytes, such as an address. */
  slice(at: number, size: number): ByteString {
    return this.bytes.latin1Slice(this.offset + at, this.offset + at + size);
  }

  /** The same record in memory of its own. */
  copy(): KernelEvent {
    const twin = new KernelEvent();
    twin.use(Buffer.from(this.bytes.subarray(this.offset, this.offset + this.length)));
    twin.attach(0, this.length);
    twin.number = this.number;
    twin.process = this.process;
    twin.container = this.container;
    return twin;
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
