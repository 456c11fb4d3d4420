import { createHash } from 'node:crypto';
import type { Alert } from '@tocsin/openapi';
import type { Fact } from '../capture/facts.ts';
import { CaptureError, type CaptureHead, type CaptureSink } from '../capture/format.ts';
import { RecordedHost } from '../capture/recorded-host.ts';
import { syscallName } from '../events/event-name.ts';
import { kernelEventSource } from '../events/fields/source.ts';
import { KernelEvent } from '../events/kernel-event.ts';
import { EVENT_ABI, headerLayout, RECORD_LAYOUTS } from '../events/layout.ts';
import { bytesOf } from '../rules/byte-string.ts';
import type { CompiledRule } from '../rules/compile-rules.ts';
import type { FieldSource } from '../rules/field.ts';
import { Containers } from '../state/containers.ts';
import { ProcessTree } from '../state/process-tree.ts';
import { alertOf } from './alert-builder.ts';
import { interestOf } from './interest.ts';
import { type Judge, Pipeline } from './pipeline.ts';
import { RuleJudge, type RuleSettings } from './rule-judge.ts';

/** How often the clock of the records is looked at for what waits, ms. */
const TURN_MS = 10;
const SWEEP_MS = 1000;
/** Every read is answered from the recording: none costs anything. */
const UNLIMITED = 1e9;

export interface ReplayOptions {
  readonly rules: RuleSettings;
  readonly iso8601?: boolean;
  /** Gets each alert, and its message without time and priority. */
  readonly onAlert: (alert: Alert, message: string) => void;
  /** Gets each event that goes before the rules, and what reads its fields; both are good only during the call. */
  readonly onEvent?: (event: KernelEvent, source: FieldSource<KernelEvent>) => void;
}

/**
 * The engine over a recording: the same state and rules as over the live ring, but every answer of the host comes from the
 * recording and time is that of the records, so that a capture gives the same alerts each time.
 */
export class Replay implements CaptureSink {
  /** What the recording cannot tell these rules. */
  readonly warnings: string[] = [];
  alerts = 0;
  /** Matches of which no alert could be made. */
  failures = 0;
  readonly #options: ReplayOptions;
  readonly #event = new KernelEvent();
  #bytes: Buffer = Buffer.alloc(0);
  #engine: ReplayEngine | undefined;

  constructor(options: ReplayOptions) {
    this.#options = options;
  }

  head(head: CaptureHead): void {
    checkLayout(head);
    // A capture may hold several machines or times, one after the other.
    this.#engine?.end();
    this.#engine = new ReplayEngine(head, this.#options, (rule, event) => this.#alert(rule, event));
    this.warnings.push(...this.#engine.blindSpots(head));
  }

  fact(fact: Fact): void {
    this.#engine?.fact(fact);
  }

  use(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#event.use(bytes);
  }

  record(offset: number, length: number): void {
    const time =
      length < headerLayout.size
        ? 0
        : this.#bytes.readUInt32LE(offset + headerLayout.time) +
          this.#bytes.readUInt32LE(offset + headerLayout.time + 4) * 2 ** 32;
    this.#engine?.record(this.#event, offset, length, time / 1e6);
  }

  /** Judges what still waits. To be called when the capture has been read. */
  end(): void {
    this.#engine?.end();
    const { lost = 0, malformed = 0, missing = 0 } = this.#engine?.losses() ?? {};
    if (this.failures > 0) this.warnings.push(`${this.failures} matches could not be made alerts`);
    if (malformed > 0) this.warnings.push(`${malformed} records could not be understood`);
    if (missing > lost)
      this.warnings.push(`${missing} records are missing by the numbers they carry`);
  }

  #alert(rule: CompiledRule<KernelEvent>, event: KernelEvent): void {
    const engine = this.#engine;
    if (engine === undefined) return;
    try {
      const rendered = rule.render(event);
      const style = { hostname: engine.hostname, iso8601: this.#options.iso8601 ?? false };
      const uuid = uuidOf(`${engine.id} ${event.time} ${event.number} ${rule.name}`);
      const alert = alertOf(rule, rendered, event, engine.bootEpoch, style, uuid);
      this.#options.onAlert(alert, rendered.output);
      this.alerts++;
    } catch {
      rule.counters.errors++;
      this.failures++;
    }
  }
}

/** State and rules of one recording. */
class ReplayEngine {
  readonly id: string;
  readonly hostname: string;
  readonly #host: RecordedHost;
  readonly #tree: ProcessTree;
  readonly #containers: Containers;
  readonly #judge: RuleJudge;
  readonly #pipeline: Pipeline;
  /** Milliseconds of CLOCK_BOOTTIME, as far as the records have come. */
  #now = 0;
  #turnAt = 0;
  #sweepAt = 0;
  #started = false;

  constructor(
    head: CaptureHead,
    { rules, onEvent }: ReplayOptions,
    onMatch: (rule: CompiledRule<KernelEvent>, event: KernelEvent) => void,
  ) {
    this.id = head.id;
    this.hostname = head.hostname;
    const now = () => this.#now;
    const host = new RecordedHost(head.bootEpoch, (container) =>
      this.#pipeline.parking.release(container),
    );
    this.#host = host;
    this.#tree = new ProcessTree({
      now,
      readsPerSecond: UNLIMITED,
      read: (tgid) => host.readProcess(tgid),
      list: () => host.listProcesses(),
    });
    this.#tree.withEnvironment = true;
    this.#containers = new Containers({
      now,
      hierarchy: head.cgroupHierarchy,
      readsPerSecond: UNLIMITED,
      host,
      loader: host,
    });
    const source = kernelEventSource({
      bootEpoch: () => host.bootEpoch,
      hostname: bytesOf(head.hostname),
      accounts: host,
      processes: this.#tree,
      cgroupsOf: (event) => this.#containers.cgroupsOf(event),
      domainOf: () => undefined,
    });
    const judge = RuleJudge.compile(rules, source, () => undefined, onMatch);
    this.#judge = judge;
    this.#pipeline = new Pipeline(
      this.#tree,
      this.#containers,
      onEvent ? watched(judge, (event) => onEvent(event, source)) : judge,
      { now },
    );
  }

  get bootEpoch(): bigint {
    return this.#host.bootEpoch;
  }

  /** What these rules want and the recording does not hold, in words. */
  blindSpots({ types, environment }: CaptureHead): string[] {
    const { compiled } = this.#judge;
    const wanted = interestOf(compiled);
    const spots: string[] = [];
    const held = types && new Set(types);
    const absent = wanted.syscalls
      .map((number) => syscallName(number) ?? '')
      .filter((name) => held !== undefined && !held.has(name));
    if (absent.length > 0)
      spots.push(
        `the recording has no events of these types, which the rules watch: ${absent.join(', ')}`,
      );
    if (wanted.environment && !environment)
      spots.push('the recording has no environment of processes, which the rules read');
    if (compiled.domains.size > 0)
      spots.push(`domains are not looked up in a replay: ${[...compiled.domains].join(', ')}`);
    return spots;
  }

  fact(fact: Fact): void {
    if (fact.kind === 'started') this.#start();
    else this.#host.apply(fact);
  }

  record(event: KernelEvent, offset: number, length: number, time: number): void {
    if (!this.#started) this.#start();
    if (time > this.#now) this.#now = time;
    if (this.#now - this.#turnAt >= TURN_MS) this.#turn();
    this.#pipeline.handle(event, offset, length);
  }

  end(): void {
    this.#pipeline.parking.releaseAll();
  }

  losses() {
    const { malformed, missing } = this.#pipeline.counters;
    return { malformed, missing, lost: this.#host.lost };
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#containers.seed();
    this.#tree.bootstrap();
    this.#containers.date(this.#tree.processes());
    this.#host.started();
  }

  #turn(): void {
    this.#turnAt = this.#now;
    this.#pipeline.parking.releaseExpired();
    if (this.#now - this.#sweepAt < SWEEP_MS) return;
    this.#sweepAt = this.#now;
    this.#tree.sweep();
    this.#containers.sweep();
  }
}

function watched(judge: Judge, onEvent: (event: KernelEvent) => void): Judge {
  return {
    eventTypes: judge.eventTypes,
    dependsOnFacts: (event) => judge.dependsOnFacts(event),
    judge(event) {
      onEvent(event);
      judge.judge(event);
    },
  };
}

function checkLayout({ abi, layouts, arch, version }: CaptureHead): void {
  const remedy = `replay it with tocsin ${version}`;
  if (arch !== process.arch)
    throw new CaptureError(
      `the capture was recorded on ${arch} and this is ${process.arch}, which numbers system calls otherwise: replay it on such a machine`,
    );
  if (abi !== EVENT_ABI || !isSameLayout(layouts))
    throw new CaptureError(
      `the records of the capture are of version ${abi} with a layout other than this version's (${EVENT_ABI}): ${remedy}`,
    );
}

function isSameLayout(layouts: CaptureHead['layouts']): boolean {
  const text = (one: CaptureHead['layouts']) =>
    JSON.stringify(
      Object.entries(one)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, offsets]) => [
          name,
          Object.entries(offsets).sort(([a], [b]) => (a < b ? -1 : 1)),
        ]),
    );
  return text(layouts) === text(RECORD_LAYOUTS);
}

/** A name-based UUID (version 8 of RFC 9562): the same alert of the same capture has the same. */
function uuidOf(name: string): string {
  const hash = createHash('sha256').update(name).digest('hex');
  const variant = ((Number.parseInt(hash.slice(16, 18), 16) & 0x3f) | 0x80).toString(16);
  return [
    hash.slice(0, 8),
    hash.slice(8, 12),
    `8${hash.slice(13, 16)}`,
    `${variant}${hash.slice(18, 20)}`,
    hash.slice(20, 32),
  ].join('-');
}
