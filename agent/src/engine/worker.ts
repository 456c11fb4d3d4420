import { readdirSync } from 'node:fs';
import { setPriority } from 'node:os';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { KernelEvent } from '../events/kernel-event.ts';
import { OpenVerdicts } from '../events/open-verdicts.ts';
import { openLiveProbeAside } from '../probe/live.ts';
import type { Probe } from '../probe/probe.ts';
import { releaseMemory } from '../probe/release-memory.ts';
import type { CompiledRule } from '../rules/compile-rules.ts';
import { alertOf, internalAlert } from './alert-builder.ts';
import { AlertOutbox } from './alert-outbox.ts';
import { coverageOf, tallyOf } from './coverage.ts';
import { interestOf } from './interest.ts';
import { LossWatch } from './loss-watch.ts';
import type { EngineCommand, EngineMessage, EngineSettings, EngineStatistics } from './messages.ts';
import { RuleJudge, type RuleSettings } from './rule-judge.ts';
import { Session } from './session.ts';

const NICENESS = -10;
const COMPARE_EVERY_MS = 10_000;
/** Statistics are told each second in which there were records, and so often even so. */
const STATISTICS_EVERY_MS = 5000;
/** After this long with records in the ring all the time the table is compared even so. */
const COMPARE_PATIENCE_MS = 15_000;
/** After rules were compiled: when the records that waited are judged, and when the code that the first events run is compiled as well. */
const RELEASE_AFTER_MS = [500, 10_000];

/** The engine inside its thread. */
export class EngineWorker {
  readonly #port: MessagePort;
  readonly #settings: EngineSettings;
  readonly #session: Session;
  readonly #outbox: AlertOutbox;
  readonly #losses: LossWatch;
  #judge: RuleJudge | undefined;
  #probe: Probe | undefined;
  #verdicts: OpenVerdicts | undefined;
  #droppedTold = 0;
  /** Since when records of the life of processes are missing that the table was not compared with /proc for. */
  #lostAt: number | undefined;
  #releases: readonly NodeJS.Timeout[] = [];
  #comparedAt = Number.NEGATIVE_INFINITY;
  /** Records that were counted when statistics were last told, and when that was. */
  #told = { records: 0, at: Number.NEGATIVE_INFINITY };

  constructor(port: MessagePort, settings: EngineSettings) {
    this.#port = port;
    this.#settings = settings;
    this.#outbox = new AlertOutbox((alerts) => this.#post({ type: 'alerts', alerts }));
    this.#losses = new LossWatch(settings);
    this.#session = new Session({
      ...settings,
      onTurn: (isCaughtUp) => {
        this.#outbox.flush();
        if (isCaughtUp) this.#compareProcesses(true);
      },
      onJudged: (event) => this.#verdicts?.observe(event),
      onSecond: () => this.#everySecond(),
    });
  }

  /** The kernel checks the probe while the rules are compiled. Rejects when either is refused. */
  async start(): Promise<void> {
    const { ringBytes } = this.#settings;
    const opening = openLiveProbeAside({
      mutedProcesses: [process.pid],
      ...(ringBytes !== undefined && { ringBytes }),
    });
    let judge: RuleJudge;
    try {
      judge = this.#compile(this.#settings);
    } catch (error) {
      await opening.then(
        (opened) => opened.close(),
        () => {},
      );
      throw error;
    }
    const probe = await opening;
    // Those that read files may have been started by the main thread meanwhile.
    takePrecedence();
    const interest = interestOf(judge.compiled, this.#settings.pushdown);
    probe.watch(interest);
    this.#judge = judge;
    this.#probe = probe;
    this.#verdicts = this.#newVerdicts(judge);
    void this.#session.domains.use(judge.compiled.domains);
    this.#session.start(probe, judge, interest);
    this.#port.on('message', (command: EngineCommand) => this.#obey(command));
    this.#post({ type: 'ready', summary: judge.summary, skipped: probe.skipped });
    this.#prepare();
    this.#releaseLater();
  }

  #obey(command: EngineCommand): void {
    switch (command.type) {
      case 'acknowledge':
        this.#outbox.acknowledge();
        break;
      case 'reload':
        this.#reload(command.id, command.rules);
        break;
      case 'stop':
        this.#stop();
    }
  }

  /** Compiles aside and swaps between two records; a broken set changes nothing. */
  #reload(id: number, rules: RuleSettings): void {
    try {
      const judge = this.#compile(rules);
      if (this.#judge) judge.countOn(this.#judge);
      void this.#session.domains.use(judge.compiled.domains);
      this.#session.use(judge, interestOf(judge.compiled, this.#settings.pushdown));
      this.#judge = judge;
      this.#verdicts = this.#newVerdicts(judge);
      this.#post({ type: 'reloaded', id, summary: judge.summary });
      this.#prepare();
      this.#releaseLater();
    } catch (error) {
      this.#post({ type: 'refused', id, message: messageOf(error) });
    }
  }

  /** The first container may last no longer than what it needs takes to compile. */
  #prepare(): void {
    setImmediate(() => this.#judge?.compiled.prepareLate());
  }

  #releaseLater(): void {
    this.#keepMemory();
    this.#releases = RELEASE_AFTER_MS.map((ms) => setTimeout(() => void releaseMemory(), ms));
  }

  #keepMemory(): void {
    for (const timer of this.#releases) clearTimeout(timer);
  }

  #newVerdicts({ compiled }: RuleJudge): OpenVerdicts | undefined {
    if (this.#settings.pushdown === false) return undefined;
    return new OpenVerdicts(compiled, (verdict) => this.#probe?.ruleOut(verdict));
  }

  #compile(rules: RuleSettings): RuleJudge {
    const { source, domains } = this.#session;
    return RuleJudge.compile(rules, source, domains.addressesOf, (rule, event) =>
      this.#onMatch(rule, event),
    );
  }

  #onMatch(rule: CompiledRule<KernelEvent>, event: KernelEvent): void {
    try {
      const rendered = rule.render(event);
      const { epoch } = this.#session.clock;
      this.#outbox.add(alertOf(rule, rendered, event, epoch, this.#settings));
    } catch {
      rule.counters.errors++;
    }
  }

  #everySecond(): void {
    this.#verdicts?.everySecond();
    const kernel = this.#session.kernel();
    const { lifecycle } = this.#losses.observe(kernel, this.#session.takeFlooders());
    if (lifecycle) this.#lostAt ??= performance.now();
    if (performance.now() - (this.#lostAt ?? Number.POSITIVE_INFINITY) > COMPARE_PATIENCE_MS)
      this.#compareProcesses(false);
    const alert = this.#losses.alert() ?? this.#droppedAlert();
    if (alert !== undefined) this.#outbox.add(alert);
    this.#outbox.flush();
    const records = kernel.reduce((sum, { count }) => sum + count, 0);
    const now = performance.now();
    if (records === this.#told.records && now - this.#told.at < STATISTICS_EVERY_MS) return;
    this.#told = { records, at: now };
    this.#post({ type: 'statistics', statistics: this.#statistics() });
  }

  /**
   * What lies in the ring is older than what /proc tells, and would bring back processes whose end was lost: with the ring not empty
   * it is done again. Reading all of /proc takes its time on large hosts, so losses that go on do not make it go on.
   */
  #compareProcesses(isCaughtUp: boolean): void {
    if (this.#lostAt === undefined) return;
    const now = performance.now();
    if (now - this.#comparedAt < COMPARE_EVERY_MS) return;
    this.#lostAt = isCaughtUp ? undefined : now;
    this.#comparedAt = now;
    this.#session.resynchronise();
  }

  #droppedAlert() {
    const dropped = this.#outbox.dropped - this.#droppedTold;
    if (dropped === 0 || this.#outbox.waiting > 0) return undefined;
    this.#droppedTold = this.#outbox.dropped;
    return internalAlert(
      'Tocsin internal: alerts lost',
      'Critical',
      `${dropped} alerts were lost between the engine and the outputs, which did not keep up.`,
      { 'tocsin.lost': dropped },
      this.#settings,
    );
  }

  #statistics(): EngineStatistics {
    const rules = this.#judge?.compiled.rules ?? [];
    const counts = this.#session.counters();
    const tally = tallyOf(counts.kernel, counts.calls);
    return {
      ...counts,
      alerts: { waiting: this.#outbox.waiting, dropped: this.#outbox.dropped },
      rules: Object.fromEntries(
        rules.map(({ name, counters, rule }) => [
          name,
          { ...counters, coverage: coverageOf(rule.eventTypes, tally) },
        ]),
      ),
    };
  }

  #stop(): void {
    this.#keepMemory();
    this.#session.stop();
    const statistics = this.#statistics();
    this.#losses.observe(statistics.kernel, this.#session.takeFlooders());
    const alert = this.#losses.alert(true);
    if (alert !== undefined) this.#outbox.add(alert);
    this.#outbox.flushAll();
    this.#post({ type: 'statistics', statistics });
    this.#port.close();
  }

  #post(message: EngineMessage): void {
    this.#port.postMessage(message);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Records pile up while other programs have the processor, and what tells of a container that ends at once is gone by then: on Linux
 * this is about single threads, so those that read files for this one must have it, too. The main thread writes and sends, and can wait.
 */
function takePrecedence(): void {
  try {
    for (const thread of readdirSync('/proc/self/task'))
      if (Number(thread) !== process.pid) setPriority(Number(thread), NICENESS);
  } catch {
    // Not allowed here: the ring has room for a while.
  }
}

if (parentPort !== null) {
  const port = parentPort;
  takePrecedence();
  new EngineWorker(port, workerData as EngineSettings).start().catch((error) => {
    port.postMessage({ type: 'failed', message: messageOf(error) } satisfies EngineMessage);
    port.close();
  });
}
