import type { Readable } from 'node:stream';
import { type Command, Option } from 'commander';
import pino, { type DestinationStream, type Logger } from 'pino';
import { cut } from '../delivery/text.ts';
import type { Environment, SettingsFlags } from '../settings.ts';

/** What a command knows of the process it runs in. */
export interface CommandContext {
  readonly environment: Environment;
  readonly in: Readable;
  readonly out: NodeJS.WriteStream;
  readonly err: NodeJS.WriteStream;
  /** Returns when the process is told to stop, after `stop` has run. */
  readonly untilStopped: (stop: () => Promise<void>) => Promise<void>;
}

const MAX_MESSAGE = 2000;
const MAX_STACK = 8000;
const collect = (value: string, before: readonly string[] = []) => [...before, value];

/** The flags of every command that reads settings. The help of one that starts no server leaves out what only servers heed. */
export function withSettingsFlags(command: Command, starts: 'server' | 'nothing'): Command {
  const ofServers = (flags: string, description: string) =>
    new Option(flags, description).hideHelp(starts === 'nothing');
  return command
    .option(
      '-c, --config <file>',
      'configuration file (TOCSIN_CONFIG; default ./tocsin.yaml if it exists)',
    )
    .addOption(ofServers('--listen <host:port>', 'address of the HTTP API (TOCSIN_LISTEN)'))
    .option('--data-dir <folder>', 'where keys and the embedded Redis live (TOCSIN_DATA_DIR)')
    .addOption(
      ofServers(
        '--redis-url <url>',
        'a Redis of your own instead of the embedded one (TOCSIN_REDIS_URL)',
      ),
    )
    .addOption(ofServers('--log-level <level>', 'debug, info, warn or error (TOCSIN_LOG_LEVEL)'))
    .option(
      '--set <key=value>',
      'any other configuration key, for instance dedupe.window=1m',
      collect,
    );
}

/** The process log: JSON lines, on stderr unless told otherwise. */
export function processLog(
  level: string,
  destination: DestinationStream = pino.destination({ fd: 2, sync: true }),
): Logger {
  return pino({ level, base: null, serializers: { err: serializeError } }, destination);
}

/** What a log tells of an error. Not all it carries: errors of Redis hold the command with its arguments, whole batches of them. */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack, cause, code } = error as NodeJS.ErrnoException;
  return {
    ...{ type: name, message: cut(message, MAX_MESSAGE), code, stack: cut(stack ?? '', MAX_STACK) },
    ...(cause !== undefined && { cause: serializeError(cause) }),
  };
}

export type { SettingsFlags };
