import type { Priority } from '@tocsin/openapi';
import type { EventName } from '../events/event-name.ts';
import type { KernelEvent } from '../events/kernel-event.ts';
import { TRACED_TYPES } from '../events/parameter-tables.ts';
import { type CompiledRule, type CompiledRules, compileRules } from '../rules/compile-rules.ts';
import type { AddressBytes, FieldSource } from '../rules/field.ts';
import {
  type LoadOptions,
  type LoadResult,
  loadRules,
  type RulesFile,
} from '../rules/load-rules.ts';
import { needsContainerFacts } from './interest.ts';
import type { Judge } from './pipeline.ts';

/** Without limits a rule would have every call of the host recorded, reads and futexes included. */
const USUAL_TYPES: ReadonlySet<string> = new Set(TRACED_TYPES);

/** Rules and how to take them; a plain object that crosses threads. */
export interface RuleSettings extends LoadOptions {
  readonly files: readonly RulesFile[];
  /** Whether an event alerts by the first rule that matches or by all. */
  readonly matching: 'first' | 'all';
  readonly minimumPriority?: Priority | undefined;
}

/** Rules that were refused as a whole, with every problem of every file. */
export class RuleSetError extends Error {
  override readonly name = 'RuleSetError';
}

/** What a rule set came to, for the log. */
export interface RuleSummary {
  readonly rules: number;
  readonly warnings: readonly string[];
  /** Rules that read fields which records cannot supply, with those fields. */
  readonly blind: Readonly<Record<string, readonly string[]>>;
}

type OnMatch = (rule: CompiledRule<KernelEvent>, event: KernelEvent) => void;

/** Compiled rules before which events are brought. */
export class RuleJudge implements Judge {
  readonly compiled: CompiledRules<KernelEvent>;
  readonly summary: RuleSummary;
  readonly eventTypes: ReadonlySet<EventName>;
  readonly needsContainerFacts: boolean;
  readonly #onMatch: OnMatch;

  private constructor(
    compiled: CompiledRules<KernelEvent>,
    summary: RuleSummary,
    onMatch: OnMatch,
  ) {
    this.compiled = compiled;
    this.summary = summary;
    this.eventTypes = compiled.eventTypes;
    this.needsContainerFacts = needsContainerFacts(compiled);
    this.#onMatch = onMatch;
  }

  /** Compiles rules. Throws `RuleSetError` when any file has an error. */
  static compile(
    settings: RuleSettings,
    source: FieldSource<KernelEvent>,
    resolveDomain: (name: string) => readonly AddressBytes[] | undefined,
    onMatch: OnMatch,
  ): RuleJudge {
    const { files, matching, minimumPriority, ...options } = settings;
    const loaded = loadRules(files, options);
    if (!loaded.ok) throw new RuleSetError(problemsOf(loaded, 'errors').join('\n'));
    const compiled = compileRules(loaded, source, {
      matching,
      resolveDomain,
      usualTypes: USUAL_TYPES,
      ...(minimumPriority && { minimumPriority }),
    });
    const summary = {
      rules: compiled.rules.length,
      warnings: problemsOf(loaded, 'warnings'),
      blind: Object.fromEntries(
        compiled.rules
          .filter(({ blind }) => blind.length > 0)
          .map(({ name, blind }) => [name, blind]),
      ),
    };
    return new RuleJudge(compiled, summary, onMatch);
  }

  judge(event: KernelEvent): void {
    for (const rule of this.compiled.match(event)) this.#onMatch(rule, event);
  }
}

function problemsOf(loaded: LoadResult, kind: 'errors' | 'warnings'): string[] {
  return loaded.files.flatMap((file) =>
    file[kind].map(
      ({ file: name, line, column, item, message }) =>
        `${name}:${line}:${column}: ${item === '' ? '' : `${item}: `}${message}`,
    ),
  );
}
