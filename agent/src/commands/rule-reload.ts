import type { Writable } from 'node:stream';
import { Config, keysOf, SettingsError } from '@tocsin/openapi';
import type { App } from '../app.ts';
import type { RuleSettings } from '../engine/rule-judge.ts';
import { watchRuleFiles } from '../rule-files.ts';

/** What the files say now: the configuration, checked, and the rules it names. */
export interface Sources {
  readonly config: Config;
  readonly rules: RuleSettings;
  /** Files and folders that say so. */
  readonly paths: readonly string[];
}

/** Keys of the agent that are taken while it runs. */
const RULE_KEYS: ReadonlySet<string> = new Set([
  'rules',
  'rule_matching',
  'rule_selection',
  'append_output',
  'static_fields',
  'priority',
]);

/** Puts changed rules in place of those that run. What is broken changes nothing, and is told. */
export class RuleReloader {
  readonly #app: App;
  readonly #read: () => Sources;
  readonly #err: Writable;
  #current: Sources;
  #unwatch: () => void;

  /** `read` throws when the configuration is broken or a file cannot be read; the engine refuses broken rules. */
  constructor(app: App, first: Sources, read: () => Sources, err: Writable) {
    this.#app = app;
    this.#current = first;
    this.#read = read;
    this.#err = err;
    this.#unwatch = watchRuleFiles(first.paths, this.reload);
  }

  /** Reads everything again and takes what changed. */
  readonly reload = (): void => {
    try {
      const before = this.#current;
      const next = this.#read();
      if (JSON.stringify(next) === JSON.stringify(before)) return;
      this.#follow(next.paths);
      this.#current = next;
      this.#tellLater(before.config, next.config);
      if (JSON.stringify(next.rules) === JSON.stringify(before.rules)) return;
      this.#app.reload(next.rules).then(
        () => {
          this.#app.reloads.accepted++;
          this.#err.write('rules reloaded\n');
        },
        (error: Error) => this.#refuse(error),
      );
    } catch (error) {
      this.#refuse(error as Error);
    }
  };

  stop(): void {
    this.#unwatch();
  }

  /** Changes under way are not missed while the paths stay the same. */
  #follow(paths: readonly string[]): void {
    if (JSON.stringify(paths) === JSON.stringify(this.#current.paths)) return;
    const unwatch = watchRuleFiles(paths, this.reload);
    this.#unwatch();
    this.#unwatch = unwatch;
  }

  #refuse(error: Error): void {
    this.#app.reloads.refused++;
    const reason =
      error instanceof SettingsError
        ? `the configuration is wrong:\n${error.message}`
        : error.message;
    this.#err.write(`the old rules stay in force: ${reason}\n`);
  }

  /** Names the keys that changed and are not taken before the next start. */
  #tellLater(before: Config, after: Config): void {
    const changed = keysOf(Config)
      .map(({ path }) => path)
      .filter(([first, second = '']) =>
        first === 'agent' ? !RULE_KEYS.has(second) : first === 'data_dir' || first === 'log_level',
      )
      .filter(
        (path) => JSON.stringify(valueAt(before, path)) !== JSON.stringify(valueAt(after, path)),
      );
    for (const path of changed) this.#err.write(`${path.join('.')} is taken at the next start\n`);
  }
}

function valueAt(config: Config, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (at as Record<string, unknown> | undefined)?.[key],
    config,
  );
}
