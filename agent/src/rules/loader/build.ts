import { bytesOf, textOf } from '../byte-string.ts';
import type { Condition } from '../condition/condition.ts';
import { type EventTypeSet, eventTypesOf } from '../condition/event-type-set.ts';
import type { ConditionResolver } from '../condition/resolve.ts';
import { isTooLarge } from '../condition/size.ts';
import type { ConditionNode } from '../language/ast.ts';
import { ConditionError } from '../language/condition-error.ts';
import { parseCondition } from '../language/parser.ts';
import { LIMITS } from '../limits.ts';
import { parseTemplate, TemplateError, type TemplatePart } from '../output/template.ts';
import { closest } from '../suggestion.ts';
import type { AppendOutput } from './append-output.ts';
import { outputOf } from './append-output.ts';
import { SOURCES } from './collect-rule.ts';
import { deprecatedIn, remarksOn } from './deprecation.ts';
import type { Diagnostics, ErrorCode, Location, Subject } from './diagnostic.ts';
import type { Collection, MacroEntry, RuleEntry } from './entry.ts';
import { exceptionText } from './exception.ts';
import {
  type CompiledList,
  compileList,
  ExpansionError,
  type Substituted,
  substituteLists,
} from './list-substitution.ts';
import type { LoadedRule } from './rule-set.ts';
import { characterOffset, locateText, type SourceText } from './source-text.ts';

/** A rule that matches more event types than this is warned of. */
const MANY_EVENT_TYPES = 100;

const TOO_LARGE = `The condition has more than ${LIMITS.conditionSize} checks or ${LIMITS.conditionDepth} levels after macros are put in`;

const ALL_TOO_LONG = `The conditions grow beyond ${LIMITS.conditionsLength} bytes together when lists are put in`;

/** A condition after lists are put in, parsed, with the way back to where its parts were written. */
interface Parsed {
  readonly node: ConditionNode;
  locate(offset: number): Location;
}

/** An exception as it follows the condition in parentheses. */
interface BuiltException {
  readonly text: string;
  readonly location: Location;
}

interface BuiltMacro {
  readonly entry: MacroEntry;
  readonly parsed: Parsed | undefined;
  readonly references: readonly MacroReference[];
  used: boolean;
  condition?: Condition | 'resolving' | Error;
}

/** Compiles everything collected so far into rules. One instance per pass; parsed texts are kept by `parsed` between passes. */
export class Builder {
  private readonly collection: Collection;
  private readonly diagnostics: Diagnostics;
  private readonly resolver: ConditionResolver;
  private readonly appendOutput: readonly AppendOutput[];
  private readonly parsed: Map<string, ConditionNode>;
  private readonly usedLists = new Set<string>();
  /** Bytes of the conditions so far, after lists were put in. */
  private expanded = 0;
  private lists: CompiledList[] = [];
  private readonly macros = new Map<string, BuiltMacro>();

  constructor(
    collection: Collection,
    diagnostics: Diagnostics,
    resolver: ConditionResolver,
    appendOutput: readonly AppendOutput[],
    parsed: Map<string, ConditionNode>,
  ) {
    this.collection = collection;
    this.diagnostics = diagnostics;
    this.resolver = resolver;
    this.appendOutput = appendOutput;
    this.parsed = parsed;
  }

  /** Compiles everything collected so far. Only after the last file is it known what nobody uses. */
  build(isLast: boolean): LoadedRule[] {
    this.lists = this.compileLists();
    const byIndex = <T extends { index: number }>(entries: Map<string, T>): T[] =>
      [...entries.values()].sort((left, right) => left.index - right.index);
    for (const entry of byIndex(this.collection.macros)) {
      const subject = { type: 'macro', name: entry.name };
      const parsed = this.parse(entry.condition, subject);
      const references = parsed ? macroReferences(parsed.node) : [];
      this.macros.set(entry.name, { entry, parsed, references, used: false });
    }
    for (const macro of this.macros.values()) this.checkMacro(macro);
    const rules: LoadedRule[] = [];
    for (const entry of byIndex(this.collection.rules)) {
      const rule = this.buildRule(entry);
      if (rule) rules.push(rule);
    }
    if (isLast) this.warnUnused();
    return rules;
  }

  /** A list sees the raw items of lists that were first defined before its own last change, one level deep. */
  private compileLists(): CompiledList[] {
    const { lists } = this.collection;
    const compiled: CompiledList[] = [];
    for (const entry of [...lists.values()].sort((a, b) => a.index - b.index)) {
      const items = entry.items.flatMap(({ text }) => {
        const inner = lists.get(text);
        if (!inner || inner.index >= entry.visibility) return [text];
        this.usedLists.add(inner.name);
        return inner.items.map((item) => item.text);
      });
      compiled.push(compileList(entry.name, items));
    }
    return compiled;
  }

  private parse(
    source: SourceText,
    subject: Subject,
    exceptions: readonly BuiltException[] = [],
  ): Parsed | undefined {
    // Told once: what follows is not looked at, for that could take as long again.
    if (this.expanded > LIMITS.conditionsLength) return undefined;
    let substituted: Substituted;
    const tail = exceptions.map((exception) => exception.text).join('');
    const text = tail === '' ? source.text : `(${source.text})${tail}`;
    try {
      substituted = substituteLists(text, this.lists);
      this.expanded += substituted.text.length;
      if (this.expanded > LIMITS.conditionsLength) throw new ExpansionError(ALL_TOO_LONG);
    } catch (error) {
      if (!(error instanceof ExpansionError)) throw error;
      this.diagnostics.error('LOAD_ERR_VALIDATE', error.message, subject, locateText(source, 0));
      return undefined;
    }
    for (const name of substituted.used) this.usedLists.add(name);
    const bytes = bytesOf(substituted.text);
    const locate = (offset: number): Location => {
      const at = substituted.originOf(characterOffset(bytes, offset)) - (tail === '' ? 0 : 1);
      let end = source.text.length + 1;
      for (const exception of exceptions) {
        if (at < end) break;
        end += exception.text.length;
        if (at < end) return exception.location;
      }
      return locateText(source, Math.max(0, Math.min(at, source.text.length)));
    };
    try {
      let node = this.parsed.get(bytes);
      if (!node) {
        node = parseCondition(bytes);
        this.parsed.set(bytes, node);
      }
      return { node, locate };
    } catch (error) {
      if (!(error instanceof ConditionError)) throw error;
      const at = locate(error.offset);
      this.diagnostics.error('LOAD_ERR_COMPILE_CONDITION', error.message, subject, at);
      return undefined;
    }
  }

  /** Reports references of a macro that cannot be followed, even if no rule uses it; its fields are not looked at. */
  private checkMacro({ entry, parsed, references }: BuiltMacro): void {
    if (!parsed) return;
    const subject = { type: 'macro', name: entry.name };
    for (const { name, offset } of references) {
      const reason = this.unreachable(name, entry);
      if (reason === undefined) continue;
      this.diagnostics.error('LOAD_ERR_VALIDATE', reason, subject, parsed.locate(offset));
    }
  }

  /** Why a macro or rule cannot use macro `name`; nothing when it can or when that was told already. */
  private unreachable(name: string, from?: MacroEntry): string | undefined {
    const target = this.macros.get(name);
    if (!target || (from && target.entry.index >= from.visibility)) {
      if (!target && this.collection.broken.macro.has(name)) return undefined;
      const hint = target
        ? ' (a macro sees only those defined before it)'
        : closest(name, this.macros.keys());
      return `Undefined macro '${name}' used in filter.${hint}`;
    }
    // Without a redefinition references only lead back, and cannot meet.
    return from && from.index !== from.visibility && this.reaches(target, from.name)
      ? `reference loop in macro '${from.name}'`
      : undefined;
  }

  private reaches(start: BuiltMacro, name: string): boolean {
    const seen = new Set<string>();
    const stack = [start];
    for (let macro = stack.pop(); macro; macro = stack.pop()) {
      if (macro.entry.name === name) return true;
      if (seen.has(macro.entry.name)) continue;
      seen.add(macro.entry.name);
      for (const reference of macro.references) {
        const next = this.macros.get(reference.name);
        if (next) stack.push(next);
      }
    }
    return false;
  }

  /** The condition of a macro, resolved once for all that use it. */
  private macro(name: string, offset: number, from?: MacroEntry): Condition {
    const target = this.macros.get(name);
    const reason = this.unreachable(name, from);
    if (!target || reason !== undefined) throw new UndefinedMacro(reason ?? '', offset);
    target.used = true;
    if (target.condition === 'resolving') throw new UndefinedMacro('', offset);
    target.condition ??= this.resolveMacro(target);
    const { condition } = target;
    if (condition instanceof UndefinedMacro) throw new UndefinedMacro('', offset);
    if (condition instanceof ConditionError) {
      throw new ConditionError(condition.code, bytesOf(condition.message), offset);
    }
    if (condition instanceof Error) throw condition;
    return condition;
  }

  private resolveMacro(macro: BuiltMacro): Condition | Error {
    if (!macro.parsed) return new UndefinedMacro('', 0);
    macro.condition = 'resolving';
    try {
      const condition = this.resolver.resolve(macro.parsed.node, (inner, at) =>
        this.macro(inner, at, macro.entry),
      );
      return isTooLarge(condition) ? new ConditionError('too-large', TOO_LARGE, 0) : condition;
    } catch (error) {
      if (error instanceof Error) return error;
      throw error;
    } finally {
      delete macro.condition;
    }
  }

  private buildRule(entry: RuleEntry): LoadedRule | undefined {
    const subject = { type: 'rule', name: entry.name };
    if (!SOURCES.includes(entry.source)) return undefined;
    const exceptions = this.exceptions(entry);
    const parsed = exceptions && this.parse(entry.condition, subject, exceptions);
    const condition = parsed && this.resolveRule(entry, parsed);
    const output = this.parseOutput(entry);
    if (!condition || !parsed || !output || entry.broken) return undefined;
    const eventTypes = eventTypesOf(condition);
    this.remark(entry, condition, output.parts, eventTypes, parsed);
    return {
      name: entry.name,
      description: entry.description,
      source: entry.source,
      priority: entry.priority,
      tags: [...entry.tags].sort(),
      enabledByDefault: entry.enabled,
      condition,
      output: output.text,
      outputParts: output.parts,
      extraFields: output.extraFields,
      eventTypes,
      capture: entry.capture,
      captureDuration: entry.captureDuration,
      location: entry.location,
    };
  }

  /** Those exceptions that have values; nothing when one of them is wrong. */
  private exceptions(entry: RuleEntry): BuiltException[] | undefined {
    const built: BuiltException[] = [];
    let failed = false;
    for (const exception of entry.exceptions) {
      const text = exceptionText(exception);
      if (text instanceof Error) {
        const subject = { type: 'exception', name: exception.name };
        this.diagnostics.error('LOAD_ERR_VALIDATE', text.message, subject, exception.location);
        failed = true;
      } else if (text !== undefined) {
        built.push({ text: ` and not ${text}`, location: exception.location });
      }
    }
    return failed ? undefined : built;
  }

  private resolveRule(entry: RuleEntry, parsed: Parsed): Condition | undefined {
    const subject = { type: 'rule', name: entry.name };
    try {
      const condition = this.resolver.resolve(parsed.node, (name, offset) =>
        this.macro(name, offset),
      );
      if (isTooLarge(condition)) throw new ConditionError('too-large', TOO_LARGE, 0);
      return condition;
    } catch (error) {
      if (error instanceof UndefinedMacro) {
        // An empty message means that the macro's own problem was told already.
        if (error.message !== '') {
          const at = parsed.locate(error.offset);
          this.diagnostics.error('LOAD_ERR_VALIDATE', error.message, subject, at);
        }
        return undefined;
      }
      if (!(error instanceof ConditionError)) throw error;
      this.conditionError(entry, parsed, error);
      for (const other of this.otherErrors(parsed.node)) this.conditionError(entry, parsed, other);
      return undefined;
    }
  }

  private conditionError(entry: RuleEntry, parsed: Parsed, error: ConditionError): void {
    const isUnknown = error.code === 'unknown-field' || error.code === 'unknown-event-type';
    const code = error.code === 'too-large' ? 'LOAD_ERR_VALIDATE' : 'LOAD_ERR_COMPILE_CONDITION';
    const at = parsed.locate(error.offset);
    this.unknownOr(entry, isUnknown, code, error.message, at);
  }

  /** Every check of a condition that fails by itself: resolving as a whole stops at the first. */
  private *otherErrors(node: ConditionNode): Generator<ConditionError> {
    if (node.kind === 'and' || node.kind === 'or') {
      for (const child of node.children) yield* this.otherErrors(child);
    } else if (node.kind === 'not') yield* this.otherErrors(node.child);
    else if (node.kind !== 'macro') {
      try {
        this.resolver.resolve(node);
      } catch (error) {
        if (!(error instanceof ConditionError)) throw error;
        yield error;
      }
    }
  }

  private parseOutput(
    entry: RuleEntry,
  ): { text: string; parts: TemplatePart[]; extraFields: LoadedRule['extraFields'] } | undefined {
    try {
      const { appendOutput, resolver } = this;
      return outputOf(entry, appendOutput, resolver.registry.definitions, (text) =>
        parseTemplate(text, resolver),
      );
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      this.unknownOr(
        entry,
        error.unknown,
        'LOAD_ERR_COMPILE_OUTPUT',
        error.message,
        locateText(entry.output, characterOffset(bytesOf(entry.output.text), error.offset)),
      );
      return undefined;
    }
  }

  /** An error, or a warning when the rule says to be skipped over unknown names. */
  private unknownOr(
    entry: RuleEntry,
    isUnknown: boolean,
    code: ErrorCode,
    message: string,
    at: Location,
  ): void {
    const subject = { type: 'rule', name: entry.name };
    if (isUnknown && entry.skipIfUnknownFilter) {
      this.diagnostics.warning('LOAD_UNKNOWN_FILTER', message, subject, at);
    } else this.diagnostics.error(code, message, subject, at);
  }

  private remark(
    entry: RuleEntry,
    condition: Condition,
    parts: readonly TemplatePart[],
    eventTypes: EventTypeSet,
    parsed: Parsed,
  ): void {
    const subject = { type: 'rule', name: entry.name };
    for (const message of remarksOn(condition)) {
      this.diagnostics.warning('LOAD_COMPILE_CONDITION', message, subject, parsed.locate(0));
    }
    const { inCondition, inOutput } = deprecatedIn(condition, parts);
    for (const [fields, where, at] of [
      [inCondition, 'condition', parsed.locate(0)],
      [inOutput, 'output', locateText(entry.output, 0)],
    ] as const) {
      for (const field of fields) {
        const message = `usage of deprecated field '${textOf(field)}' has been detected in the rule ${where}`;
        this.diagnostics.warning('LOAD_DEPRECATED_ITEM', message, subject, at);
      }
    }
    const count = eventTypes === 'all' ? Number.POSITIVE_INFINITY : eventTypes.size;
    if (entry.warnEventTypes && count > MANY_EVENT_TYPES) {
      this.diagnostics.warning(
        'LOAD_NO_EVTTYPE',
        'Rule matches too many evt.type values. This has a significant performance penalty.',
        subject,
        entry.location,
      );
    }
  }

  /** Not when there are errors: what is broken may have used them. */
  private warnUnused(): void {
    if (this.diagnostics.failed) return;
    for (const { entry, references } of this.macros.values()) {
      for (const { name } of references) {
        const target = this.macros.get(name);
        if (target && name !== entry.name) target.used = true;
      }
    }
    for (const { entry, used } of this.macros.values()) {
      if (used) continue;
      this.diagnostics.warning(
        'LOAD_UNUSED_MACRO',
        'Macro not referred to by any other rule/macro',
        { type: 'macro', name: entry.name },
        entry.location,
      );
    }
    for (const entry of this.collection.lists.values()) {
      if (this.usedLists.has(entry.name)) continue;
      this.diagnostics.warning(
        'LOAD_UNUSED_LIST',
        'List not referred to by any other rule/macro',
        { type: 'list', name: entry.name },
        entry.location,
      );
    }
  }
}

/** A reference to a macro that is not there; without a message when that was reported at its root. */
class UndefinedMacro extends Error {
  override name = 'UndefinedMacro';
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

interface MacroReference {
  readonly name: string;
  readonly offset: number;
}

function macroReferences(node: ConditionNode): MacroReference[] {
  switch (node.kind) {
    case 'macro':
      return [node];
    case 'not':
      return macroReferences(node.child);
    case 'and':
    case 'or':
      return node.children.flatMap(macroReferences);
    default:
      return [];
  }
}
