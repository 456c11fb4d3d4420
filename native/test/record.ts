/** Decodes records for assertions, from the layout alone. */
import {
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
  execLayout,
  exitLayout,
  forkLayout,
  headerLayout,
  openLayout,
  pathLayout,
  pathsLayout,
  socketLayout,
} from '../lib/index.ts';

type Layout = Readonly<Record<string, number>> & { size: number; stringLength?: number };

const LAYOUTS: Readonly<Record<number, Layout>> = {
  [EVENT_FORK]: forkLayout,
  [EVENT_EXEC]: execLayout,
  [EVENT_EXIT]: exitLayout,
  [EVENT_OPEN]: openLayout,
  [EVENT_PATH]: pathLayout,
  [EVENT_PATHS]: pathsLayout,
  [EVENT_SOCKET]: socketLayout,
  [EVENT_CALL]: callLayout,
  [EVENT_EXECFAIL]: execLayout,
  [EVENT_CGROUP]: cgroupLayout,
};

const STRINGS: Readonly<Record<number, readonly string[]>> = {
  [EVENT_EXEC]: ['filename', 'exePath', 'cwd', 'args', 'env'],
  [EVENT_EXECFAIL]: ['filename', 'exePath', 'cwd', 'args', 'env'],
  [EVENT_OPEN]: ['path', 'base', 'real'],
  [EVENT_PATH]: ['path', 'base', 'real'],
  [EVENT_PATHS]: ['source', 'sourceBase', 'target', 'targetBase', 'type'],
  [EVENT_SOCKET]: ['local', 'remote', 'data'],
  [EVENT_CALL]: ['text', 'path'],
  [EVENT_CGROUP]: ['path'],
};

/** One record copied out of the ring. */
export class ProbeRecord {
  readonly bytes: Buffer;
  readonly kind: number;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.kind = bytes.readUInt8(headerLayout.kind);
  }

  get strings(): Readonly<Record<string, string>> {
    const layout = LAYOUTS[this.kind];
    const out: Record<string, string> = {};
    let at = layout?.size ?? this.bytes.length;
    (STRINGS[this.kind] ?? []).forEach((name, index) => {
      const length = this.bytes.readUInt16LE((layout?.stringLength ?? 0) + 2 * index);
      out[name] = this.bytes.toString('latin1', at, at + length);
      at += length;
    });
    if (at !== this.bytes.length) throw new Error(`strings end at ${at} of ${this.bytes.length}`);
    return out;
  }

  #offset(field: string): number {
    const offset =
      (headerLayout as Readonly<Record<string, number>>)[field] ?? LAYOUTS[this.kind]?.[field];
    if (offset === undefined) throw new Error(`kind ${this.kind} has no field ${field}`);
    return offset;
  }

  text = (name: string): string | undefined => this.strings[name];
  u8 = (field: string): number => this.bytes.readUInt8(this.#offset(field));
  u16 = (field: string): number => this.bytes.readUInt16LE(this.#offset(field));
  u32 = (field: string): number => this.bytes.readUInt32LE(this.#offset(field));
  s32 = (field: string): number => this.bytes.readInt32LE(this.#offset(field));
  u64 = (field: string, index = 0): bigint =>
    this.bytes.readBigUInt64LE(this.#offset(field) + 8 * index);
  get result(): bigint {
    return this.bytes.readBigInt64LE(headerLayout.result);
  }
  get comm(): string {
    const end = this.bytes.indexOf(0, headerLayout.comm);
    return this.bytes.toString('latin1', headerLayout.comm, end);
  }
  address = (field: string, size: number): number[] => [
    ...this.bytes.subarray(this.#offset(field), this.#offset(field) + size),
  ];
}
