import type { AddressBytes, ByteString, Extractor } from '../../rules/field.ts';
import type { ContainerFacts } from '../../state/container.ts';
import type { Pod } from '../../state/kubernetes/pod.ts';
import type { Process } from '../../state/process.ts';
import type { KernelEvent } from '../kernel-event.ts';

/** Who a number is in the container the event happened in. */
export interface Accounts {
  user(uid: number, event: KernelEvent): Account | undefined;
  group(gid: number, event: KernelEvent): ByteString | undefined;
}

/** One line of a passwd file. */
export interface Account {
  readonly name: ByteString;
  readonly home: ByteString;
  readonly shell: ByteString;
}

/** What fields need besides the event itself. */
export interface FieldContext {
  /** Nanoseconds since the epoch at the moment CLOCK_BOOTTIME was 0. */
  readonly bootEpoch: () => bigint;
  readonly hostname: ByteString;
  readonly accounts: Accounts;
  readonly processes: { get(tgid: number): Process | undefined };
  /** The paths of its cgroups by subsystem. */
  readonly cgroupsOf: (event: KernelEvent) => ReadonlyMap<ByteString, ByteString>;
  /** A domain known to have this address, as far as domains of the rules were resolved. */
  readonly domainOf: (address: AddressBytes) => ByteString | undefined;
  /** A pod of this node by its uid, as the Kubernetes API tells it, where that is configured. */
  readonly podOf?: ((uid: ByteString) => Pod | undefined) | undefined;
}

/** The context of a host that nothing is known of. */
export const NO_STATE: FieldContext = {
  bootEpoch: () => 0n,
  hostname: '',
  accounts: { user: () => undefined, group: () => undefined },
  processes: { get: () => undefined },
  cgroupsOf: () => new Map(),
  domainOf: () => undefined,
};

/** The pod of a container as the API tells it. */
export const podOf = (
  { podOf: find }: FieldContext,
  { podUid }: ContainerFacts,
): Pod | undefined => (podUid === undefined ? undefined : find?.(podUid));

/** Makes a field's extractor for an argument; undefined when the argument means nothing here. */
export type Binder = (
  context: FieldContext,
  argument: ByteString | undefined,
) => Extractor<KernelEvent> | undefined;

/** Binders by field name. */
export type Binders = ReadonlyMap<string, Binder>;

/** A table of fields that take no argument and need no context. */
export function plain(table: Readonly<Record<string, Extractor<KernelEvent>>>): [string, Binder][] {
  return Object.entries(table).map(([name, extract]) => [name, () => extract]);
}

/** A 64-bit integer as a field value. */
export function integer(value: bigint): number | bigint {
  return value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER
    ? Number(value)
    : value;
}

/** For fields that upstream keeps but never gives a value. */
export const never: Extractor<KernelEvent> = () => undefined;
