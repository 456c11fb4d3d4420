import type { ByteString } from '../field.ts';

/** Comparison operators; `==` is read as `=`. */
export type Operator =
  | '='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | 'contains'
  | 'icontains'
  | 'bcontains'
  | 'startswith'
  | 'bstartswith'
  | 'endswith'
  | 'glob'
  | 'iglob'
  | 'regex'
  | 'in'
  | 'intersects'
  | 'pmatch';

/** How a string operator treats a list on its right: exactly one, at least one, or every element must hold. */
export type Modifier = 'oneof' | 'anyof' | 'allof';

/** Where a node begins: a byte offset into the condition text. */
interface Located {
  readonly offset: number;
}

export interface FieldNode extends Located {
  readonly kind: 'field';
  readonly name: ByteString;
  /** `field[""]` has an empty argument, which differs from none. */
  readonly argument?: ByteString;
}

export interface TransformerNode extends Located {
  readonly kind: 'transformer';
  readonly name: string;
  readonly operands: readonly TransformerOperand[];
  readonly argument?: ByteString;
}

export interface ValueNode extends Located {
  readonly kind: 'value';
  readonly text: ByteString;
}

/** A list of literals on the right of a list operator or a modifier. */
export interface ListNode extends Located {
  readonly kind: 'list';
  readonly items: readonly ByteString[];
}

/** A list of operands inside a transformer, as in `join("-", (fd.name, "x"))`. */
export interface OperandListNode extends Located {
  readonly kind: 'operands';
  readonly items: readonly OperandListItem[];
}

export type OperandListItem = FieldNode | TransformerNode | ValueNode;
export type TransformerOperand = OperandListItem | OperandListNode;
export type LeftNode = FieldNode | TransformerNode;

/** `val(field)`: a field on the right-hand side. */
export interface FieldValueNode extends Located {
  readonly kind: 'val';
  readonly field: FieldNode;
  readonly argument?: ByteString;
}

export type RightNode = ValueNode | ListNode | TransformerNode | FieldValueNode;

export interface AndNode extends Located {
  readonly kind: 'and';
  readonly children: readonly ConditionNode[];
}

export interface OrNode extends Located {
  readonly kind: 'or';
  readonly children: readonly ConditionNode[];
}

export interface NotNode extends Located {
  readonly kind: 'not';
  readonly child: ConditionNode;
}

export interface MacroNode extends Located {
  readonly kind: 'macro';
  readonly name: string;
}

export interface ExistsNode extends Located {
  readonly kind: 'exists';
  readonly left: LeftNode;
}

export interface CompareNode extends Located {
  readonly kind: 'compare';
  readonly left: LeftNode;
  readonly operator: Operator;
  readonly modifier?: Modifier;
  readonly right: RightNode;
}

export type ConditionNode = AndNode | OrNode | NotNode | MacroNode | ExistsNode | CompareNode;
