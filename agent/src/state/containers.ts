import type { KernelEvent } from '../events/kernel-event.ts';
import { CGROUP_RMDIR, cgroupLayout } from '../events/layout.ts';
import type { ByteString } from '../rules/field.ts';
import { type ContainerName, containerOfPath, guessOfPath } from './cgroup-path.ts';
import { Container, HOST } from './container.ts';
import { FactsLoader, type FactsLoaderOptions } from './facts-loader.ts';
import { type Host, LIVE_HOST } from './host.ts';
import { everywhere, pathsBySubsystem } from './membership.ts';
import type { Process } from './process.ts';
import { rememberedBundle } from './runtimes/bundle-path.ts';
import { DEFAULT_PATHS } from './runtimes/lookup.ts';

export interface ContainersOptions extends FactsLoaderOptions {
  /** Where the hierarchy is mounted whose ids the probe sends. */
  readonly hierarchy: string;
  /** Folders of `<namespace>/<id>` bundles. */
  readonly taskRoots?: readonly string[] | undefined;
  readonly cgroupLimit?: number;
  readonly containerLimit?: number;
  /** Bytes of the facts of all containers. */
  readonly byteLimit?: number;
  /** Reads of /proc/<pid>/cgroup a second. */
  readonly readsPerSecond?: number;
  readonly readCgroup?: (tgid: number) => ByteString;
  readonly host?: Pick<Host, 'listCgroups' | 'cgroupId' | 'readCgroup' | 'exists'>;
  /** Gets the facts of containers; the runtimes of this host unless given. */
  readonly loader?: FactsSource;
  /** Called with the id of each cgroup that is in no container and never will be. */
  readonly onHostCgroup?: (id: number) => void;
}

/** Where the facts of containers come from, sooner or later. */
export type FactsSource = Pick<FactsLoader, 'load' | 'refresh' | 'stop' | 'counters'>;

/** What the table has done; each is a count since the start. */
export interface ContainerCounters {
  /** Cgroups whose making was not seen. */
  cgroupMisses: number;
  /** Of these, how many /proc did not explain. */
  cgroupUnknown: number;
  /** Entries dropped because a table was full. */
  evicted: number;
}

/** Who made a cgroup. */
interface Maker {
  readonly tgid: number;
  readonly process: Process | undefined;
}

interface Cgroup {
  readonly container: Container;
  /** From the root of the hierarchy; empty when it is not known for sure. */
  readonly path: ByteString;
  /** When it was removed, ms; undefined while it is there. */
  removedAt: number | undefined;
}

const GRACE_MS = 60_000;
/** Where the unified hierarchy is mounted if there is no other. */
const UNIFIED = '/sys/fs/cgroup';

/** Which container each cgroup belongs to, and what is known of the containers. */
export class Containers {
  readonly counters: ContainerCounters = { cgroupMisses: 0, cgroupUnknown: 0, evicted: 0 };
  readonly loader: FactsSource;
  readonly #cgroups = new Map<number, Cgroup>();
  /** By the path of the cgroup: another group that claims the same id is another container, until a runtime says it is not. */
  readonly #containers = new Map<ByteString, Container>();
  readonly #taskRoots: readonly string[];
  readonly #options: Required<
    Pick<
      ContainersOptions,
      'cgroupLimit' | 'containerLimit' | 'byteLimit' | 'readsPerSecond' | 'readCgroup'
    >
  > &
    Pick<ContainersOptions, 'onHostCgroup'>;
  readonly #hierarchy: string;
  readonly #host: Pick<Host, 'listCgroups' | 'cgroupId' | 'exists'>;
  readonly #now: () => number;
  #budget: number;
  #budgetAt = 0;

  constructor(options: ContainersOptions) {
    this.#hierarchy = options.hierarchy;
    const host = options.host ?? LIVE_HOST;
    this.#host = host;
    this.#taskRoots = options.taskRoots ?? DEFAULT_PATHS.taskRoots;
    this.#options = {
      cgroupLimit: 16_384,
      containerLimit: 8192,
      byteLimit: 64 * 1024 * 1024,
      readsPerSecond: 200,
      readCgroup: (tgid) => host.readCgroup(tgid),
      ...options,
    };
    this.#now = options.now ?? (() => performance.now());
    this.#budget = this.#options.readsPerSecond;
    this.loader = options.loader ?? new FactsLoader(options);
  }

  get cgroupCount(): number {
    return this.#cgroups.size;
  }

  get containerCount(): number {
    return this.#containers.size;
  }

  /** Bytes of the facts of all containers, about. */
  get bytes(): number {
    let bytes = 0;
    for (const { factsBytes } of this.#containers.values()) bytes += factsBytes;
    return bytes;
  }

  /** The most there can be. */
  get limits(): { readonly cgroups: number; readonly containers: number; readonly bytes: number } {
    const { cgroupLimit, containerLimit, byteLimit } = this.#options;
    return { cgroups: cgroupLimit, containers: containerLimit, bytes: byteLimit };
  }

  /** Enters every cgroup that is there now. */
  seed(): void {
    for (const [id, path] of this.#host.listCgroups(this.#hierarchy)) this.#enter(id, path);
  }

  /** A container that runs already is as old as its first process. */
  date(processes: Iterable<Process>): void {
    for (const process of processes) {
      if (process.vpid !== 1 || !process.inPidNamespace) continue;
      const container = this.ofProcess(process.tgid);
      if (!container.isHost && container.initStartTime === 0n) {
        container.initStartTime = process.startTime;
        container.member = process.tgid;
      }
    }
  }

  /** Applies a cgroup record: the container's facts are being read before its first process runs. `maker` is whose record it is. */
  apply(event: KernelEvent, maker?: Process): void {
    const id = event.unsigned64(cgroupLayout.id);
    if (event.uint32(cgroupLayout.action) === CGROUP_RMDIR) {
      const cgroup = this.#cgroups.get(id);
      if (cgroup !== undefined) cgroup.removedAt = this.#now();
      return;
    }
    const known = this.#cgroups.get(id);
    if (known === undefined || known.removedAt !== undefined) {
      const path = event.string(0);
      // A container that is started again is as young as its first process, and may have another name.
      if (this.#isGone(this.#containers.get(path))) this.#containers.delete(path);
      this.#enter(id, path, { tgid: event.tgid, process: maker });
    }
  }

  /** The container an event happened in. */
  of(event: KernelEvent): Container {
    const { container } = this.#cgroups.get(event.cgroup) ?? this.#miss(event.cgroup, event.tgid);
    if (container !== HOST) {
      container.member = event.tgid;
      const { process } = event;
      if (container.initStartTime === 0n && process.vpid === 1) {
        container.initStartTime = process.startTime;
      }
      this.loader.refresh(container);
    }
    return container;
  }

  /** The container of a cgroup, by its kernel id and a process in it. */
  ofCgroup(id: number, tgid: number): Container {
    return (this.#cgroups.get(id) ?? this.#miss(id, tgid)).container;
  }

  /** The paths of the cgroups that the process of an event is in, by subsystem. */
  cgroupsOf({ cgroup, process }: KernelEvent): ReadonlyMap<ByteString, ByteString> {
    const path = this.#cgroups.get(cgroup)?.path;
    if (this.#hierarchy === UNIFIED && path) return everywhere(path);
    process.membership ??= this.#options.readCgroup(process.tgid);
    return pathsBySubsystem(process.membership);
  }

  /** The container of a process found at start. */
  ofProcess(tgid: number): Container {
    return this.#classify(pathsIn(this.#options.readCgroup(tgid)), tgid);
  }

  /** Forgets cgroups removed for long enough, and containers nobody is in any more. */
  sweep(): void {
    this.#fitBytes();
    const before = this.#now() - GRACE_MS;
    const gone = new Set<Container>();
    for (const [id, { container, removedAt }] of this.#cgroups) {
      if (removedAt === undefined || removedAt > before) continue;
      this.#cgroups.delete(id);
      if (container !== HOST) gone.add(container);
    }
    if (gone.size === 0) return;
    for (const { container } of this.#cgroups.values()) gone.delete(container);
    for (const container of gone)
      if (this.#containers.get(container.cgroupPath) === container)
        this.#containers.delete(container.cgroupPath);
  }

  /** Whether every cgroup of a container was removed. */
  #isGone(container: Container | undefined): boolean {
    if (container === undefined) return false;
    return [...this.#cgroups.values()].every(
      (cgroup) => cgroup.container !== container || cgroup.removedAt !== undefined,
    );
  }

  /** Only processes of the host are believed: those inside choose their arguments. */
  #bundleOf({ fullId }: Container, maker: Process | undefined): string | undefined {
    const place = maker && this.#cgroups.get(maker.cgroup);
    return place?.container === HOST ? rememberedBundle(maker, fullId) : undefined;
  }

  /** Forgets the oldest containers until the rest fits: the next event in one makes it known again. */
  #fitBytes(): void {
    let bytes = this.bytes;
    if (bytes <= this.#options.byteLimit) return;
    const gone = new Set<Container>();
    for (const container of this.#containers.values()) {
      if (bytes <= this.#options.byteLimit) break;
      if (container.pending) continue;
      bytes -= container.factsBytes;
      gone.add(container);
      this.#containers.delete(container.cgroupPath);
      this.counters.evicted++;
    }
    for (const [id, { container }] of this.#cgroups)
      if (gone.has(container)) this.#cgroups.delete(id);
  }

  #enter(id: number, path: ByteString, maker?: Maker): Cgroup {
    return this.#put(id, this.#containerAt(path, maker) ?? HOST, path || '/');
  }

  #put(id: number, container: Container, path: ByteString): Cgroup {
    if (this.#cgroups.size >= this.#options.cgroupLimit) {
      const [oldest] = this.#cgroups.keys();
      if (oldest !== undefined) this.#cgroups.delete(oldest);
      this.counters.evicted++;
    }
    const cgroup = { container, path, removedAt: undefined };
    this.#cgroups.set(id, cgroup);
    if (container === HOST && isHostPath(path) && Number.isSafeInteger(id))
      this.#options.onHostCgroup?.(id);
    return cgroup;
  }

  /** A cgroup nobody told of: its process knows where it is, while it lives. */
  #miss(id: number, tgid: number): Cgroup {
    this.counters.cgroupMisses++;
    const now = this.#now();
    const perSecond = this.#options.readsPerSecond;
    this.#budget = Math.min(perSecond, this.#budget + ((now - this.#budgetAt) / 1000) * perSecond);
    this.#budgetAt = now;
    const text = this.#budget >= 1 ? this.#options.readCgroup(tgid) : '';
    if (text === '') {
      this.counters.cgroupUnknown++;
      return UNKNOWN;
    }
    this.#budget--;
    const paths = pathsIn(text);
    // A process is in a group of each hierarchy, and may name those as it likes in some: the event tells the one that counts.
    const ids = paths.map((path) => this.#host.cgroupId(this.#hierarchy, path));
    const own = paths.filter((_path, index) => ids[index] === id);
    const [path = ''] = own;
    const container = this.#classify(own.length > 0 ? own : paths, tgid);
    // It has moved on since the event: where it is now says nothing of the group it was in.
    if (own.length === 0 && ids.some((one) => one !== undefined))
      return { container, path, removedAt: undefined };
    return this.#put(id, container, path);
  }

  /** The container that the first of these paths names. */
  #classify(paths: readonly ByteString[], tgid: number): Container {
    for (const path of paths) {
      const container = this.#containerAt(path, undefined, tgid);
      if (container !== undefined) return container;
    }
    return HOST;
  }

  #containerAt(path: ByteString, maker?: Maker, member = 0): Container | undefined {
    const named = containerOfPath(path);
    if (named !== undefined) return this.#container(named, maker, member);
    const guess = guessOfPath(path);
    if (guess === undefined || !this.#isThere(guess.proof)) return undefined;
    return this.#container(guess, maker, member);
  }

  #isThere(proof: string): boolean {
    const places = proof.startsWith('/')
      ? [proof]
      : this.#taskRoots.map((root) => `${root}/${proof}`);
    return places.some((place) => this.#host.exists(place));
  }

  #container(
    { runtime, fullId, path }: ContainerName,
    maker: Maker | undefined,
    member: number,
  ): Container {
    const known = this.#containers.get(path);
    if (known !== undefined) return known;
    if (this.#containers.size >= this.#options.containerLimit) {
      const [oldest] = this.#containers.keys();
      if (oldest !== undefined) this.#containers.delete(oldest);
      this.counters.evicted++;
    }
    const container = new Container(runtime, fullId, path);
    container.maker = maker?.tgid ?? 0;
    container.bundle = this.#bundleOf(container, maker?.process);
    container.member = member;
    this.#containers.set(path, container);
    this.loader.load(container);
    return container;
  }
}

/** Whether no container can have the cgroup, whatever its runtime does later. */
function isHostPath(path: ByteString): boolean {
  return path !== '' && containerOfPath(path) === undefined && guessOfPath(path) === undefined;
}

/** The paths of a process's cgroup file, one for each hierarchy. */
function pathsIn(text: ByteString): ByteString[] {
  return text
    .split('\n')
    .map((line) => line.split(':').slice(2).join(':'))
    .filter((path) => path !== '');
}

const UNKNOWN: Cgroup = { container: HOST, path: '', removedAt: undefined };
