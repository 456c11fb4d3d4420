import { Worker } from 'node:worker_threads';
import type { Alert } from '@tocsin/openapi';
import { ExpectedError } from '../expected-error.ts';
import { ENGINE_WORKER } from '../package-files.ts';
import type { SkippedProgram } from '../probe/probe.ts';
import type { EngineCommand, EngineMessage, EngineSettings, EngineStatistics } from './messages.ts';
import type { RuleSettings, RuleSummary } from './rule-judge.ts';

export interface EngineOptions extends EngineSettings {
  /** Gets alerts in batches. */
  readonly onAlerts: (alerts: readonly Alert[]) => void;
  /** Gets the numbers once a second. */
  readonly onStatistics?: (statistics: EngineStatistics) => void;
  /** The engine ended by itself after it was ready; the message says why. */
  readonly onFailure?: (error: EngineError) => void;
}

/** The engine could not start, or ended. */
export class EngineError extends ExpectedError {
  override readonly name = 'EngineError';
}

/** Rules were refused; those before are still in force. */
export class ReloadError extends Error {
  override readonly name = 'ReloadError';
}

/** Probe, state and rules in a thread of their own. */
export interface Engine {
  /** Settled once the probe sees events, or cannot. */
  readonly ready: Promise<RuleSummary>;
  /** Optional programs of the probe that do not run on this kernel; empty before it is ready. */
  readonly skipped: readonly SkippedProgram[];
  /** The numbers of the last second; empty before the first. */
  statistics(): Partial<EngineStatistics>;
  /** How long ago those numbers came, or the engine was started. */
  silentMs(): number;
  /** Takes other rules without losing an event. Rejects with `ReloadError` and keeps the old when they are broken. */
  reload(rules: RuleSettings): Promise<RuleSummary>;
  /** Judges what was recorded until now, gives out the alerts and ends. Idempotent. */
  stop(): Promise<void>;
}

interface Waiting {
  readonly resolve: (summary: RuleSummary) => void;
  readonly reject: (error: Error) => void;
}

const YOUNG_GENERATION_MB = 24;

/** Starts the engine. Watch `ready`: nothing is seen before. */
export function startEngine(options: EngineOptions): Engine {
  return new EngineThread(options);
}

class EngineThread implements Engine {
  readonly ready: Promise<RuleSummary>;
  skipped: readonly SkippedProgram[] = [];
  readonly #options: EngineOptions;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #reloads = new Map<number, Waiting>();
  #starting: Waiting | undefined;
  #statistics: Partial<EngineStatistics> = {};
  #heardAt = performance.now();
  #nextReload = 1;
  #stopping = false;
  #failure: string | undefined;

  constructor(options: EngineOptions) {
    const { onAlerts, onStatistics, onFailure, ...settings } = options;
    this.#options = options;
    this.#worker = new Worker(ENGINE_WORKER, {
      workerData: settings satisfies EngineSettings,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
      name: 'tocsin-engine',
    });
    this.ready = new Promise((resolve, reject) => {
      this.#starting = { resolve, reject };
    });
    // Whoever starts the engine awaits it, maybe later than it fails.
    this.ready.catch(() => {});
    this.#exited = new Promise((resolve) => this.#worker.once('exit', () => resolve()));
    this.#worker.on('message', (message: EngineMessage) => this.#take(message));
    this.#worker.on('error', (error) => {
      this.#failure = error instanceof Error ? error.message : String(error);
    });
    this.#worker.once('exit', () => this.#onExit());
  }

  statistics(): Partial<EngineStatistics> {
    return this.#statistics;
  }

  silentMs(): number {
    return performance.now() - this.#heardAt;
  }

  reload(rules: RuleSettings): Promise<RuleSummary> {
    const id = this.#nextReload++;
    return new Promise((resolve, reject) => {
      this.#reloads.set(id, { resolve, reject });
      this.#send({ type: 'reload', id, rules });
    });
  }

  async stop(): Promise<void> {
    if (!this.#stopping) {
      this.#stopping = true;
      this.#send({ type: 'stop' });
    }
    await this.#exited;
  }

  #take(message: EngineMessage): void {
    switch (message.type) {
      case 'alerts':
        this.#send({ type: 'acknowledge' });
        this.#options.onAlerts(message.alerts);
        break;
      case 'statistics':
        this.#statistics = message.statistics;
        this.#heardAt = performance.now();
        this.#options.onStatistics?.(message.statistics);
        break;
      case 'ready':
        this.skipped = message.skipped;
        this.#starting?.resolve(message.summary);
        this.#starting = undefined;
        break;
      case 'failed':
        this.#failure = message.message;
        break;
      case 'reloaded':
        this.#reloads.get(message.id)?.resolve(message.summary);
        this.#reloads.delete(message.id);
        break;
      case 'refused':
        this.#reloads.get(message.id)?.reject(new ReloadError(message.message));
        this.#reloads.delete(message.id);
    }
  }

  #onExit(): void {
    const error = new EngineError(this.#failure ?? 'the engine ended');
    this.#starting?.reject(error);
    for (const { reject } of this.#reloads.values()) reject(error);
    this.#reloads.clear();
    if (this.#starting === undefined && !this.#stopping) this.#options.onFailure?.(error);
    this.#starting = undefined;
  }

  #send(command: EngineCommand): void {
    this.#worker.postMessage(command);
  }
}
