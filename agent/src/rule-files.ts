import { type Buffer, isUtf8 } from 'node:buffer';
import { readdirSync, readFileSync, statSync, watch } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ExpectedError } from './expected-error.ts';
import type { RulesFile } from './rules/load-rules.ts';

/** Editors and configuration maps write in several steps; look after a moment of quiet. */
const SETTLE_MS = 300;

const RULE_FILE = /\.ya?ml$/;
/** Kubernetes changes a mounted configuration map by putting a link with such a name in place of another. */
const CONFIGURATION_MAP = '..';

/** A rules file or folder cannot be read. */
export class RuleFileError extends ExpectedError {
  override readonly name = 'RuleFileError';
}

/** Reads rule files in order; a folder stands for its *.yaml and *.yml files by name. Throws RuleFileError. */
export function readRuleFiles(paths: readonly string[]): RulesFile[] {
  return paths.flatMap(ruleFilesOf).map((name) => ({
    name,
    content: decode(
      name,
      attempt(name, () => readFileSync(name)),
    ),
  }));
}

function decode(name: string, bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (isUtf8(bytes)) return text;
  const line = text.slice(0, text.indexOf('\ufffd')).split('\n').length;
  throw new RuleFileError(`${name}: line ${line} is not UTF-8 text`);
}

/** The rule files a path stands for. Throws RuleFileError. */
export function ruleFilesOf(path: string): string[] {
  if (!attempt(path, () => statSync(path)).isDirectory()) return [path];
  const names = attempt(path, () => readdirSync(path))
    .filter((name) => RULE_FILE.test(name))
    .sort();
  if (names.length === 0) throw new RuleFileError(`${path}: holds no *.yaml or *.yml file`);
  return names.map((name) => join(path, name));
}

function attempt<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'there is no such file or folder' : message;
    throw new RuleFileError(`${path}: ${reason}`);
  }
}

/** Calls back a moment after a file changed, or a rule file of a folder. Returns how to stop. */
export function watchRuleFiles(paths: readonly string[], onChange: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const settle = () => {
    clearTimeout(timer);
    timer = setTimeout(onChange, SETTLE_MS);
  };
  const watchers = paths.map((path) => {
    // A folder is watched rather than a file: editors put a new file in place of the old one.
    const isFolder = statSync(path).isDirectory();
    const concerns = (name: string) => (isFolder ? RULE_FILE.test(name) : name === basename(path));
    return watch(isFolder ? path : dirname(path), { persistent: false }, (_, name) => {
      if (name === null || concerns(name) || name.startsWith(CONFIGURATION_MAP)) settle();
    }).on('error', settle);
  });
  return () => {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
  };
}
