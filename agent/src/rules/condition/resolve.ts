import { textOf } from '../byte-string.ts';
import { EVENT_TYPES, typeNameIn } from '../event-types.ts';
import type { ByteString } from '../field.ts';
import { FieldError, FieldRegistry } from '../fields/registry.ts';
import type {
  CompareNode,
  ConditionNode,
  ExistsNode,
  FieldNode,
  LeftNode,
  TransformerNode,
  TransformerOperand,
} from '../language/ast.ts';
import { ConditionError } from '../language/condition-error.ts';
import { printCondition, printField, printLeft } from '../language/print.ts';
import { LIMITS } from '../limits.ts';
import { isText, LiteralError } from '../operators/literal.ts';
import { isTrivialRegex, RegexError } from '../operators/posix-regex.ts';
import { closest } from '../suggestion.ts';
import {
  buildTransformer,
  listElementType,
  TransformerError,
} from '../transformers/transformer.ts';
import { compareOperands, compareWithLiterals } from './comparison.ts';
import type { Condition, FieldOperand, Leaf, Operand } from './condition.ts';
import { unsupported } from './support.ts';

const TOO_DEEP = `The condition has more than ${LIMITS.conditionDepth} levels after macros are put in`;
const DOMAIN_FIELD = /^fd\.[cslr]ip\.name$/;
const TRANSFORMER_TEXT = /^(tolower|toupper|b64|basename|len|join|concat|getopt|val)\(.*\)$/;

/** Types the checks of parsed conditions against a field table. Equal checks become one object, and so do shared subtrees. */
export class ConditionResolver {
  readonly registry: FieldRegistry;
  private readonly nodes = new WeakMap<ConditionNode, Condition>();
  private readonly leaves = new Map<ByteString, Leaf>();
  /** Levels of the tree above, through macros too: trees are walked by recursion. */
  private depth = 0;

  constructor(registry = new FieldRegistry()) {
    this.registry = registry;
  }

  /** Types a condition whose macros `macro` supplies. Throws `ConditionError`. */
  resolve(
    node: ConditionNode,
    macro: (name: string, offset: number) => Condition = (name, offset) => {
      throw new ConditionError('compile', `Undefined macro '${name}' used in filter.`, offset);
    },
  ): Condition {
    this.depth += 1;
    try {
      if (this.depth > LIMITS.conditionDepth) {
        throw new ConditionError('too-large', TOO_DEEP, node.offset);
      }
      return this.resolveNode(node, macro);
    } finally {
      this.depth -= 1;
    }
  }

  private resolveNode(
    node: ConditionNode,
    macro: (name: string, offset: number) => Condition,
  ): Condition {
    switch (node.kind) {
      case 'and':
      case 'or':
        return {
          kind: node.kind,
          children: node.children.map((child) => this.resolve(child, macro)),
        };
      case 'not':
        return { kind: 'not', child: this.resolve(node.child, macro) };
      case 'macro':
        return macro(node.name, node.offset);
      default:
        return this.check(node);
    }
  }

  private check(node: CompareNode | ExistsNode): Condition {
    const known = this.nodes.get(node);
    if (known) return known;
    const text = printCondition(node);
    let leaf = this.leaves.get(text);
    if (!leaf) {
      leaf = located(node.offset, () =>
        node.kind === 'exists' ? this.exists(node, text) : this.compare(node, text),
      );
      this.leaves.set(text, leaf);
    }
    this.nodes.set(node, leaf);
    return leaf;
  }

  private exists(node: ExistsNode, text: ByteString): Leaf {
    const left = this.operand(node.left);
    return {
      kind: 'leaf',
      text,
      left,
      operator: 'exists',
      plan: { form: 'exists' },
      test: isAncestors(left) ? (value) => !Array.isArray(value) || value.length > 0 : () => true,
      warnings: [],
    };
  }

  private compare(node: CompareNode, text: ByteString): Leaf {
    const left = this.operand(node.left);
    const { operator, modifier, right } = node;
    const reason = unsupported(operator, left);
    if (reason !== undefined) throw new ConditionError('compile', reason, node.offset);
    if (modifier && left.list) {
      throw new ConditionError(
        'compile',
        `modifier '${modifier}' is not supported for list filters`,
        node.offset,
      );
    }
    const base = { kind: 'leaf', text, left, operator, ...(modifier && { modifier }) } as const;
    if (right.kind === 'val' || right.kind === 'transformer') {
      return { ...base, ...this.dynamic(node, left, right) };
    }
    const literals = eventTypes(left, node, right.kind === 'value' ? [right.text] : right.items);
    if (isDomain(left)) return this.domain(base, left, node, literals);
    const { test, plan } = compareWithLiterals(left, operator, modifier, literals);
    const warnings = this.warnings(node, left, literals);
    return { ...base, literals, test, plan, warnings };
  }

  private dynamic(
    node: CompareNode,
    left: Operand,
    right: Extract<CompareNode['right'], { kind: 'val' | 'transformer' }>,
  ): Pick<Leaf, 'right' | 'plan' | 'test' | 'warnings'> {
    const { operator } = node;
    const fail = (message: string): never => {
      throw new ConditionError('compile', message, node.offset);
    };
    if (right.kind === 'val' && right.argument !== undefined) {
      fail("transformer 'val' does not support field arguments");
    }
    const operand = this.operand(right.kind === 'val' ? right.field : right);
    if (left.kind === 'field' && /^(evt|syscall)\.type$/.test(left.reference.definition.name)) {
      fail(
        'right-hand field comparisons on evt.type/syscall.type checks are not supported by event code search',
      );
    }
    if (operator === 'pmatch' || operator === 'regex') {
      fail(`'${operator}' operator does not support right-hand fields`);
    }
    if (left.type === 'network' || operand.type === 'network') {
      fail('right-hand fields are not supported for ip networks');
    }
    if (isWithoutRightSide(left)) {
      fail(`field '${left.text}' does not support right-hand fields`);
    }
    if (isWithoutRightSide(operand)) {
      fail(`field '${operand.text}' is not supported as a right-hand field`);
    }
    if (kindOfType(left) !== kindOfType(operand) || left.list !== operand.list) {
      fail(`'${left.text}' and '${operand.text}' are of different types`);
    }
    return {
      right: operand,
      plan: { form: 'call' },
      test: compareOperands(left, operator),
      warnings: [],
    };
  }

  /** A name check: by the name found for the address, else by resolving the names on the right. */
  private domain(
    base: Pick<Leaf, 'kind' | 'text' | 'left' | 'operator' | 'modifier'>,
    left: FieldOperand,
    node: CompareNode,
    literals: readonly ByteString[],
  ): Leaf {
    if (!['=', '!=', 'in', 'intersects'].includes(node.operator)) {
      throw new ConditionError(
        'compile',
        `'${node.operator}' operator not supported for domain name filters`,
        node.offset,
      );
    }
    const name = left.text.slice(0, -'.name'.length);
    const address = this.field({ kind: 'field', name, offset: node.offset });
    const { test } = compareWithLiterals(left, node.operator, node.modifier, literals);
    return {
      ...base,
      literals,
      plan: { form: 'call' },
      test,
      domain: { address, names: literals },
      warnings: [],
    };
  }

  /** Reads an operand as it stands in a condition or a template. */
  operand(node: TransformerOperand | LeftNode): Operand {
    switch (node.kind) {
      case 'field':
        return this.field(node);
      case 'value':
        return { kind: 'literal', value: node.text, type: 'string', list: false, text: node.text };
      case 'operands': {
        const items = node.items.map((item) => this.operand(item));
        const text = `(${items.map((item) => item.text).join(', ')})`;
        return { kind: 'list', items, type: listElementType(items), list: true, text };
      }
      case 'transformer':
        return this.transformer(node);
    }
  }

  private field(node: FieldNode): FieldOperand {
    const reference = this.registry.resolve(node.name, node.argument);
    const { type, list } = reference.definition;
    return { kind: 'field', reference, type, list: list ?? false, text: printField(node) };
  }

  private transformer(node: TransformerNode): Operand {
    const operands = node.operands.map((operand) => this.operand(operand));
    for (const operand of operands) {
      const fields = operand.kind === 'list' ? operand.items : [operand];
      for (const field of fields) {
        if (field.kind === 'field' && field.reference.definition.noTransformer) {
          throw new TransformerError(`field '${field.text}' does not support transformers`);
        }
      }
    }
    const built = buildTransformer(node.name, operands, node.argument);
    return { kind: 'transformer', operands, ...built, text: printLeft(node) };
  }

  private warnings(node: CompareNode, left: Operand, literals: readonly ByteString[]): string[] {
    const warnings: string[] = [];
    for (const literal of literals) {
      const text = textOf(literal);
      if (TRANSFORMER_TEXT.test(text)) {
        warnings.push(`'${text}' may be a valid field transformer misused as a const string value`);
      } else if (this.isFieldText(text.trim())) {
        warnings.push(`'${text}' may be a valid field misused as a const string value`);
      }
    }
    if (node.operator === 'regex' && literals.some(isTrivialRegex)) {
      warnings.push(
        `the regular expression of '${left.text}' is a plain text: '=', 'contains', 'startswith' or 'endswith' is cheaper`,
      );
    }
    return warnings;
  }

  private isFieldText(text: string): boolean {
    const match = /^([a-zA-Z][\w.]*)(?:\[([^\]]+)\])?$/.exec(text);
    return match?.[1]?.includes('.') ? this.registry.has(match[1], match[2]) : false;
  }
}

function isDomain(operand: Operand): operand is FieldOperand {
  return operand.kind === 'field' && DOMAIN_FIELD.test(operand.reference.definition.name);
}

function isAncestors(operand: Operand): boolean {
  return operand.kind === 'field' && operand.reference.definition.many === 'ancestors';
}

/** The field takes no part in comparisons of fields, on either side. */
function isWithoutRightSide(operand: Operand): boolean {
  return operand.kind === 'field' && operand.reference.definition.noRightSide === true;
}

/** Strings and paths compare with each other; other types only with themselves, integers of one width. */
function kindOfType(operand: Operand): string {
  if (isText(operand.type)) return 'string';
  const bits = operand.kind === 'field' ? operand.reference.definition.bits : undefined;
  return `${operand.type} ${bits ?? 64}`;
}

/** `evt.type` and `syscall.type` must name types that exist. Returns what is written on the right as the field's values have it. */
function eventTypes(
  left: Operand,
  node: CompareNode,
  literals: readonly ByteString[],
): readonly ByteString[] {
  if (left.kind !== 'field' || node.modifier) return literals;
  const field = left.text;
  if (field !== 'evt.type' && field !== 'syscall.type') return literals;
  if (!['=', '!=', 'in', 'intersects'].includes(node.operator)) return literals;
  return literals.map((name) => {
    if (EVENT_TYPES.has(name)) return typeNameIn(field, name);
    const hint = closest(name, EVENT_TYPES);
    throw new ConditionError(
      'unknown-event-type',
      `unknown event type ${name}${hint}`,
      node.right.offset,
    );
  });
}

/** Gives errors of parts that know no position the position of their check. */
function located<T>(offset: number, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (error instanceof FieldError) {
      throw new ConditionError(error.unknown ? 'unknown-field' : 'compile', error.message, offset);
    }
    if (
      error instanceof LiteralError ||
      error instanceof TransformerError ||
      error instanceof RegexError
    ) {
      const message =
        error instanceof RegexError ? `invalid regex pattern: ${error.message}` : error.message;
      throw new ConditionError('compile', message, offset);
    }
    throw error;
  }
}
