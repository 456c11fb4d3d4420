/** The settings of a command: which file, which flags, which environment. */
import { existsSync, readFileSync } from 'node:fs';
import {
  type Complaint,
  Config,
  explainErrors,
  keysOf,
  loadSettings,
  SettingsError,
} from '@tocsin/openapi';
import { Default } from 'typebox/value';
import { checkFileChannels } from './channels/definition.ts';
import { findChannelKind } from './delivery/channels/index.ts';
import { checkRouting } from './routing/compile.ts';

/** Where settings come from, as the command line names it. */
export interface SettingsFlags {
  readonly config?: string | undefined;
  readonly listen?: string | undefined;
  readonly dataDir?: string | undefined;
  readonly redisUrl?: string | undefined;
  readonly logLevel?: string | undefined;
  /** `key=value`, any number of them. */
  readonly set?: readonly string[] | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Settings {
  readonly config: Config;
  /** The file that was read. */
  readonly file: string | undefined;
  /** What the flags set, by dotted path. */
  readonly flags: Readonly<Record<string, string>>;
}

const DEFAULT_FILE = 'tocsin.yaml';

/** Loads the settings. Throws SettingsError with every problem. */
export function readSettings(given: SettingsFlags, environment: Environment): Settings {
  const flags = flagsOf(given);
  const { TOCSIN_CONFIG } = environment;
  const named = given.config ?? TOCSIN_CONFIG;
  const name = named ?? (existsSync(DEFAULT_FILE) ? DEFAULT_FILE : undefined);
  const file = name === undefined ? undefined : { name, text: readFile(name) };
  const config = loadSettings(Config, { environment, flags, ...(file && { file }) }, complaintsOf);
  return { config, file: name, flags };
}

/** What is wrong with a configuration that is not read from a file. */
export function complaintsAbout(given: unknown): Complaint[] {
  const value = Default(Config, structuredClone(given));
  const shape = explainErrors(Config, value);
  return shape.length > 0 ? shape : complaintsOf(value as Config);
}

/** What the schema of the file cannot tell: the settings of each kind of channel, names that are taken twice, and routing. */
function complaintsOf(config: Config): Complaint[] {
  const { errors } = checkFileChannels(config, findChannelKind);
  const names = [...config.channels, ...config.receivers].map(({ name }) => name);
  return [...errors, ...checkRouting(config, new Set(names))];
}

function readFile(name: string): string {
  try {
    return readFileSync(name, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'there is no such file' : message;
    throw new SettingsError([{ where: name, message: `cannot be read: ${reason}` }]);
  }
}

function flagsOf(given: SettingsFlags): Record<string, string> {
  const known = new Set(keysOf(Config).map(({ path }) => path.join('.')));
  const flags: Record<string, string> = {};
  for (const text of given.set ?? []) {
    const [, key, value] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
    if (key === undefined || value === undefined || !known.has(key)) {
      const message = key === undefined ? `'${text}' is not key=value` : `there is no key '${key}'`;
      throw new SettingsError([{ where: '--set', message }]);
    }
    flags[key] = value;
  }
  const named = {
    listen: given.listen,
    data_dir: given.dataDir,
    'redis.url': given.redisUrl,
    log_level: given.logLevel,
  };
  for (const [key, value] of Object.entries(named)) if (value !== undefined) flags[key] = value;
  return flags;
}
