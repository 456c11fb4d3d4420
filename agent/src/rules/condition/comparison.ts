import { asciiLower } from '../byte-string.ts';
import type { ByteString, FieldType, Value } from '../field.ts';
import type { Modifier, Operator } from '../language/ast.ts';
import { isInNetwork, type Network, parseNetwork } from '../operators/address.ts';
import { compileGlob } from '../operators/glob.ts';
import { LiteralError, parseLiteral } from '../operators/literal.ts';
import { compilePathMatch } from '../operators/path-match.ts';
import { compileRegex } from '../operators/posix-regex.ts';
import type { Operand, Plan } from './condition.ts';

type Test = (left: Value) => boolean;

/** How a check decides, and the form a compiler may use instead. */
export interface Comparison {
  readonly test: Test;
  readonly plan: Plan;
}

const CALL: Plan = { form: 'call' };

/** Bytes written as an even number of hexadecimal digits. */
function parseHex(text: ByteString, operator: Operator): ByteString {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) {
    throw new LiteralError(`'${operator}' operator support hex strings only`);
  }
  return text.replace(/../g, (digits) => String.fromCharCode(Number.parseInt(digits, 16)));
}

/** `strcasestr`: a pattern of ASCII never matches other bytes, so the engine's own folding does. */
function caseInsensitiveContains(needle: ByteString): Test {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII includes the control characters.
  if (/^[\x00-\x7f]*$/.test(needle)) {
    const pattern = new RegExp(needle.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), 'i');
    return (left) => pattern.test(left as ByteString);
  }
  const folded = asciiLower(needle);
  return (left) => asciiLower(left as ByteString).includes(folded);
}

/** Operators on byte strings other than equality, order and membership. */
function textTest(operator: Operator, right: ByteString): Comparison | undefined {
  switch (operator) {
    case 'contains':
      return {
        test: (left) => (left as ByteString).includes(right),
        plan: { form: 'contains', value: right },
      };
    case 'startswith':
      return {
        test: (left) => (left as ByteString).startsWith(right),
        plan: { form: 'prefix', value: right },
      };
    case 'endswith':
      return {
        test: (left) => (left as ByteString).endsWith(right),
        plan: { form: 'suffix', value: right },
      };
    case 'bcontains':
      return textTest('contains', parseHex(right, operator));
    case 'bstartswith':
      return textTest('startswith', parseHex(right, operator));
    case 'icontains':
      return { test: caseInsensitiveContains(right), plan: CALL };
    case 'glob':
    case 'iglob': {
      const matches = compileGlob(right, operator === 'iglob');
      return { test: (left) => matches(left as ByteString), plan: CALL };
    }
    case 'regex': {
      const matches = compileRegex(right);
      return { test: (left) => matches(left as ByteString), plan: CALL };
    }
    default:
      return undefined;
  }
}

function valueTest(operator: Operator, right: Value): Comparison {
  switch (operator) {
    case '!=':
      return { test: (left) => left !== right, plan: { form: 'unequal', value: right } };
    case '<':
      return { test: (left) => left < right, plan: { form: 'less', value: right } };
    case '<=':
      return { test: (left) => left <= right, plan: { form: 'most', value: right } };
    case '>':
      return { test: (left) => left > right, plan: { form: 'more', value: right } };
    case '>=':
      return { test: (left) => left >= right, plan: { form: 'least', value: right } };
    default:
      return { test: (left) => left === right, plan: { form: 'equal', value: right } };
  }
}

function requireNetwork(text: ByteString): Network {
  const network = parseNetwork(text);
  if (network) return network;
  throw new LiteralError(`unrecognized IP network ${text}`);
}

function networkTest(operator: Operator, texts: readonly ByteString[]): Comparison {
  const networks = texts.map(requireNetwork);
  const within: Test = (left) =>
    networks.some((network) => isInNetwork(left as ByteString, network));
  return { test: operator === '!=' ? (left) => !within(left) : within, plan: CALL };
}

/** A comparison of one scalar value with the literals on the right. */
function scalarComparison(
  operator: Operator,
  type: FieldType,
  bits: number,
  texts: readonly ByteString[],
): Comparison {
  if (operator === 'pmatch') {
    const matches = compilePathMatch(texts);
    return { test: (left) => matches(left as ByteString), plan: CALL };
  }
  if (type === 'network') return networkTest(operator, texts);
  const [first] = texts;
  if (operator === 'in' || operator === 'intersects') {
    const set: ReadonlySet<Value> = new Set(texts.map((text) => parseLiteral(text, type, bits)));
    return { test: (left) => set.has(left), plan: { form: 'member', set } };
  }
  if (first === undefined) return { test: () => false, plan: CALL };
  const value = parseLiteral(first, type, bits);
  return textTest(operator, value as ByteString) ?? valueTest(operator, value);
}

/** Counts on the right-hand set; an empty set is false for all three. */
function modifiedComparison(
  operator: Operator,
  modifier: Modifier,
  type: FieldType,
  bits: number,
  texts: readonly ByteString[],
): Comparison {
  const each = texts.map((text) => scalarComparison(operator, type, bits, [text]).test);
  if (each.length === 0) return { test: () => false, plan: CALL };
  if (modifier === 'anyof') {
    if (operator === '=' && type !== 'network') return scalarComparison('in', type, bits, texts);
    return { test: (left) => each.some((test) => test(left)), plan: CALL };
  }
  if (modifier === 'allof') return { test: (left) => each.every((test) => test(left)), plan: CALL };
  return {
    test: (left) => {
      let count = 0;
      for (const test of each) if (test(left)) count += 1;
      return count === 1;
    },
    plan: CALL,
  };
}

/** Lifts a scalar test to values that are arrays: ends of a connection, ancestors, or elements of a list field. */
function lift(operand: Operand, operator: Operator, scalar: Comparison): Comparison {
  const { test } = scalar;
  if (operand.list) {
    // An empty list is `in` every set and intersects none.
    return operator === 'in'
      ? { test: (left) => (left as readonly Value[]).every(test), plan: CALL }
      : { test: (left) => (left as readonly Value[]).some(test), plan: CALL };
  }
  const many = operand.kind === 'field' ? operand.reference.definition.many : undefined;
  if (many === undefined || (many === 'ancestors' && operand.text.endsWith(']'))) return scalar;
  if (many === 'ends' && operator === '!=') {
    return {
      test: (left) => (Array.isArray(left) ? left.length > 0 && left.every(test) : test(left)),
      plan: CALL,
    };
  }
  return { test: (left) => (Array.isArray(left) ? left.some(test) : test(left)), plan: CALL };
}

/** The comparison of an operand with literals. Throws `LiteralError` or `RegexError`. */
export function compareWithLiterals(
  left: Operand,
  operator: Operator,
  modifier: Modifier | undefined,
  texts: readonly ByteString[],
): Comparison {
  const bits = (left.kind === 'field' ? left.reference.definition.bits : undefined) ?? 64;
  const comparison = modifier
    ? modifiedComparison(operator, modifier, left.type, bits, texts)
    : scalarComparison(operator, left.type, bits, texts);
  return lift(left, operator, comparison);
}

/** The comparison of two operands of one type. */
export function compareOperands(
  left: Operand,
  operator: Operator,
): (left: Value, right?: Value) => boolean {
  if (left.list) {
    return (a, b) => {
      const set = new Set(b as readonly Value[]);
      const test: Test = (value) => set.has(value);
      const values = a as readonly Value[];
      return operator === 'in' ? values.every(test) : values.some(test);
    };
  }
  const scalar = (a: Value, b: Value): boolean =>
    (textTest(operator, b as ByteString) ?? valueTest(operator, b)).test(a);
  return (a, b) => {
    if (b === undefined) return false;
    return Array.isArray(a) ? a.some((value) => scalar(value, b)) : scalar(a, b);
  };
}
