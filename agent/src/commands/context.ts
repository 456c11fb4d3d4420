import type { Writable } from 'node:stream';
import { ExpectedError } from '../expected-error.ts';

/** Something that runs until the process is told to end. */
export interface Service {
  stop(): Promise<void>;
  /** What signals do, besides those that end the process. */
  readonly signals?: Readonly<Partial<Record<'SIGHUP' | 'SIGUSR1', () => void>>>;
  /** Resolves when the service ends by itself. */
  readonly ended?: Promise<void>;
}

/** What a command knows of the process it runs in. */
export interface CommandContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly out: Writable;
  readonly err: Writable;
  /** Resolves when nobody reads our standard output any more. */
  readonly outClosed: Promise<void>;
  /** Returns after the service was stopped, by a signal or because it ended. */
  run(service: Service): Promise<void>;
}

/** Exit code when the machine lacks what the probe needs: starting again would not help. */
export const CANNOT_RUN = 3;

/** A command ends with this exit code and this message; no stack is shown. */
export class CommandError extends ExpectedError {
  override readonly name = 'CommandError';
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}
