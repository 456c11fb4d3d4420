import { ExpectedError } from '../expected-error.ts';
import type { AlertLine } from './alert-line.ts';
import type { LineQueueCounters } from './line-queue.ts';

export interface OutputLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

/** A place where the agent itself writes alerts. Writing never waits: what a slow place cannot take is dropped and counted. */
export interface Output {
  /** For logs and statistics, such as `file /var/log/tocsin.json`. */
  readonly name: string;
  readonly counters: LineQueueCounters;
  /** Returns those it had no room for, which are lost here. */
  write(alerts: readonly AlertLine[]): readonly AlertLine[];
  /** Opens its file again, after a rotation. */
  reopen?(): void;
  /** Writes what is queued, for at most so long, and ends. */
  close(graceMs: number): Promise<void>;
}

/** An output cannot be opened; the message says which and why. */
export class OutputError extends ExpectedError {
  override readonly name = 'OutputError';
}
