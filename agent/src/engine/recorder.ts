import { randomUUID } from 'node:crypto';
import { release } from 'node:os';
import type { Fact } from '../capture/facts.ts';
import { CaptureWriter } from '../capture/writer.ts';
import { type EventName, syscallName } from '../events/event-name.ts';
import { EVENT_ABI, headerLayout, RECORD_LAYOUTS } from '../events/layout.ts';
import { openLiveProbe } from '../probe/live.ts';
import type { Interest, Probe, RecordCount } from '../probe/probe.ts';
import { forEachRecord } from '../probe/records.ts';
import { FIELD_DEFINITIONS } from '../rules/fields/registry.ts';
import type { AccountTable } from '../state/accounts.ts';
import type { Container } from '../state/container.ts';
import { type Host, LIVE_HOST } from '../state/host.ts';
import type { RuntimePaths } from '../state/runtimes/lookup.ts';
import type { Judge } from './pipeline.ts';
import { Session } from './session.ts';

export interface RecorderOptions {
  readonly interest: Interest;
  readonly hostname: string;
  readonly version: string;
  /** Writes bytes behind those before; resolves when there is room for more. */
  readonly write: (bytes: Buffer) => Promise<void>;
  readonly ringBytes?: number;
  /** Where container runtimes keep their files and sockets. */
  readonly runtimes?: Partial<RuntimePaths>;
}

/** What a recording came to. */
export interface RecordSummary {
  readonly records: number;
  readonly bytes: number;
  /** Records the kernel could not send, by kind and cause. */
  readonly kernel: readonly RecordCount[];
  /** Records and facts that were not written because the file took too long. */
  readonly unwritten: number;
}

/** Every type: the recording is judged later. */
const ALL_TYPES: ReadonlySet<EventName> = { has: () => true } as unknown as ReadonlySet<EventName>;

/** Writes the records of the ring as they come, with all that the host tells meanwhile. */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #session: Session;
  #writer: CaptureWriter | undefined;
  #bootEpoch = 0n;
  #onFailure: (error: Error) => void = () => {};
  /** Settles when the file cannot be written any more. */
  readonly failed = new Promise<Error>((resolve) => {
    this.#onFailure = resolve;
  });

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#session = new Session({
      hostname: options.hostname,
      ...(options.runtimes && { runtimes: options.runtimes }),
      host: listenTo(LIVE_HOST, (fact) => this.#tell(fact)),
      onSettled: (container) => this.#tell(containerFact(container)),
      onAccounts: (container, table) => this.#tell(accountsFact(container, table)),
      onTurn: () => {},
      onSecond: () => this.#everySecond(),
    });
  }

  /** Opens the probe. Throws when it cannot run here. */
  start(): void {
    const { interest, hostname, version, write, ringBytes } = this.#options;
    const probe = openLiveProbe(interest, {
      mutedProcesses: [process.pid],
      ...(ringBytes !== undefined && { ringBytes }),
    });
    this.#bootEpoch = this.#session.clock.epoch;
    const writer = new CaptureWriter(
      { write },
      {
        id: randomUUID(),
        version,
        abi: EVENT_ABI,
        layouts: RECORD_LAYOUTS,
        arch: process.arch,
        kernel: release(),
        hostname,
        cgroupHierarchy: probe.cgroupHierarchy,
        bootEpoch: this.#bootEpoch,
        types: interest.syscalls.map((number) => syscallName(number) ?? '').sort(),
        environment: interest.environment,
      },
    );
    this.#writer = writer;
    this.#session.start(tee(probe, writer), this.#judge(), interest);
  }

  /** Takes what is still in the ring and closes the capture. */
  async stop(): Promise<RecordSummary> {
    this.#session.stop();
    // Records that nobody judged were written all the same.
    const kernel = this.#session
      .counters()
      .kernel.filter(({ fate, count }) => fate !== 'unread' && count > 0);
    await this.#writer?.close(kernel);
    if (this.#writer?.failure) throw this.#writer.failure;
    const {
      records = 0,
      bytes = 0,
      unwritten = 0,
      unwrittenFacts = 0,
    } = this.#writer?.counters ?? {};
    return {
      records,
      bytes,
      unwritten: unwritten + unwrittenFacts,
      kernel: kernel.filter(({ fate }) => fate !== 'sent'),
    };
  }

  /** Asks at each event what rules might ask later. */
  #judge(): Judge {
    const { accounts, source } = this.#session;
    const definition = FIELD_DEFINITIONS.find(({ name }) => name === 'thread.cgroups');
    const askCgroups = definition && source.bind({ definition });
    return {
      eventTypes: ALL_TYPES,
      dependsOnFacts: () => false,
      judge: (event) => {
        // What sets a container up still sees the names of the host; once its facts are there, its own were read.
        if (!event.container.pending) accounts.user(event.euid, event);
        askCgroups?.(event);
      },
    };
  }

  #tell(fact: Fact): void {
    this.#writer?.fact(fact);
  }

  #everySecond(): void {
    const { epoch } = this.#session.clock;
    if (epoch !== this.#bootEpoch) this.#tell({ kind: 'clock', bootEpoch: epoch });
    this.#bootEpoch = epoch;
    this.#writer?.flush();
    if (this.#writer?.failure) this.#onFailure(this.#writer.failure);
  }
}

/** A host whose answers are told, those at the start and those asked for later. */
function listenTo(host: Host, tell: (fact: Fact) => void): Host {
  return {
    listProcesses: () => host.listProcesses(),
    readProcess: (tgid, withEnvironment) => {
      const facts = host.readProcess(tgid, withEnvironment);
      if (facts !== undefined) tell({ kind: 'process', facts });
      return facts;
    },
    *listCgroups(hierarchy) {
      for (const [id, path] of host.listCgroups(hierarchy)) {
        tell({ kind: 'cgroup', id, path });
        yield [id, path] as const;
      }
    },
    readCgroup: (tgid) => {
      const text = host.readCgroup(tgid);
      if (text !== '') tell({ kind: 'membership', tgid, text });
      return text;
    },
    cgroupId: (hierarchy, path) => {
      const id = host.cgroupId(hierarchy, path);
      if (id !== undefined) tell({ kind: 'cgroup', id, path });
      return id;
    },
    exists: (path) => {
      const exists = host.exists(path);
      if (exists) tell({ kind: 'exists', path });
      return exists;
    },
  };
}

/** The probe, with every record written before its place in the ring is given back. */
function tee(probe: Probe, writer: CaptureWriter): Probe {
  const { ring } = probe;
  const words = new Uint32Array(ring.buffer, ring.byteOffset, ring.byteLength >> 2);
  let start = 0;
  let hasStarted = false;
  return {
    ring,
    cgroupHierarchy: probe.cgroupHierarchy,
    skipped: probe.skipped,
    scan: (span) => {
      if (!hasStarted) writer.fact({ kind: 'started' });
      hasStarted = true;
      const found = probe.scan(span);
      start = span[0] ?? 0;
      return found;
    },
    advance: (bytes) => {
      forEachRecord(words, start, bytes, (offset) => {
        const length = words[(offset + headerLayout.length) >> 2] ?? 0;
        writer.record(ring.subarray(offset, offset + Math.min(length, start + bytes - offset)));
      });
      probe.advance(bytes);
    },
    watch: (interest) => probe.watch(interest),
    statistics: () => probe.statistics(),
    ruleOut: (verdict) => probe.ruleOut(verdict),
    calls: () => probe.calls(),
    takeLosers: () => probe.takeLosers(),
    filtered: () => probe.filtered(),
    close: () => probe.close(),
  };
}

function containerFact({ cgroupPath, runtime, confirmed, facts }: Container): Fact {
  if (facts === undefined) return { kind: 'container', cgroupPath, runtime, confirmed };
  // Where its root lies on this machine is of no use elsewhere.
  const { root: _, ...told } = facts;
  return { kind: 'container', cgroupPath, runtime, confirmed, facts: told };
}

function accountsFact({ cgroupPath }: Container, { users, groups }: AccountTable): Fact {
  return {
    kind: 'accounts',
    cgroupPath,
    users: [...users].map(([id, user]) => ({ id, ...user })),
    groups: [...groups].map(([id, name]) => ({ id, name })),
  };
}
