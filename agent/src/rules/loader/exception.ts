import type { ByteString } from '../field.ts';
import { ALL_OPERATORS, MODIFIERS, STRING_OPERATORS } from '../language/parser.ts';
import type { ExceptionElement, ExceptionEntry } from './entry.ts';
import type { ItemReader } from './item-reader.ts';
import type { YamlMap, YamlNode } from './yaml-node.ts';

const LIST_OPERATORS: ReadonlySet<string> = new Set(['in', 'pmatch', 'intersects']);

/** An exception as it is written, before it is joined with what exists. */
export interface ExceptionItem {
  readonly name: string;
  readonly reader: ItemReader;
  readonly fields?: string | readonly string[];
  readonly comps?: string | readonly string[];
  readonly values: readonly ExceptionElement[];
}

function readTexts(reader: ItemReader, key: string): string | string[] | undefined {
  const node = reader.get(key);
  if (!node || (node.kind === 'scalar' && node.isNull)) return undefined;
  if (node.kind === 'scalar') return node.text.trim();
  if (node.kind === 'map') return reader.invalid(`Value is not a sequence`, node.location);
  return node.items.map((item) => (item.kind === 'scalar' ? item.text.trim() : ''));
}

function readElement(reader: ItemReader, node: YamlNode): ExceptionElement | undefined {
  if (node.kind === 'scalar') return node.text;
  if (node.kind === 'map') return reader.invalid('Could not decode scalar value', node.location);
  const elements: string[] = [];
  for (const item of node.items) {
    if (item.kind === 'scalar') elements.push(item.text);
    // A tuple may hold lists; they come as their text in parentheses.
    else if (item.kind === 'sequence') {
      const inner = item.items.map((value) => (value.kind === 'scalar' ? quoted(value.text) : ''));
      elements.push(`(${inner.join(', ')})`);
    } else return reader.invalid('Could not decode scalar value', item.location);
  }
  return elements;
}

function readOne(parent: ItemReader, map: YamlMap, required: boolean): ExceptionItem | undefined {
  const nameNode = map.entries.get('name');
  const name = nameNode?.kind === 'scalar' ? nameNode.text : '';
  const reader = parent.as({ type: 'exception', name }, map);
  reader.text('name');
  const fields = readTexts(reader, 'fields');
  if (required && fields === undefined && !reader.failed) {
    reader.invalid("Item has no mapping for key 'fields'");
  }
  const comps = readTexts(reader, 'comps');
  const values = reader.get('values');
  const elements: ExceptionElement[] = [];
  if (values && !(values.kind === 'scalar' && values.isNull)) {
    if (values.kind !== 'sequence') {
      reader.invalid('Rule exception values must be a sequence', values.location);
    } else {
      for (const value of values.items) {
        const element = readElement(reader, value);
        if (element !== undefined) elements.push(element);
      }
    }
  }
  if (reader.failed) {
    parent.failed = true;
    return undefined;
  }
  return {
    name,
    reader,
    values: elements,
    ...(fields !== undefined && { fields }),
    ...(comps !== undefined && { comps }),
  };
}

/** Reads the `exceptions` of a rule item; `required` when it defines or replaces rather than appends. */
export function readExceptions(reader: ItemReader, required: boolean): ExceptionItem[] {
  const node = reader.get('exceptions');
  if (!node || (node.kind === 'scalar' && node.isNull)) return [];
  if (node.kind !== 'sequence') {
    reader.invalid('Rule exceptions must be a sequence', node.location);
    return [];
  }
  const items: ExceptionItem[] = [];
  const names = new Set<string>();
  for (const entry of node.items) {
    if (entry.kind !== 'map') {
      reader.invalid('Rule exception must be a mapping', entry.location);
      continue;
    }
    const item = readOne(reader, entry, required);
    if (!item) continue;
    if (names.has(item.name)) {
      item.reader.warn(
        'LOAD_EXCEPTION_NAME_NOT_UNIQUE',
        `Multiple definitions of exception '${item.name}' in the same rule`,
      );
    }
    names.add(item.name);
    items.push(item);
  }
  return items;
}

function isCompound(comp: string): boolean {
  const words = comp.split(/\s+/);
  return (
    words.length === 2 &&
    STRING_OPERATORS.includes(words[0] ?? '') &&
    MODIFIERS.includes(words[1] ?? '')
  );
}

function isOperator(comp: string): boolean {
  return comp === 'exists' || ALL_OPERATORS.includes(comp) || isCompound(comp);
}

/** What is wrong with the operators of an exception. */
function compProblems(
  fields: string | readonly string[],
  comps: string | readonly string[],
): string[] {
  if (typeof fields !== 'string') {
    if (typeof comps === 'string' || comps.length !== fields.length) {
      return ['Fields and comps lists must have equal length'];
    }
    return comps
      .filter((comp) => !isOperator(comp))
      .map((comp) => `'${comp}' is not a supported comparison operator`);
  }
  if (typeof comps !== 'string') return ['Fields and comps must both be strings'];
  if (LIST_OPERATORS.has(comps) || isCompound(comps)) return [];
  return [
    'When fields is a single value, comps must be one of (in, pmatch, intersects) or a string operator with a modifier (oneof, anyof, allof)',
  ];
}

/** Completes and checks an exception that is new. Reports and gives nothing when its shape is wrong. */
export function checkException(
  item: ExceptionItem,
  isField: (text: ByteString) => boolean,
): ExceptionEntry | undefined {
  const { reader, fields } = item;
  const fail = (message: string): undefined => reader.error('LOAD_ERR_VALIDATE', message);
  if (fields === undefined)
    return fail('Rule exception must have fields property with a list of fields');
  const isList = typeof fields !== 'string';
  const comps = item.comps ?? (isList ? fields.map(() => '=') : 'in');
  for (const problem of compProblems(fields, comps)) fail(problem);
  for (const field of isList ? fields : [fields]) {
    if (!isField(field)) fail(`'${field}' is not a supported filter field`);
  }
  if (reader.failed) return undefined;
  return {
    name: item.name,
    location: reader.map.location,
    fields,
    comps,
    values: item.values,
  };
}

/** A scalar with quotes around it if it holds a blank and brings none. */
function quoted(text: string): string {
  return /\s/.test(text) && !/^["']/.test(text) ? `"${text}"` : text;
}

/** One comparison; operators that take a list get parentheses unless the value brings them. */
function comparison(field: string, comp: string, value: string): string {
  const wantsList = LIST_OPERATORS.has(comp) || isCompound(comp);
  if (!wantsList) return `${field} ${comp} ${quoted(value)}`;
  const text = value.trimStart().startsWith('(') ? value : `(${quoted(value)})`;
  return `${field} ${comp} ${text}`;
}

function tuple(entry: ExceptionEntry, value: ExceptionElement): string | Error {
  const fields = entry.fields as readonly string[];
  const comps = entry.comps as readonly string[];
  if (typeof value === 'string') {
    return new Error('Expected values array to contain a list of strings');
  }
  if (value.length !== fields.length)
    return new Error('Fields and values lists must have equal length');
  return `(${fields
    .map((field, index) => comparison(field, comps[index] ?? '=', value[index] ?? ''))
    .join(' and ')})`;
}

/** The condition an exception stands for: text, nothing when it has no values, or why it cannot be built. */
export function exceptionText(entry: ExceptionEntry): string | Error | undefined {
  if (entry.values.length === 0) return undefined;
  if (typeof entry.fields === 'string') {
    const values: string[] = [];
    for (const value of entry.values) {
      if (typeof value !== 'string')
        return new Error('Expected values array to contain a list of strings');
      values.push(quoted(value));
    }
    return `(${entry.fields} ${entry.comps} (${values.join(', ')}))`;
  }
  const tuples: string[] = [];
  for (const value of entry.values) {
    const text = tuple(entry, value);
    if (typeof text !== 'string') return text;
    tuples.push(text);
  }
  return `(${tuples.join(' or ')})`;
}
