import { readdirSync, readFileSync, statSync, watch } from 'node:fs';
import { dirname, join } from 'node:path';
import type { RulesFile } from './rules/load-rules.ts';

/** Our own rule packs, used when no rules are configured. */
export const LIBRARY_FOLDER = join(import.meta.dirname, '../../src/rules/library');

/** Editors and configuration maps write in several steps; look after a moment of quiet. */
const SETTLE_MS = 300;

/** A rules file or folder cannot be read. */
export class RuleFileError extends Error {
  override readonly name = 'RuleFileError';
}

/** Reads rule files in order; a folder stands for its *.yaml and *.yml files by name. Throws RuleFileError. */
export function readRuleFiles(paths: readonly string[]): RulesFile[] {
  return paths
    .flatMap(filesOf)
    .map((name) => ({ name, content: attempt(name, () => readFileSync(name, 'utf8')) }));
}

function filesOf(path: string): string[] {
  if (!attempt(path, () => statSync(path)).isDirectory()) return [path];
  const names = attempt(path, () => readdirSync(path))
    .filter((name) => /\.ya?ml$/.test(name))
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

/** Calls back a moment after something changed beside the rule files. Returns how to stop. */
export function watchRuleFiles(paths: readonly string[], onChange: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const settle = () => {
    clearTimeout(timer);
    timer = setTimeout(onChange, SETTLE_MS);
  };
  const folders = new Set(
    paths.map((path) => (statSync(path).isDirectory() ? path : dirname(path))),
  );
  // A folder is watched rather than a file: editors put a new file in place of the old one.
  const watchers = [...folders].map((folder) =>
    watch(folder, { persistent: false }, settle).on('error', settle),
  );
  return () => {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
  };
}
