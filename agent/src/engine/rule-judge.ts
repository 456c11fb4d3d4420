import type { Priority } from '@tocsin/openapi';
import type { EventName } from '../events/event-name.ts';
import type { KernelEvent } from '../events/kernel-event.ts';
import { TRACED_TYPES } from '../events/parameter-tables.ts';
import { ExpectedError } from '../expected-error.ts';
import { type CompiledRule, type CompiledRules, compileRules } from '../rules/compile-rules.ts';
import { followLinks } from '../rules/condition/follow-links.ts';
import type { AddressBytes, FieldSource } from '../rules/field.ts';
import {
  type LoadOptions,
  type LoadResult,
  loadRules,
  type RulesFile,
} from '../rules/load-rules.ts';
import { reportText } from '../rules/report.ts';
import { withStaticFields } from '../rules/static-fields.ts';
import { LATE_FIELDS } from './late-fields.ts';
import type { Judge } from './pipeline.ts';

/** Without limits a rule would have every call of the host recorded, reads and futexes included. */
export const USUAL_TYPES: ReadonlySet<string> = new Set(TRACED_TYPES);

/** Rules and how to take them; a plain object that crosses threads. */
export interface RuleSettings extends LoadOptions {
  readonly files: readonly RulesFile[];
  /** Whether an event alerts by the first rule that matches or by all. */
  readonly matching: 'first' | 'all';
  readonly minimumPriority?: Priority | undefined;
  /** Whether conditions on paths also hold where the kernel came out at the path they name. */
  readonly followsLinks?: boolean | undefined;
  /** Of so many events, one on average is used to measure the time of each rule; without it none is. */
  readonly measureOneOf?: number | undefined;
}

/** Rules that were refused as a whole, with every problem of every file. */
export class RuleSetError extends ExpectedError {
  override readonly name = 'RuleSetError';
  readonly report: string;

  /** `report`: the problems, as `reportText` tells them. */
  constructor(report: string) {
    super(`the rules cannot be used:\n${report}`);
    this.report = report;
  }
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
  readonly #onMatch: OnMatch;
  readonly #measureOneOf: number | undefined;
  #untilMeasured = Number.POSITIVE_INFINITY;

  private constructor(
    compiled: CompiledRules<KernelEvent>,
    summary: RuleSummary,
    onMatch: OnMatch,
    measureOneOf: number | undefined,
  ) {
    this.compiled = compiled;
    this.summary = summary;
    this.eventTypes = compiled.eventTypes;
    this.#onMatch = onMatch;
    this.#measureOneOf = measureOneOf;
    if (measureOneOf !== undefined) this.#untilMeasured = strideOf(measureOneOf);
  }

  /** Compiles rules. Throws `RuleSetError` when any file has an error. */
  static compile(
    settings: RuleSettings,
    source: FieldSource<KernelEvent>,
    resolveDomain: (name: string) => readonly AddressBytes[] | undefined,
    onMatch: OnMatch,
  ): RuleJudge {
    const { files, matching, minimumPriority, measureOneOf, followsLinks, ...options } = settings;
    const loaded = loadRules(files, options);
    if (!loaded.ok) throw new RuleSetError(reportText(loaded, files));
    const { registry, ruleset } = loaded;
    const enabled = followsLinks
      ? ruleset.enabled.map((rule) => followLinks(rule, registry))
      : ruleset.enabled;
    const compiled = compileRules(
      { registry, ruleset: { ...ruleset, enabled } },
      withStaticFields(source, options.staticFields),
      {
        matching,
        resolveDomain,
        usualTypes: USUAL_TYPES,
        lateFields: LATE_FIELDS,
        ...(minimumPriority && { minimumPriority }),
      },
    );
    const summary = {
      rules: compiled.rules.length,
      warnings: warningsOf(loaded),
      blind: Object.fromEntries(
        compiled.rules
          .filter(({ blind }) => blind.length > 0)
          .map(({ name, blind }) => [name, blind]),
      ),
    };
    return new RuleJudge(compiled, summary, onMatch, measureOneOf);
  }

  dependsOnFacts(event: KernelEvent): boolean {
    return this.compiled.dependsOnLate(event);
  }

  judge(event: KernelEvent): void {
    for (const rule of this.compiled.match(event)) this.#onMatch(rule, event);
    if (--this.#untilMeasured <= 0) this.#measure(event);
  }

  /** Goes on with the counters that rules of the same name had. */
  countOn(before: RuleJudge): void {
    const counters = new Map(before.compiled.rules.map((rule) => [rule.name, rule.counters]));
    for (const rule of this.compiled.rules) Object.assign(rule.counters, counters.get(rule.name));
  }

  /**
   * To measure an event takes about as long as to judge 25, some microseconds with a hundred rules: at one of 4096, judging
   * becomes less than a hundredth dearer.
   */
  #measure(event: KernelEvent): void {
    const weight = this.#measureOneOf ?? 1;
    this.#untilMeasured = strideOf(weight);
    this.compiled.measure(event, weight, () => performance.now());
  }
}

/** At random, so that no rhythm of the host decides which events are measured; `mean` on average. */
function strideOf(mean: number): number {
  return 1 + Math.floor(Math.random() * (2 * mean - 1));
}

function warningsOf(loaded: LoadResult): string[] {
  return loaded.files.flatMap((file) =>
    file.warnings.map(
      ({ file: name, line, column, item, message }) =>
        `${name}:${line}:${column}: ${item === '' ? '' : `${item}: `}${message}`,
    ),
  );
}
