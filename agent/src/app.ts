import type { Writable } from 'node:stream';
import type { Alert } from '@tocsin/openapi';
import type { Logger } from 'pino';
import { makeInternalAlert } from './internal-alert.ts';
import { LossReporter } from './loss-reporter.ts';
import { type AlertLine, toAlertLine } from './outputs/alert-line.ts';
import { type OutputSetting, openOutputs } from './outputs/open-outputs.ts';
import type { Output } from './outputs/output.ts';
import { Uplink } from './uplink/uplink.ts';

/** Each of the last two steps of the end; the engine takes its own time before. */
const STOP_MS = 1000;
const STATISTICS_EVERY_MS = 60_000;

/** What the app gives to the engine. */
export interface EngineEvents {
  readonly onAlerts: (alerts: readonly Alert[]) => void;
}

/** What the app needs of the engine: probe, state and rules in their own thread. */
export interface Engine {
  /** Numbers since the start, for the log. */
  statistics(): object;
  /** Ends the intake and gives out what is under way. */
  stop(): Promise<void>;
}

export interface AppOptions {
  readonly hostname: string;
  readonly version: string;
  readonly dataDir: string;
  readonly outputs: readonly OutputSetting[];
  readonly spoolBytes: number;
  /** URL of the control plane; without it alerts only go to the outputs. */
  readonly server?: string | undefined;
  readonly joinToken?: string | undefined;
  readonly log: Logger;
  readonly stdout: Writable;
}

/** Alerts from the engine to the outputs and the control plane. */
export class App {
  readonly #options: AppOptions;
  readonly #log: Logger;
  readonly #losses = new LossReporter((alert) =>
    this.accept([makeInternalAlert(alert, this.#options.hostname, new Date())]),
  );
  #outputs: readonly Output[] = [];
  #uplink: Uplink | undefined;
  #engine: Engine | undefined;
  #statistics: NodeJS.Timeout | undefined;
  #stopped: Promise<void> | undefined;

  private constructor(options: AppOptions) {
    this.#options = options;
    this.#log = options.log;
  }

  /** Opens the outputs and the uplink, then starts the engine. On failure everything is closed again. */
  static async start<E extends Engine>(
    options: AppOptions,
    startEngine: (events: EngineEvents) => Promise<E>,
  ): Promise<{ app: App; engine: E }> {
    const app = new App(options);
    try {
      const { outputs, stdout, log } = options;
      app.#outputs = await openOutputs(outputs, stdout, log);
      app.#uplink = await app.#startUplink();
      const engine = await startEngine({ onAlerts: (alerts) => app.accept(alerts) });
      app.#engine = engine;
      app.#statistics = setInterval(() => app.logStatistics(), STATISTICS_EVERY_MS);
      return { app, engine };
    } catch (error) {
      await app.stop();
      throw error;
    }
  }

  async #startUplink(): Promise<Uplink | undefined> {
    const { server, log } = this.#options;
    if (server === undefined) return undefined;
    return Uplink.start({
      ...this.#options,
      server,
      log: log.child({ component: 'uplink' }),
      onLoss: (priority, alerts, reason) => this.#losses.add(priority, alerts, reason),
    });
  }

  /** Gives alerts to every output and the control plane; none of them can hold up another. */
  accept(alerts: readonly Alert[]): void {
    const lines: AlertLine[] = alerts.map(toAlertLine);
    this.#uplink?.accept(lines);
    for (const output of this.#outputs) output.write(lines);
  }

  /** Opens output files again, after a rotation. */
  reopen(): void {
    for (const output of this.#outputs) output.reopen?.();
  }

  logStatistics(): void {
    const { counters, waitingBytes, waitingMs } = this.#uplink ?? {};
    this.#log.info(
      {
        engine: this.#engine?.statistics(),
        ...(this.#uplink && { uplink: { ...counters, waitingBytes, waitingMs } }),
        outputs: Object.fromEntries(
          this.#outputs.map(({ name, counters: counts }) => [name, counts]),
        ),
      },
      'statistics',
    );
  }

  /** Ends the intake, then lets outputs and uplink finish; what cannot be sent stays in the spool. Idempotent. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    clearInterval(this.#statistics);
    await this.#engine?.stop();
    this.#losses.flush();
    await Promise.all([
      this.#uplink?.stop(STOP_MS),
      ...this.#outputs.map((output) => output.close(STOP_MS)),
    ]);
    this.logStatistics();
  }
}
