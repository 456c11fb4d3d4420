import type { Priority } from '@tocsin/openapi';
import type { Condition } from '../condition/condition.ts';
import type { EventTypeSet } from '../condition/event-type-set.ts';
import type { TemplatePart } from '../output/template.ts';
import type { ExtraField } from './append-output.ts';
import type { Location } from './diagnostic.ts';

/** A rule that was read and checked, ready to be compiled for a source of events. */
export interface LoadedRule {
  readonly name: string;
  readonly description: string;
  readonly source: string;
  readonly priority: Priority;
  /** Sorted. */
  readonly tags: readonly string[];
  readonly enabledByDefault: boolean;
  readonly condition: Condition;
  readonly output: string;
  readonly outputParts: readonly TemplatePart[];
  readonly extraFields: readonly ExtraField[];
  readonly eventTypes: EventTypeSet;
  readonly capture: boolean;
  /** Milliseconds. */
  readonly captureDuration: number;
  readonly location: Location;
}

/** Switches rules on or off after all files are read: by whole-name pattern with `*`, by tag, or those of either. */
export interface Selection {
  readonly action: 'enable' | 'disable';
  readonly rule?: string;
  readonly tag?: string;
}

/** Rules in order of definition, and the enabled ones in the order in which they are tried. */
export interface RuleSet {
  readonly rules: readonly LoadedRule[];
  readonly enabled: readonly LoadedRule[];
}

/** A whole-name match in which `*` stands for any run; linear in the name, unlike a regular expression with many stars. */
function namePattern(pattern: string): (name: string) => boolean {
  const pieces = pattern.split('*');
  const first = pieces[0] ?? '';
  const last = pieces.at(-1) ?? '';
  if (pieces.length === 1) return (name) => name === pattern;
  return (name) => {
    if (!name.startsWith(first)) return false;
    let at = first.length;
    for (const piece of pieces.slice(1, -1)) {
      const found = name.indexOf(piece, at);
      if (found < 0) return false;
      at = found + piece.length;
    }
    return name.length - last.length >= at && name.endsWith(last);
  };
}

/** Applies selections in order. A rule that is switched on again goes to the end. */
export function selectRules(
  rules: readonly LoadedRule[],
  selections: readonly Selection[],
): LoadedRule[] {
  const enabled = new Set(rules.filter((rule) => rule.enabledByDefault));
  for (const { action, rule: pattern, tag } of selections) {
    const matches = pattern === undefined ? () => false : namePattern(pattern);
    for (const rule of rules) {
      if (!matches(rule.name) && (tag === undefined || !rule.tags.includes(tag))) continue;
      if (action === 'enable') enabled.add(rule);
      else enabled.delete(rule);
    }
  }
  return [...enabled];
}
