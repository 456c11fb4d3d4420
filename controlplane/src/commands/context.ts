import type { Command } from 'commander';
import pino, { type Logger } from 'pino';
import type { Environment, SettingsFlags } from '../settings.ts';

/** What a command knows of the process it runs in. */
export interface CommandContext {
  readonly environment: Environment;
  readonly out: NodeJS.WriteStream;
  readonly err: NodeJS.WriteStream;
  /** Returns when the process is told to stop, after `stop` has run. */
  readonly untilStopped: (stop: () => Promise<void>) => Promise<void>;
}

const collect = (value: string, before: string[]) => [...before, value];

/** The flags of every command that reads settings. */
export function withSettingsFlags(command: Command): Command {
  return command
    .option(
      '-c, --config <file>',
      'configuration file (TOCSIN_CONFIG; default ./tocsin.yaml if it exists)',
    )
    .option('--listen <host:port>', 'address of the HTTP API (TOCSIN_LISTEN)')
    .option('--data-dir <folder>', 'where keys and the embedded Redis live (TOCSIN_DATA_DIR)')
    .option(
      '--redis-url <url>',
      'a Redis of your own instead of the embedded one (TOCSIN_REDIS_URL)',
    )
    .option('--log-level <level>', 'debug, info, warn or error (TOCSIN_LOG_LEVEL)')
    .option(
      '--set <key=value>',
      'any other configuration key, for instance dedupe.window=1m',
      collect,
      [],
    );
}

/** The process log: JSON lines on stderr. */
export function processLog(level: string): Logger {
  return pino({ level, base: null }, pino.destination({ fd: 2, sync: true }));
}

export type { SettingsFlags };
