/** How the commands talk to a control plane: over its HTTP API, as anybody can. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Problem } from '@tocsin/openapi';
import type { Command } from 'commander';
import { ADMIN_TOKEN_FILE } from '../auth/admin-token.ts';
import { printable } from '../delivery/text.ts';
import { readSettings } from '../settings.ts';
import { type CommandContext, type SettingsFlags, withSettingsFlags } from './context.ts';

export interface ApiFlags extends SettingsFlags {
  readonly url?: string;
  readonly tokenFile?: string;
  readonly json?: boolean;
}

/** A call failed; the message says what to do. */
export class ApiError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ApiError';
  }
}

const CALL_MS = 60_000;

/** The flags of every command that calls the API. */
export function withApiFlags(command: Command): Command {
  return withSettingsFlags(
    command
      .option('--url <url>', 'of the control plane (default: where the settings say it listens)')
      .option(
        '--token-file <file>',
        'holds the API token (default: admin.token of the data directory)',
      )
      .option('--json', 'print the answer as JSON'),
    'nothing',
  );
}

export class ApiClient {
  readonly #url: string;
  readonly #token: string;

  constructor(flags: ApiFlags, context: CommandContext) {
    const { config } = readSettings(flags, context.environment);
    if (flags.url !== undefined && !/^https?:\/\//.test(flags.url))
      throw new ApiError(`--url must be an http:// or https:// URL, not '${flags.url}'.`);
    this.#url = (flags.url ?? defaultUrl(config.listen)).replace(/\/$/, '');
    const file = flags.tokenFile ?? join(config.data_dir, ADMIN_TOKEN_FILE);
    try {
      this.#token = readFileSync(file, 'utf8').trim();
    } catch (error) {
      throw new ApiError(
        `The token file ${file} cannot be read (${(error as NodeJS.ErrnoException).code}): name it with --token-file or --data-dir.`,
        { cause: error },
      );
    }
  }

  /** Calls the API. Throws ApiError for whatever is not a success. */
  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    let response: Response;
    try {
      response = await fetch(this.#url + path, {
        method,
        headers: {
          authorization: `Bearer ${this.#token}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(CALL_MS),
      });
    } catch (error) {
      throw new ApiError(
        `No control plane answers at ${this.#url}: start it with 'tocsin run', or name it with --url.`,
        { cause: error },
      );
    }
    const text = await response.text();
    if (!response.ok) throw new ApiError(explain(response.status, text));
    return (text ? JSON.parse(text) : undefined) as T;
  }
}

function defaultUrl(listen: string): string {
  return `http://${listen.replace(/^(0\.0\.0\.0|\[::\])?:/, '127.0.0.1:')}`;
}

function explain(status: number, text: string): string {
  let problem: Partial<Problem>;
  try {
    problem = JSON.parse(text) as Problem;
  } catch {
    return `The control plane answered ${status}: ${printable(text.slice(0, 200))}`;
  }
  const places = (problem.errors ?? []).map(({ pointer, message }) => `\n  ${pointer}: ${message}`);
  return (
    printable(`${problem.detail} (${problem.code})`) +
    places.map((place) => `\n${printable(place.slice(1))}`).join('')
  );
}
