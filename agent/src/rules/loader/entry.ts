import type { Priority } from '@tocsin/openapi';
import type { Location } from './diagnostic.ts';
import type { SourceText } from './source-text.ts';
import type { YamlScalar } from './yaml-node.ts';

/** What is collected under a name. */
interface Entry {
  readonly name: string;
  /** Number of the first definition: decides the order of rules and what counts as defined earlier. */
  readonly index: number;
  /** Number of the last definition or change: decides what the entry can see. */
  visibility: number;
  location: Location;
}

export interface ListEntry extends Entry {
  items: YamlScalar[];
}

export interface MacroEntry extends Entry {
  condition: SourceText;
}

/** One element of an exception's value: a scalar or a list of them. */
export type ExceptionElement = string | readonly string[];

/** An exception of a rule, its shape already checked. */
export interface ExceptionEntry {
  readonly name: string;
  readonly location: Location;
  /** A single field takes scalars as values; a list of fields takes tuples. */
  readonly fields: string | readonly string[];
  readonly comps: string | readonly string[];
  values: readonly ExceptionElement[];
}

export interface RuleContents {
  condition: SourceText;
  output: SourceText;
  description: string;
  priority: Priority;
  source: string;
  enabled: boolean;
  tags: Set<string>;
  exceptions: ExceptionEntry[];
  warnEventTypes: boolean;
  skipIfUnknownFilter: boolean;
  capture: boolean;
  /** Milliseconds; 0 leaves it to the configuration. */
  captureDuration: number;
}

export interface RuleEntry extends Entry, RuleContents {
  /** Set when an item that changes the rule could not be read: what follows from that is not told again. */
  broken: boolean;
}

/** Everything the files read so far define. */
export class Collection {
  readonly lists = new Map<string, ListEntry>();
  readonly macros = new Map<string, MacroEntry>();
  readonly rules = new Map<string, RuleEntry>();
  /** Names whose definition could not be read; references to them are not reported as undefined. */
  readonly broken = { list: new Set<string>(), macro: new Set<string>(), rule: new Set<string>() };
  private counter = 0;

  /** The running number of the next item. */
  next(): number {
    this.counter += 1;
    return this.counter;
  }
}
