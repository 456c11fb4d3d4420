import type { Alert } from '@tocsin/openapi';
import type { CallCount, FilteredCount, RecordCount, SkippedProgram } from '../probe/probe.ts';
import type { RuleCounters } from '../rules/compile-rules.ts';
import type { KubernetesSettings } from '../state/kubernetes/api.ts';
import type { RuntimePaths } from '../state/runtimes/lookup.ts';
import type { AlertStyle } from './alert-builder.ts';
import type { RuleSettings, RuleSummary } from './rule-judge.ts';

/** How the engine is set up; crosses to its thread. */
export interface EngineSettings extends RuleSettings, AlertStyle {
  /** Bytes of the ring, a power of two. */
  readonly ringBytes?: number | undefined;
  /** Whether the kernel leaves out what no rule could match; without it only calls that no rule names. Default true. */
  readonly pushdown?: boolean;
  /** Where container runtimes keep their files and sockets. */
  readonly runtimes?: Partial<RuntimePaths>;
  /** Whether programs that this process starts are not judged: an output that runs some would never come to rest. */
  readonly ignoresOwn?: boolean;
  /** The API of the cluster that this host is a node of. */
  readonly kubernetes?: KubernetesSettings | undefined;
  /** Longest time an event waits for the facts of its container, ms. */
  readonly patienceMs?: number;
}

/** What a rule did, and the share of the records of its event types that it was asked about. */
export interface RuleStatistics extends RuleCounters {
  /** 0 to 1. */
  readonly coverage: number;
}

/** What the engine has done since its start, and what it keeps. */
export interface EngineStatistics {
  /** Records by kind and fate, as the kernel counted them. */
  readonly kernel: readonly RecordCount[];
  /** What became of the records of each system call. */
  readonly calls: readonly CallCount[];
  /** Events of watched calls that needed no record, by kind and reason. */
  readonly filtered: readonly FilteredCount[];
  readonly pipeline: Readonly<Record<string, number>>;
  readonly processes: Readonly<Record<string, number>>;
  readonly containers: Readonly<Record<string, number>>;
  readonly accounts: Readonly<Record<string, number>>;
  readonly kubernetes: Readonly<Record<string, number>>;
  readonly parking: Readonly<Record<string, number>>;
  readonly alerts: Readonly<Record<string, number>>;
  /** Every rule in force; what a rule did before a reload counts on. */
  readonly rules: Readonly<Record<string, Readonly<RuleStatistics>>>;
}

/** From the main thread to the engine. */
export type EngineCommand =
  | { readonly type: 'acknowledge' }
  | { readonly type: 'reload'; readonly id: number; readonly rules: RuleSettings }
  | { readonly type: 'stop' };

/** From the engine to the main thread. */
export type EngineMessage =
  | {
      readonly type: 'ready';
      readonly summary: RuleSummary;
      readonly skipped: readonly SkippedProgram[];
    }
  | { readonly type: 'failed'; readonly message: string }
  | { readonly type: 'alerts'; readonly alerts: readonly Alert[] }
  | { readonly type: 'statistics'; readonly statistics: EngineStatistics }
  | { readonly type: 'reloaded'; readonly id: number; readonly summary: RuleSummary }
  | { readonly type: 'refused'; readonly id: number; readonly message: string };
