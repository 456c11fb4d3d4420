import type { Account, Accounts } from '../events/fields/context.ts';
import type { KernelEvent } from '../events/kernel-event.ts';
import type { ByteString } from '../rules/field.ts';
import type { AccountTable } from '../state/accounts.ts';
import type { Container, ContainerRuntime } from '../state/container.ts';
import type { FactsSource } from '../state/containers.ts';
import { type FactsCounters, keepsFacts } from '../state/facts-loader.ts';
import type { CapabilitySets, Host } from '../state/host.ts';
import type { ProcessFacts } from '../state/proc-files.ts';
import type { Fact } from './facts.ts';

/** Entries of each table; a recording may be hostile, or of a machine without end. */
const LIMIT = 65_536;

type ContainerFact = Extract<Fact, { kind: 'container' }>;

/** The machine of a recording: answers what it answered then, up to the place that the replay has reached. */
export class RecordedHost implements Host, Accounts, FactsSource {
  readonly counters: FactsCounters = { found: 0, asked: 0, missing: 0, cut: 0 };
  bootEpoch: bigint;
  /** Records that the recording itself says are missing. */
  lost = 0;
  readonly #processes = new BoundedMap<number, ProcessFacts>();
  readonly #capabilities = new BoundedMap<number, CapabilitySets>();
  readonly #cgroups = new BoundedMap<ByteString, number>();
  readonly #memberships = new BoundedMap<number, ByteString>();
  readonly #existing = new BoundedMap<string, true>();
  readonly #containers = new BoundedMap<ByteString, ContainerFact>();
  readonly #waiting = new BoundedMap<ByteString, Container>();
  readonly #accounts = new BoundedMap<ByteString, AccountTable>();
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
      case 'capabilities':
        this.#capabilities.set(fact.tgid, fact);
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
        this.#accounts.set(fact.cgroupPath, tableOf(fact));
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

  readCapabilities(tgid: number): CapabilitySets | undefined {
    const known = this.#capabilities.get(tgid);
    if (known === undefined) return undefined;
    const { capPermitted, capEffective, capInheritable } = known;
    return { capPermitted, capEffective, capInheritable };
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

  /** A container has its facts at once, or once the recording comes to them. */
  load(container: Container): void {
    if (!keepsFacts(container)) return;
    const known = this.#containers.get(container.cgroupPath);
    if (known === undefined) {
      container.pending = true;
      this.#waiting.set(container.cgroupPath, container);
    } else fill(container, known);
  }

  refresh(container: Container): void {
    if (container.facts !== undefined || container.pending) return;
    const known = this.#containers.get(container.cgroupPath);
    if (known?.facts !== undefined) fill(container, known);
  }

  stop(): void {}

  #settle(fact: ContainerFact): void {
    this.counters[fact.facts === undefined ? 'missing' : 'found']++;
    this.#containers.set(fact.cgroupPath, fact);
    const container = this.#waiting.get(fact.cgroupPath);
    if (container === undefined) return;
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

function tableOf({ users, groups }: Extract<Fact, { kind: 'accounts' }>): AccountTable {
  return {
    users: new Map(users.map((user) => [user.id, user])),
    groups: new Map(groups.map(({ id, name }) => [id, name])),
  };
}

/** A map that drops what was set longest ago. */
class BoundedMap<K, V> extends Map<K, V> {
  override set(key: K, value: V): this {
    this.delete(key);
    if (this.size >= LIMIT) {
      const [oldest] = this.keys();
      this.delete(oldest as K);
    }
    return super.set(key, value);
  }
}
