/** The compiled addon, as it is. Arguments are validated by probe.ts. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** An optional program of the probe that does not run on this kernel. */
export interface SkippedProgram {
  readonly program: string;
  readonly reason: string;
  /** The last lines of libbpf and the verifier; empty when the kernel was not asked. */
  readonly log: string;
}

export interface NativeProbe {
  readonly ring: ArrayBuffer;
  readonly skipped: SkippedProgram[];
  scan(span: Uint32Array): boolean;
  advance(bytes: number): void;
  wait(onRecord: () => void): boolean;
  backlog(): number;
  watch(table: Uint8Array, ia32: Uint16Array, openClasses: Uint32Array, environment: boolean): void;
  mute(tgid: number): void;
  ruleOut(
    call: number,
    openFlags: number,
    failed: boolean,
    path: Uint8Array,
    real: Uint8Array,
  ): void;
  /** For each kind first by cause, then by filter; and for each call what was sent and what was lost. */
  counters(): { readonly kinds: Float64Array; readonly calls: Float64Array };
  takeLosers(): {
    readonly tgid: number;
    readonly lost: number;
    readonly cgroup: number;
    readonly comm: Buffer;
  }[];
  close(): void;
}

/** What the addon opens a probe with. */
export type NativeOptions = [
  objectPaths: readonly string[],
  ringBytes: number,
  cpus: number,
  cgroupController: string,
  cgroupHierarchy: number,
  copy: boolean,
];

export interface Binding {
  readonly abi: number;
  readonly Probe: {
    new (...options: NativeOptions): NativeProbe;
    /** The same in another thread. */
    open(...options: NativeOptions): Promise<NativeProbe>;
  };
  /** Gives what the allocator of the process keeps for later back to the system. */
  trim(): void;
  /** Has threads that are started later share the allocator's memory with those before. */
  share(): void;
}

const packageRoot = join(import.meta.dirname, '..', '..');
const addonPath = join(packageRoot, 'build', 'Release', 'tocsin.node');

/** The compiled eBPF programs: for kernels from 6.2 on, from 5.11 on, and older ones, where the same costs ever more. */
export const PROBE_OBJECTS = ['probe.bpf.o', 'probe-typed.bpf.o', 'probe-legacy.bpf.o'].map(
  (name) => join(packageRoot, 'build', name),
);

/** Whether everything was built. */
export const isBuilt = (): boolean =>
  [addonPath, ...PROBE_OBJECTS].every((path) => existsSync(path));

/** Gives memory that the allocator of the process keeps for later back to the system. Throws what Node throws without the addon. */
export const trimMemory = (): void => loadBinding().trim();

/** Has threads that are started later share the allocator's memory with those before. Throws likewise. */
export const shareMemory = (): void => loadBinding().share();

/** Loads the addon. Throws what Node throws when it is absent or built for another machine. */
export const loadBinding = (): Binding => createRequire(import.meta.url)(addonPath) as Binding;
