import type { FieldType } from '../field.ts';
import type { Operator } from '../language/ast.ts';
import { isNumeric, isText } from '../operators/literal.ts';
import type { Operand } from './condition.ts';

const EQUALITY: readonly Operator[] = ['=', '!=', 'in', 'intersects'];
const ORDER: readonly Operator[] = ['<', '<=', '>', '>='];
const TEXT: ReadonlySet<Operator> = new Set([
  ...EQUALITY,
  ...ORDER,
  'contains',
  'icontains',
  'startswith',
  'endswith',
  'glob',
  'iglob',
  'regex',
  'pmatch',
] as const);
const BYTES: ReadonlySet<Operator> = new Set([
  ...EQUALITY,
  'contains',
  'bcontains',
  'startswith',
  'bstartswith',
  'endswith',
] as const);
const NUMBERS: ReadonlySet<Operator> = new Set([...EQUALITY, ...ORDER]);
const OTHERS: ReadonlySet<Operator> = new Set(EQUALITY);

/** Element types a list field may have for `in` and `intersects`. */
const LIST_ELEMENTS: ReadonlySet<FieldType> = new Set([
  'string',
  'uint',
  'reltime',
  'abstime',
  'bool',
  'address',
  'network',
] as const);

function family(type: FieldType): { name: string; operators: ReadonlySet<Operator> } {
  if (isText(type)) return { name: 'string', operators: TEXT };
  if (isNumeric(type)) return { name: 'numeric', operators: NUMBERS };
  if (type === 'bytes') return { name: 'buffer', operators: BYTES };
  if (type === 'bool') return { name: 'boolean', operators: OTHERS };
  return { name: type === 'address' ? 'ip address' : 'ip network', operators: OTHERS };
}

/** Why an operator cannot be used on an operand; nothing when it can. */
export function unsupported(operator: Operator, operand: Operand): string | undefined {
  if (operand.list) {
    const fits = operator === 'in' || operator === 'intersects';
    if (fits && LIST_ELEMENTS.has(operand.type)) return undefined;
    return `list filter '${operand.text}' only supports operators 'exists', 'in' and 'intersects'`;
  }
  const { name, operators } = family(operand.type);
  return operators.has(operator)
    ? undefined
    : `'${operator}' operator not supported for ${name} filters`;
}
