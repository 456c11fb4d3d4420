import { Buffer } from 'node:buffer';
import { asciiLower, asciiUpper, untilNul } from '../byte-string.ts';
import type { Operand } from '../condition/condition.ts';
import type { ByteString, FieldType, Value } from '../field.ts';
import { isNumeric, isText } from '../operators/literal.ts';
import { getoptList, getoptValue } from './getopt.ts';

/** Operands that a transformer does not take. */
export class TransformerError extends Error {
  override name = 'TransformerError';
}

/** What a transformer yields for its operands. */
export interface Transformation {
  readonly type: FieldType;
  readonly list: boolean;
  readonly apply: (values: readonly Value[]) => Value | undefined;
}

type Build = (operands: readonly Operand[], argument: ByteString | undefined) => Transformation;

function single(name: string, operands: readonly Operand[]): Operand {
  const [operand] = operands;
  if (!operand || operands.length !== 1) {
    throw new TransformerError(`${name}() requires exactly 1 argument`);
  }
  return operand;
}

function rejectType(name: string, operand: Operand): never {
  throw new TransformerError(
    `transformer '${name}' does not support the type of '${operand.text}'`,
  );
}

/** A function of one string, applied to each element of a list. */
function perString(
  name: string,
  change: (value: ByteString) => ByteString | undefined,
  bytes = false,
): Build {
  return (operands) => {
    const operand = single(name, operands);
    if (!isText(operand.type) && !(bytes && operand.type === 'bytes')) rejectType(name, operand);
    const text = isText(operand.type);
    const one = (value: ByteString): ByteString | undefined => {
      const changed = change(value);
      return changed !== undefined && text ? untilNul(changed) : changed;
    };
    const apply = ([value]: readonly Value[]): Value | undefined => {
      if (!Array.isArray(value)) return one(value as ByteString);
      const changed: Value[] = [];
      for (const element of value) {
        const result = one(element as ByteString);
        if (result === undefined) return undefined;
        changed.push(result);
      }
      return changed;
    };
    return { type: operand.type, list: operand.list, apply };
  };
}

function decodeBase64(value: ByteString): ByteString | undefined {
  const body = value.replace(/={0,2}$/, '');
  if (!/^[A-Za-z0-9+/]*$/.test(body) || body.length % 4 === 1) return undefined;
  return Buffer.from(body, 'base64').toString('latin1');
}

const len: Build = (operands) => {
  const operand = single('len', operands);
  if (!operand.list && !isText(operand.type) && operand.type !== 'bytes')
    rejectType('len', operand);
  return { type: 'uint', list: false, apply: ([value]) => (value as ByteString).length };
};

/** An element inside a list of operands as text: numbers in decimal. */
function elementText(value: Value): ByteString {
  return typeof value === 'string' ? value : String(value);
}

const join: Build = (operands) => {
  const [separator, list] = operands;
  if (!separator || !list || operands.length !== 2) {
    throw new TransformerError('join() requires exactly 2 arguments: separator and list');
  }
  if (separator.list || !isText(separator.type)) {
    throw new TransformerError('join() first argument must be a string');
  }
  if (!list.list) throw new TransformerError('join() second argument must be a list');
  return {
    type: 'string',
    list: false,
    apply: ([by, values]) => (values as readonly Value[]).map(elementText).join(by as ByteString),
  };
};

const concat: Build = (operands) => {
  if (operands.length < 2) throw new TransformerError('concat() requires at least 2 arguments');
  if (operands.some((operand) => operand.list || !isText(operand.type))) {
    throw new TransformerError('concat() arguments must be strings');
  }
  return { type: 'string', list: false, apply: (values) => values.join('') };
};

const getopt: Build = (operands, argument) => {
  const [argv, specification] = operands;
  if (!argv || !specification || operands.length !== 2) {
    throw new TransformerError('getopt() requires exactly 2 arguments: list and option string');
  }
  if (!argv.list) throw new TransformerError('getopt() first argument must be a list');
  if (!isText(argv.type)) throw new TransformerError('getopt() first argument must hold strings');
  if (specification.list || !isText(specification.type)) {
    throw new TransformerError('getopt() second argument must be a string');
  }
  const words = (value: Value | undefined): ByteString[] =>
    (value as readonly Value[]).map(elementText);
  if (argument === undefined) {
    return {
      type: 'string',
      list: true,
      apply: ([value, options]) => getoptList(words(value), options as ByteString),
    };
  }
  if (argument.length !== 1) {
    throw new TransformerError('getopt() field argument must be exactly one character');
  }
  return {
    type: 'string',
    list: false,
    apply: ([value, options]) => getoptValue(words(value), options as ByteString, argument),
  };
};

const TRANSFORMERS: ReadonlyMap<string, Build> = new Map([
  ['tolower', perString('tolower', asciiLower)],
  ['toupper', perString('toupper', asciiUpper)],
  ['b64', perString('b64', decodeBase64, true)],
  ['basename', perString('basename', (value) => value.slice(value.lastIndexOf('/') + 1))],
  ['len', len],
  ['join', join],
  ['concat', concat],
  ['getopt', getopt],
]);

/** Checks the operands of a transformer and gives what it yields. Throws `TransformerError`. */
export function buildTransformer(
  name: string,
  operands: readonly Operand[],
  argument: ByteString | undefined,
): Transformation {
  const build = TRANSFORMERS.get(name);
  if (!build) throw new TransformerError(`unknown transformer '${name}'`);
  if (argument !== undefined && name !== 'getopt') {
    throw new TransformerError(`transformer '${name}' does not support field arguments`);
  }
  return build(operands, argument);
}

/** The element type a list of operands has: text, since numbers become decimal text. */
export function listElementType(items: readonly Operand[]): FieldType {
  for (const item of items) {
    if (item.list || (!isText(item.type) && !isNumeric(item.type) && item.type !== 'bool')) {
      throw new TransformerError(`'${item.text}' cannot be an element of a list`);
    }
  }
  return 'string';
}
