import type { ByteString, FieldReference, FieldType, Value } from '../field.ts';
import type { Modifier, Operator } from '../language/ast.ts';
import type { Network } from '../operators/address.ts';

/** What an operand yields: a type, and whether it is a list of that type. */
interface Typed {
  readonly type: FieldType;
  readonly list: boolean;
  /** The operand as condition text; equal texts mean equal operands. */
  readonly text: ByteString;
}

export interface FieldOperand extends Typed {
  readonly kind: 'field';
  readonly reference: FieldReference;
}

export interface TransformerOperandNode extends Typed {
  readonly kind: 'transformer';
  readonly operands: readonly Operand[];
  /** Gets the operands' values in order, none of them missing. */
  readonly apply: (values: readonly Value[]) => Value | undefined;
}

export interface LiteralOperand extends Typed {
  readonly kind: 'literal';
  readonly value: Value;
}

export interface ListOperand extends Typed {
  readonly kind: 'list';
  readonly items: readonly Operand[];
}

/** Where a check gets a value from, typed and bound to the field table. */
export type Operand = FieldOperand | TransformerOperandNode | LiteralOperand | ListOperand;

/** What a check does with its left value, for compilers that know faster forms than a call. */
export type Plan =
  | { readonly form: 'exists' }
  | { readonly form: 'equal' | 'unequal'; readonly value: Value }
  | { readonly form: 'less' | 'most' | 'more' | 'least'; readonly value: Value }
  | { readonly form: 'member'; readonly set: ReadonlySet<Value> }
  | { readonly form: 'prefix' | 'suffix' | 'contains'; readonly value: ByteString }
  | { readonly form: 'call' };

/** One check. It is false when an operand is missing, whatever the operator. */
export interface Leaf {
  readonly kind: 'leaf';
  readonly text: ByteString;
  readonly left: Operand;
  readonly operator: Operator | 'exists';
  readonly modifier?: Modifier;
  /** Right-hand literals as written, if the right side is constant. */
  readonly literals?: readonly ByteString[];
  /** Right-hand field or transformer. */
  readonly right?: Operand;
  readonly plan: Plan;
  /** Decides; `right` is given only if the right side is an operand. */
  readonly test: (left: Value, right?: Value) => boolean;
  /** For `fd.sip.name` and its kind: the address that the domains on the right are resolved for. */
  readonly domain?: { readonly address: FieldOperand; readonly names: readonly ByteString[] };
  /** Remarks of the compiler on this check. */
  readonly warnings: readonly string[];
}

export interface AllOf {
  readonly kind: 'and';
  readonly children: readonly Condition[];
}

export interface AnyOf {
  readonly kind: 'or';
  readonly children: readonly Condition[];
}

export interface Not {
  readonly kind: 'not';
  readonly child: Condition;
}

/** A condition with macros in place and every check typed. Subtrees are shared, so this is a graph without cycles. */
export type Condition = AllOf | AnyOf | Not | Leaf;

/** Networks are literals without a value of their own. */
export type Literal = Value | Network;

/** Visits each check of a condition once. */
export function leavesOf(condition: Condition): Set<Leaf> {
  const leaves = new Set<Leaf>();
  const seen = new Set<Condition>();
  const stack: Condition[] = [condition];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    if (node.kind === 'leaf') leaves.add(node);
    else if (node.kind === 'not') stack.push(node.child);
    else stack.push(...node.children);
  }
  return leaves;
}

/** The fields an operand is made of. */
export function fieldsOf(operand: Operand): FieldOperand[] {
  switch (operand.kind) {
    case 'field':
      return [operand];
    case 'literal':
      return [];
    case 'list':
      return operand.items.flatMap(fieldsOf);
    case 'transformer':
      return operand.operands.flatMap(fieldsOf);
  }
}

/** The condition as text, in Falco's form. */
export function textOfCondition(condition: Condition): ByteString {
  switch (condition.kind) {
    case 'leaf':
      return condition.text;
    case 'not': {
      const text = textOfCondition(condition.child);
      return condition.child.kind === 'not' ? `not(${text})` : `not ${text}`;
    }
    default:
      return `(${condition.children.map(textOfCondition).join(` ${condition.kind} `)})`;
  }
}
