import type { Account, Accounts } from '../events/fields/context.ts';
import type { KernelEvent } from '../events/kernel-event.ts';
import type { ByteString } from '../rules/field.ts';
import type { Container, ContainerRuntime } from '../state/container.ts';
import type { FactsSource } from '../state/containers.ts';
import { type FactsCounters, keepsFacts } from '../state/facts-loader.ts';
import type { Host } from '../state/host.ts';
import type { ProcessFacts } from '../state/proc-files.ts';
import type { Fact } from './facts.ts';

/** Entries and bytes of each table; a recording may be hostile, or of a machine without end. */
const LIMIT = 65_536;
const BYTES_LIMIT = 64 * 1024 * 1024;
/** Bytes of the facts of all containers together. */
const FACTS_LIMIT = 256 * 1024 * 1024;

type ContainerFact = Extract<Fact, { kind: 'container' }>;
type AccountsFact = Extract<Fact, { kind: 'accounts' }>;

interface Names {
  readonly users: Map<number, Account>;
  readonly groups: Map<number, ByteString>;
}

/** The machine of a recording: answers what it answered then, up to the place that the replay has reached. */
export class RecordedHost implements Host, Accounts, FactsSource {
  readonly counters: FactsCounters = { found: 0, asked: 0, missing: 0, cut: 0 };
  bootEpoch: bigint;
  /** Records that the recording itself says are missing. */
  lost = 0;
  readonly #processes = new BoundedMap<number, ProcessFacts>();
  readonly #cgroups = new BoundedMap<ByteString, number>();
  readonly #memberships = new BoundedMap<number, ByteString>();
  readonly #existing = new BoundedMap<string, true>();
  readonly #containers = new BoundedMap<ByteString, ContainerFact>();
  readonly #waiting = new Map<ByteString, Container>();
  readonly #accounts = new BoundedMap<ByteString, Names>();
  #factBytes = 0;
  readonly #onSettled: (container: Container) => void;

  /** `onSettled` is called when the facts of a container are there, or given up on. */
  constructor(bootEpoch: bigint, onSettled: (container: Container) => void) {
    this.bootEpoch = bootEpoch;
    this.#onSettled = onSettled;
  }

  /** From here on this is true. */
  apply(fact: Fact): void {
    switch (fact.kind) {
      case 'process':
        this.#processes.set(fact.facts.tgid, fact.facts);
        break;
      case 'cgroup':
        this.#cgroups.set(fact.path, fact.id);
        break;
      case 'membership':
        this.#memberships.set(fact.tgid, fact.text);
        break;
      case 'exists':
        this.#existing.set(fact.path, true);
        break;
      case 'container':
        this.#settle(fact);
        break;
      case 'accounts':
        this.#learnAccounts(fact);
        break;
      case 'clock':
        this.bootEpoch = fact.bootEpoch;
        break;
      case 'lost':
        this.lost += fact.count;
    }
  }

  /** What was true at the start is known to the state now. */
  started(): void {
    this.#processes.clear();
  }

  listProcesses(): number[] {
    return [...this.#processes.keys()];
  }

  readProcess(tgid: number): ProcessFacts | undefined {
    return this.#processes.get(tgid);
  }

  *listCgroups(): Iterable<readonly [number, ByteString]> {
    for (const [path, id] of this.#cgroups) yield [id, path];
  }

  cgroupId(_hierarchy: string, path: ByteString): number | undefined {
    return this.#cgroups.get(path);
  }

  readCgroup(tgid: number): ByteString {
    return this.#memberships.get(tgid) ?? '';
  }

  exists(path: string): boolean {
    return this.#existing.get(path) ?? false;
  }

  user(uid: number, event: KernelEvent): Account | undefined {
    return this.#accounts.get(event.container.cgroupPath)?.users.get(uid);
  }

  group(gid: number, event: KernelEvent): ByteString | undefined {
    return this.#accounts.get(event.container.cgroupPath)?.groups.get(gid);
  }

  /** A container has its facts at once, or once the recording comes to them; so has one that is started again. */
  load(container: Container): void {
    if (!keepsFacts(container)) return;
    const known = this.#containers.get(container.cgroupPath);
    if (known === undefined) {
      container.pending = true;
      this.#waiting.set(container.cgroupPath, container);
    } else {
      this.#containers.delete(container.cgroupPath);
      fill(container, known);
    }
  }

  refresh(container: Container): void {
    if (container.facts !== undefined || container.pending) return;
    const known = this.#containers.get(container.cgroupPath);
    if (known?.facts !== undefined) fill(container, known);
  }

  stop(): void {}

  #learnAccounts({ cgroupPath, users, groups, isAddition }: AccountsFact): void {
    const known = isAddition ? this.#accounts.get(cgroupPath) : undefined;
    const table: Names = known ?? { users: new Map(), groups: new Map() };
    for (const user of users) table.users.set(user.id, user);
    for (const { id, name } of groups) table.groups.set(id, name);
    if (known === undefined) this.#accounts.set(cgroupPath, table);
  }

  #settle(fact: ContainerFact): void {
    this.#factBytes += weightOf(fact);
    // Containers hold on to their facts for as long as they are known.
    if (this.#factBytes > FACTS_LIMIT) fact = { ...fact, facts: undefined };
    this.counters[fact.facts === undefined ? 'missing' : 'found']++;
    const container = this.#waiting.get(fact.cgroupPath);
    if (container === undefined) {
      this.#containers.set(fact.cgroupPath, fact);
      return;
    }
    this.#waiting.delete(fact.cgroupPath);
    container.pending = false;
    fill(container, fact);
    this.#onSettled(container);
  }
}

function fill(container: Container, { facts, runtime, confirmed }: ContainerFact): void {
  if (facts === undefined) return;
  container.confirmed = confirmed;
  container.facts = facts;
  container.runtime = runtime as ContainerRuntime;
}

/** A map that drops what was set longest ago, and weighs its values as JSON. */
class BoundedMap<K, V> extends Map<K, V> {
  readonly #weights = new Map<K, number>();
  #bytes = 0;

  override set(key: K, value: V): this {
    this.delete(key);
    const weight = weightOf(value);
    while (this.size > 0 && (this.size >= LIMIT || this.#bytes + weight > BYTES_LIMIT)) {
      const [oldest] = this.keys();
      this.delete(oldest as K);
    }
    this.#weights.set(key, weight);
    this.#bytes += weight;
    return super.set(key, value);
  }

  override delete(key: K): boolean {
    this.#bytes -= this.#weights.get(key) ?? 0;
    this.#weights.delete(key);
    return super.delete(key);
  }

  override clear(): void {
    this.#weights.clear();
    this.#bytes = 0;
    super.clear();
  }
}

/** About the bytes a value takes. */
const weightOf = (value: unknown): number => JSON.stringify(value, toPlain)?.length ?? 0;

function toPlain(_key: string, value: unknown): unknown {
  if (value instanceof Map) return [...value];
  return typeof value === 'bigint' ? String(value) : value;
}
