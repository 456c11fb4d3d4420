import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';

/** The sources stand beside the TypeScript, also when this runs from `dist/`. */
const folder = join(import.meta.dirname, '../../../src/store/scripts');

export interface Script {
  readonly name: string;
  readonly source: string;
  readonly sha: string;
}

/**
 * With it Redis refuses a script before its first command when it is full or read-only. Without, it would run until the first command
 * that needs memory, and what it removed before would be lost. A script that only reads says so in a line of its own.
 */
const HEADER = '#!lua\n';

/** Reads a script of `store/scripts/`, with the parts of `lib/` that it stands on laid before it. */
export function loadScript(name: string, ...parts: readonly string[]): Script {
  const files = [...parts.map((part) => join('lib', part)), name];
  const text = files.map((file) => readFileSync(join(folder, `${file}.lua`), 'utf8')).join('\n');
  const source = text.startsWith('#!') ? text : HEADER + text;
  return { name, source, sha: createHash('sha1').update(source).digest('hex') };
}

/** Runs a script by its digest; sends its source only to a server that does not know it yet. */
export async function runScript(
  redis: Redis,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number | Buffer)[],
): Promise<unknown> {
  try {
    return await redis.evalsha(script.sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return redis.eval(script.source, keys.length, ...keys, ...args);
  }
}
