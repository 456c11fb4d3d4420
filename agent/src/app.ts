import type { Writable } from 'node:stream';
import type { Alert } from '@tocsin/openapi';
import type { Logger } from 'pino';
import { type Engine, startEngine } from './engine/engine.ts';
import type { EngineSettings } from './engine/messages.ts';
import type { RuleSettings, RuleSummary } from './engine/rule-judge.ts';
import { LossReporter } from './loss-reporter.ts';
import { type AlertLine, toAlertLine } from './outputs/alert-line.ts';
import { type OutputSetting, openOutputs } from './outputs/open-outputs.ts';
import type { Output } from './outputs/output.ts';
import { releaseMemory } from './probe/release-memory.ts';
import type { Endpoint, MetricsServer } from './telemetry/metrics-server.ts';
import type { Uplink } from './uplink/uplink.ts';

/** An engine that told nothing for so long hangs; it tells its numbers every second. */
const SILENT_MS = 15_000;
/** Each of the last two steps of the end; the engine takes its own time before. */
const STOP_MS = 1000;
const STATISTICS_EVERY_MS = 60_000;
/** After the start, which leaves this thread little to do. */
const RELEASE_AFTER_MS = 500;

export interface AppOptions {
  readonly engine: EngineSettings;
  readonly version: string;
  readonly dataDir: string;
  readonly outputs: readonly OutputSetting[];
  readonly spoolBytes: number;
  /** URL of the control plane; without it alerts only go to the outputs. */
  readonly server?: string | undefined;
  readonly joinToken?: string | undefined;
  /** Where the metrics are served; nowhere without it. */
  readonly metrics?: Endpoint | undefined;
  readonly log: Logger;
  readonly stdout: Writable;
}

/** The agent: alerts from the engine to the outputs and the control plane. */
export class App {
  /** Settled when the engine ended by itself. */
  readonly failed: Promise<Error>;
  /** Attempts to take other rules. */
  readonly reloads = { accepted: 0, refused: 0 };
  #fail: (error: Error) => void = () => undefined;
  readonly #options: AppOptions;
  readonly #log: Logger;
  readonly #losses: LossReporter;
  #outputs: readonly Output[] = [];
  #uplink: Uplink | undefined;
  #engine: Engine | undefined;
  #metrics: MetricsServer | undefined;
  #statistics: NodeJS.Timeout | undefined;
  #release: NodeJS.Timeout | undefined;
  #stopped: Promise<void> | undefined;

  private constructor(options: AppOptions) {
    this.#options = options;
    this.#log = options.log;
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
    this.#losses = new LossReporter(options.engine, (alert) => this.#tellLoss(alert));
  }

  /** Starts the engine, which has the most to do, and meanwhile opens where alerts go. On failure everything is closed again. */
  static async start(options: AppOptions): Promise<App> {
    const app = new App(options);
    const engine = startEngine({
      ...options.engine,
      onAlerts: (alerts) =>
        opened.then(
          () => app.accept(alerts),
          () => {}, // the agent ends: it cannot start
        ),
      onFailure: (error) => app.#fail(error),
    });
    app.#engine = engine;
    const opened = app.#open();
    try {
      await opened;
      app.#tell(await engine.ready, 'rules in force');
      for (const program of engine.skipped)
        options.log.warn(program, 'a program of the probe does not run on this kernel');
      app.#statistics = setInterval(() => app.logStatistics(), STATISTICS_EVERY_MS);
      app.#release = setTimeout(() => void releaseMemory(), RELEASE_AFTER_MS);
      return app;
    } catch (error) {
      await app.stop();
      throw error;
    }
  }

  /** Takes other rules. Rejects and keeps the old when they are broken. */
  async reload(rules: RuleSettings): Promise<void> {
    if (this.#engine) this.#tell(await this.#engine.reload(rules), 'rules were reloaded');
  }

  #tell({ rules, warnings, blind }: RuleSummary, message: string): void {
    this.#log.info({ rules }, message);
    for (const warning of warnings) this.#log.warn({ warning }, 'rules');
    for (const [rule, fields] of Object.entries(blind))
      this.#log.warn(
        { rule, fields },
        'rule is blind: these fields or event types are never there',
      );
  }

  async #open(): Promise<void> {
    const { outputs, stdout, log } = this.#options;
    this.#outputs = await openOutputs(outputs, stdout, log);
    this.#metrics = await this.#startMetrics();
    this.#uplink = await this.#startUplink();
  }

  async #startUplink(): Promise<Uplink | undefined> {
    const { server, log, engine, dataDir, version, spoolBytes, joinToken } = this.#options;
    if (server === undefined) return undefined;
    const { Uplink } = await import('./uplink/uplink.ts');
    return Uplink.start({
      dataDir,
      server,
      hostname: engine.hostname,
      version,
      spoolBytes,
      joinToken,
      log: log.child({ component: 'uplink' }),
      onLoss: (priority, alerts, reason) => this.#losses.add(priority, alerts, reason),
    });
  }

  async #startMetrics(): Promise<MetricsServer | undefined> {
    const { metrics, version, log } = this.#options;
    if (metrics === undefined) return undefined;
    const { buildMetrics } = await import('./telemetry/metrics.ts');
    const { MetricsServer } = await import('./telemetry/metrics-server.ts');
    const registry = buildMetrics({
      version,
      reloads: this.reloads,
      engine: () => this.#engine?.statistics() ?? {},
      skipped: () => this.#engine?.skipped ?? [],
      uplink: () => this.#uplink,
      outputs: () => this.#outputs,
    });
    const isHealthy = () => this.#engine !== undefined && this.#engine.silentMs() < SILENT_MS;
    const server = await MetricsServer.start(metrics, registry, isHealthy);
    log.info({ url: server.url }, 'metrics are served');
    return server;
  }

  /** Gives alerts to every output and the control plane; none of them can hold up another. */
  accept(alerts: readonly Alert[]): void {
    const lines: AlertLine[] = alerts.map(toAlertLine);
    this.#uplink?.accept(lines);
    for (const output of this.#outputs)
      for (const { alert } of output.write(lines))
        this.#losses.add(alert.priority, 1, 'output_full', output.name);
  }

  /** Where this has no room either it is not lost: the log has it too. */
  #tellLoss(alert: Alert): void {
    this.#log.warn({ fields: alert.output_fields }, alert.output);
    const line = toAlertLine(alert);
    this.#uplink?.accept([line]);
    for (const output of this.#outputs) output.write([line]);
  }

  /** Opens output files again, after a rotation. */
  reopen(): void {
    for (const output of this.#outputs) output.reopen?.();
  }

  logStatistics(): void {
    const { counters, waitingBytes, waitingMs } = this.#uplink ?? {};
    this.#log.info(
      {
        engine: this.#engineStatistics(),
        ...(this.#uplink && { uplink: { ...counters, waitingBytes, waitingMs } }),
        outputs: Object.fromEntries(
          this.#outputs.map(({ name, counters: counts }) => [name, counts]),
        ),
      },
      'statistics',
    );
  }

  /** Without the rules that did nothing, which are most. */
  #engineStatistics() {
    const { rules = {}, ...others } = this.#engine?.statistics() ?? {};
    const active = Object.entries(rules)
      .filter(([, { matched, errors, coverage }]) => matched > 0 || errors > 0 || coverage < 1)
      .map(([name, { matched, errors, coverage }]) => [name, { matched, errors, coverage }]);
    return { ...others, rules: Object.fromEntries(active) };
  }

  /** Ends the intake, then lets outputs and uplink finish; what cannot be sent stays in the spool. Idempotent. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    clearInterval(this.#statistics);
    clearTimeout(this.#release);
    await this.#engine?.stop();
    this.#losses.flush();
    await Promise.all([
      this.#metrics?.stop(),
      this.#uplink?.stop(STOP_MS),
      ...this.#outputs.map((output) => output.close(STOP_MS)),
    ]);
    this.logStatistics();
  }
}
