import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { Config, loadSettings, type SecretReference, SettingsError } from '@tocsin/openapi';
import { checkAgentSettings } from './rule-settings.ts';

const DEFAULT_FILE = 'tocsin.yaml';

type Environment = Readonly<Record<string, string | undefined>>;

/** The configuration file, if there is one. */
export function configFileOf(
  file: string | undefined,
  { TOCSIN_CONFIG }: Environment,
): string | undefined {
  return file ?? TOCSIN_CONFIG ?? (existsSync(DEFAULT_FILE) ? DEFAULT_FILE : undefined);
}

/** Loads the configuration from its file, the environment and flags. Throws SettingsError with every problem. */
export function readConfig(
  file: string | undefined,
  environment: Environment,
  flags: Readonly<Record<string, string | undefined>>,
): Config {
  const name = configFileOf(file, environment);
  const sources = {
    environment,
    flags,
    ...(name !== undefined && { file: { name, text: readText(name) } }),
  };
  return loadSettings(Config, sources, checkAgentSettings);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'there is no such file' : message;
    throw new SettingsError([{ where: path, message: `cannot be read: ${reason}` }]);
  }
}

/** The secret a reference stands for; undefined when its file is not there. */
export function readSecret(
  reference: SecretReference,
  environment: Environment,
): string | undefined {
  if ('value' in reference) return reference.value;
  if ('env' in reference) return environment[reference.env];
  return existsSync(reference.file) ? readText(reference.file).replace(/\r?\n$/, '') : undefined;
}

/** The name alerts and the enrolment carry. */
export const hostnameOf = (config: Config): string => config.agent.hostname ?? hostname();

/** Checks the URL of the control plane; returns it without a slash at its end. */
export function checkServer(text: string, where: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    const message = `must be an http:// or https:// URL, got '${text}'`;
    throw new SettingsError([{ where, message }]);
  }
  if (url.username || url.password || url.search || url.hash) {
    const message = 'must not hold a user, a password, a query or a fragment';
    throw new SettingsError([{ where, message }]);
  }
  return url.href.replace(/\/$/, '');
}
