import { kernelEventSource } from '../events/fields/source.ts';
import type { KernelEvent } from '../events/kernel-event.ts';
import type { CallCount, FilteredCount, Interest, Probe, RecordCount } from '../probe/probe.ts';
import { bytesOf } from '../rules/byte-string.ts';
import type { FieldSource } from '../rules/field.ts';
import { AccountFiles, type AccountFilesOptions } from '../state/accounts.ts';
import type { Container } from '../state/container.ts';
import { HOST } from '../state/container.ts';
import { Containers } from '../state/containers.ts';
import { type Host, LIVE_HOST } from '../state/host.ts';
import type { KubernetesSettings } from '../state/kubernetes/api.ts';
import { Cluster } from '../state/kubernetes/cluster.ts';
import { ProcessTree } from '../state/process-tree.ts';
import { RuntimeLookup, type RuntimePaths } from '../state/runtimes/lookup.ts';
import { BootClock } from './boot-clock.ts';
import { DomainCache } from './domain-cache.ts';
import { DrainLoop, IDLE_WAIT_MS } from './drain-loop.ts';
import type { Flooder } from './loss-watch.ts';
import { type Judge, Pipeline } from './pipeline.ts';

const SECOND_MS = 1000;
const MINUTE_MS = 60_000;
/** Longest time at the end for what is in the ring. */
const FINISH_MS = 2000;
const NOTHING: Interest = { syscalls: [], keepFailed: [], environment: false };

export interface SessionOptions {
  readonly hostname: string;
  readonly runtimes?: Partial<RuntimePaths>;
  readonly patienceMs?: number;
  /** The API of the cluster that this host is a node of. */
  readonly kubernetes?: KubernetesSettings | undefined;
  /** Whether what this process starts is not judged either. */
  readonly ignoresOwn?: boolean;
  /** This machine unless given: a recording listens to what it answers. */
  readonly host?: Host;
  /** Called when the facts of a container are there, or given up on. */
  readonly onSettled?: (container: Container) => void;
  /** Called with the names of a container's users and groups, or the host's, whenever they were read. */
  readonly onAccounts?: AccountFilesOptions['onRead'];
  /** Called once a second. */
  readonly onSecond: () => void;
  /** Called after each event that was put before the rules. */
  readonly onJudged?: (event: KernelEvent) => void;
  /** Called after each turn at the ring, which is empty if all was read. */
  readonly onTurn: (isCaughtUp: boolean) => void;
}

/** An open probe with the state that follows it: what both the engine and `trace` judge events with. */
export class Session {
  readonly clock = new BootClock();
  readonly domains = new DomainCache();
  readonly hostname: string;
  readonly source: FieldSource<KernelEvent>;
  readonly tree: ProcessTree;
  readonly accounts: AccountFiles;
  readonly #options: SessionOptions;
  readonly #lookup: RuntimeLookup;
  readonly #host: Host;
  readonly #cluster: Cluster | undefined;
  #probe: Probe | undefined;
  #containers: Containers | undefined;
  #pipeline: Pipeline | undefined;
  #loop: DrainLoop | undefined;
  #timers: NodeJS.Timeout[] = [];
  /** What the kernel had counted when the probe was closed. */
  #kernelAtEnd: readonly RecordCount[] = [];
  #callsAtEnd: readonly CallCount[] = [];
  /** Whose records were lost before the probe was closed and nobody has asked for yet. */
  #losersAtEnd: readonly Flooder[] = [];
  #filteredAtEnd: readonly FilteredCount[] = [];

  constructor(options: SessionOptions) {
    this.#options = options;
    this.hostname = options.hostname;
    this.#lookup = new RuntimeLookup(options.runtimes);
    const host = options.host ?? LIVE_HOST;
    this.#host = host;
    const { onAccounts } = options;
    this.accounts = new AccountFiles(onAccounts && { onRead: onAccounts });
    this.tree = new ProcessTree({
      ours: options.ignoresOwn ? process.pid : undefined,
      read: (tgid, withEnvironment) => host.readProcess(tgid, withEnvironment),
      list: () => host.listProcesses(),
    });
    const cluster = options.kubernetes && new Cluster(options.kubernetes);
    this.#cluster = cluster;
    this.source = kernelEventSource({
      bootEpoch: () => this.clock.epoch,
      hostname: bytesOf(options.hostname),
      accounts: this.accounts,
      processes: this.tree,
      cgroupsOf: (event) => this.#containers?.cgroupsOf(event) ?? new Map(),
      domainOf: this.domains.domainOf,
      podOf: cluster && ((uid) => cluster.pod(uid)),
    });
  }

  /** Takes the open probe, learns what runs already, and begins to judge. */
  start(probe: Probe, judge: Judge, interest: Interest): void {
    this.#probe = probe;
    this.tree.withEnvironment = interest.environment;
    const pending: { release?: Pipeline } = {};
    const { patienceMs } = this.#options;
    // Nothing waits for the answer: until then the usual places are looked at.
    this.#lookup.discover().catch(() => {});
    void this.#cluster?.run();
    const containers = new Containers({
      hierarchy: probe.cgroupHierarchy,
      taskRoots: this.#options.runtimes?.taskRoots,
      lookup: this.#lookup,
      host: this.#host,
      onHostCgroup: (id) => probe.markHost(BigInt(id)),
      onSettled: (container) => {
        this.accounts.learn(container);
        this.#options.onSettled?.(container);
        pending.release?.parking.release(container);
      },
    });
    this.#containers = containers;
    containers.seed();
    this.tree.bootstrap();
    containers.date(this.tree.processes());
    const pipeline = new Pipeline(this.tree, containers, judge, {
      // The ring is looked at no less often while the processor is to be had.
      longestTurnMs: IDLE_WAIT_MS,
      ...(patienceMs !== undefined && { patienceMs }),
    });
    this.#pipeline = pipeline;
    pending.release = pipeline;
    this.#loop = new DrainLoop(probe, {
      onRecord: (event, offset, available) => {
        if (pipeline.handle(event, offset, available)) this.#options.onJudged?.(event);
      },
      onTurn: (isCaughtUp) => {
        pipeline.parking.releaseExpired();
        this.#options.onTurn(isCaughtUp);
      },
    });
    this.#loop.start();
    this.#timers = [
      setInterval(() => this.#everySecond(), SECOND_MS),
      setInterval(() => this.clock.refresh(), MINUTE_MS),
    ];
  }

  /** Judges with other rules from the next record on, and records what they need. */
  use(judge: Judge, interest: Interest): void {
    this.tree.withEnvironment = interest.environment;
    this.#probe?.watch(interest);
    this.#pipeline?.use(judge);
  }

  /** Compares the process table with /proc, after records of its life were lost. */
  resynchronise(): void {
    this.tree.resynchronise();
  }

  /** Records by kind and fate. */
  kernel(): readonly RecordCount[] {
    return this.#probe?.statistics() ?? this.#kernelAtEnd;
  }

  counters() {
    const { tree, accounts } = this;
    const containers = this.#containers;
    const parking = this.#pipeline?.parking;
    return {
      kernel: this.kernel(),
      calls: this.#probe?.calls() ?? this.#callsAtEnd,
      filtered: this.#probe?.filtered() ?? this.#filteredAtEnd,
      pipeline: { ...this.#pipeline?.counters },
      processes: {
        size: tree.size,
        dead: tree.deadCount,
        bytes: tree.bytes,
        limit: tree.limits.entries,
        byteLimit: tree.limits.bytes,
        ...tree.counters,
      },
      accounts: {
        tables: accounts.size,
        bytes: accounts.bytes,
        limit: accounts.limits.entries,
        byteLimit: accounts.limits.bytes,
      },
      containers: {
        cgroups: containers?.cgroupCount ?? 0,
        containers: containers?.containerCount ?? 0,
        bytes: containers?.bytes ?? 0,
        cgroupLimit: containers?.limits.cgroups ?? 0,
        containerLimit: containers?.limits.containers ?? 0,
        byteLimit: containers?.limits.bytes ?? 0,
        ...containers?.counters,
        ...containers?.loader.counters,
      },
      kubernetes: this.#cluster ? { pods: this.#cluster.podCount, ...this.#cluster.counters } : {},
      parking: { waiting: parking?.waiting ?? 0, ...parking?.counters },
    };
  }

  /** Whose records were lost since this was last asked, most first. */
  takeFlooders(): readonly Flooder[] {
    if (this.#probe === undefined) return this.#losersAtEnd;
    return this.#probe
      .takeLosers()
      .toSorted((a, b) => b.lost - a.lost)
      .map(({ tgid, comm, cgroup, lost }) => {
        const container = this.#containers?.ofCgroup(cgroup, tgid) ?? HOST;
        return { tgid, comm, lost, container: container.id, name: container.facts?.name };
      });
  }

  /** Judges what is in the ring already, then lets go of everything. Idempotent. */
  stop(): void {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    this.#finish();
    this.#containers?.loader.stop();
    this.#pipeline?.parking.releaseAll();
    this.domains.stop();
    this.#cluster?.stop();
    this.#probe?.close();
    this.#probe = undefined;
  }

  /** With no more calls recorded the ring gets empty, unless the host forks faster than we read. */
  #finish(): void {
    if (this.#probe === undefined) return;
    this.#probe.watch(NOTHING);
    const count = this.#loop?.finish(FINISH_MS) ?? 0;
    this.#loop = undefined;
    this.#losersAtEnd = this.takeFlooders();
    this.#callsAtEnd = this.#probe.calls();
    this.#filteredAtEnd = this.#probe.filtered();
    this.#kernelAtEnd = [
      ...this.#probe.statistics(),
      ...(count > 0 ? [{ kind: 'record', fate: 'unread', count }] : []),
    ];
  }

  #everySecond(): void {
    this.tree.sweep();
    this.#containers?.sweep();
    this.#options.onSecond();
  }
}
