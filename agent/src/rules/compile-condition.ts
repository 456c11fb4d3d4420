import { bytesOf } from './byte-string.ts';
import { Graph } from './compiler/graph.ts';
import { interpretCondition } from './compiler/interpreter.ts';
import { FieldBinder, type ResolveDomain } from './compiler/operand-reader.ts';
import { Program } from './compiler/program.ts';
import type { Condition } from './condition/condition.ts';
import { ConditionResolver } from './condition/resolve.ts';
import { isTooLarge } from './condition/size.ts';
import type { FieldSource } from './field.ts';
import { ConditionError } from './language/condition-error.ts';
import { parseCondition } from './language/parser.ts';
import {
  type CompiledList,
  compileList,
  ExpansionError,
  substituteLists,
} from './loader/list-substitution.ts';
import { characterOffset } from './loader/source-text.ts';
import { bindTemplate, type Rendered } from './output/render.ts';
import { parseTemplate } from './output/template.ts';
import { closest } from './suggestion.ts';

/** What a condition outside of a rules file may refer to. */
export interface ConditionContext {
  readonly macros?: ReadonlyMap<string, string>;
  readonly lists?: ReadonlyMap<string, readonly string[]>;
  readonly resolver?: ConditionResolver;
}

class ContextResolver {
  private readonly lists: CompiledList[];
  private readonly macros: ReadonlyMap<string, string>;
  private readonly resolver: ConditionResolver;
  private readonly resolved = new Map<string, Condition | undefined>();

  constructor(context: ConditionContext) {
    const lists = context.lists ?? new Map<string, readonly string[]>();
    this.lists = [...lists].map(([name, items]) =>
      compileList(
        name,
        items.flatMap((item) => lists.get(item) ?? [item]),
      ),
    );
    this.macros = context.macros ?? new Map();
    this.resolver = context.resolver ?? new ConditionResolver();
  }

  /** Offsets of errors count characters of `text`, before lists are put in. */
  resolve(text: string): Condition {
    const { text: substituted, originOf } = substituteLists(text, this.lists);
    const bytes = bytesOf(substituted);
    try {
      const node = parseCondition(bytes);
      return this.resolver.resolve(node, (name, offset) => this.macro(name, offset));
    } catch (error) {
      if (!(error instanceof ConditionError)) throw error;
      const offset = originOf(characterOffset(bytes, error.offset));
      throw new ConditionError(error.code, bytesOf(error.message), offset);
    }
  }

  private macro(name: string, offset: number): Condition {
    const text = this.macros.get(name);
    if (text === undefined) {
      const hint = closest(name, this.macros.keys());
      throw new ConditionError(
        'undefined-macro',
        `Undefined macro '${name}' used in filter.${hint}`,
        offset,
      );
    }
    if (!this.resolved.has(name)) {
      this.resolved.set(name, undefined);
      try {
        this.resolved.set(name, this.resolve(text));
      } catch (error) {
        if (!(error instanceof ConditionError)) throw error;
        throw new ConditionError(error.code, bytesOf(error.message), offset);
      }
    }
    const condition = this.resolved.get(name);
    if (condition) return condition;
    throw new ConditionError('undefined-macro', `reference loop in macro '${name}'`, offset);
  }
}

/** Reads and types a condition. Throws `ConditionError`. */
export function resolveCondition(text: string, context: ConditionContext = {}): Condition {
  try {
    const condition = new ContextResolver(context).resolve(text);
    if (!isTooLarge(condition)) return condition;
    throw new ConditionError('too-large', 'The condition is too large after macros are put in', 0);
  } catch (error) {
    if (error instanceof ExpansionError) throw new ConditionError('too-large', error.message, 0);
    throw error;
  }
}

/** Compiles one condition for a source of events. Throws `ConditionError`. */
export function compileCondition<E>(
  text: string,
  source: FieldSource<E>,
  context: ConditionContext & { readonly resolveDomain?: ResolveDomain } = {},
): (event: E) => boolean {
  const condition = resolveCondition(text, context);
  const binder = new FieldBinder(source);
  const node = new Graph().simplify(condition, () => undefined);
  if (typeof node === 'boolean') return () => node;
  const program = new Program(binder, context.resolveDomain ?? (() => undefined));
  const { begin, roots } = program.compile([node]);
  const [test] = roots;
  return (event) => {
    begin();
    return test?.(event) ?? false;
  };
}

/** The same decision without generating code: cheaper for conditions that are used few times. */
export function interpretText<E>(
  text: string,
  source: FieldSource<E>,
  context: ConditionContext & { readonly resolveDomain?: ResolveDomain } = {},
): (event: E) => boolean {
  const condition = resolveCondition(text, context);
  return interpretCondition(condition, new FieldBinder(source).read, context.resolveDomain);
}

/** Compiles an output template for a source of events. Throws `TemplateError`. */
export function compileTemplate<E>(
  template: string,
  source: FieldSource<E>,
  resolver = new ConditionResolver(),
): (event: E) => Rendered {
  return bindTemplate(parseTemplate(template, resolver), new FieldBinder(source).read, resolver);
}
