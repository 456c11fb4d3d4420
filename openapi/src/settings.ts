/**
 * Settings from flags, environment, a YAML file and defaults, checked as a whole. Every problem tells the file, line and column, or
 * the variable, what was found and what was expected.
 */

import type { Static, TSchema } from 'typebox';
import { Settings } from 'typebox/system';
import { Default, Errors } from 'typebox/value';
import { type Document, isNode, LineCounter, parseDocument, visit } from 'yaml';
import { DURATION_PATTERN } from './duration.ts';
import { readAsGoDoes } from './yaml.ts';

export interface SettingsProblem {
  /** `tocsin.yaml:3:5`, `TOCSIN_LISTEN` or `command line`. */
  readonly where: string;
  readonly message: string;
}

/** The settings cannot be used; `problems` holds all reasons. */
export class SettingsError extends Error {
  readonly problems: readonly SettingsProblem[];

  constructor(problems: readonly SettingsProblem[]) {
    super(problems.map(({ where, message }) => `${where}: ${message}`).join('\n'));
    this.name = 'SettingsError';
    this.problems = problems;
  }
}

/** Eight without this, and one secret that is written as text is three. */
Settings.Set({ maxErrors: 100 });

type Path = readonly string[];
type Tree = { [key: string]: unknown };

export interface SettingsSources {
  readonly file?: { readonly name: string; readonly text: string };
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Values by dotted path, as text; `undefined` is not given. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
}

/** The message names the key; which flag sets it is a matter of each command. */
const COMMAND_LINE = 'command line';
const MAX_FILE_BYTES = 4 * 1024 * 1024;

/** `agent.ring_bytes` is `TOCSIN_AGENT_RING_BYTES`. */
export const variableOf = (path: Path): string => `TOCSIN_${path.join('_').toUpperCase()}`;

/** Every scalar or list key of a schema with its path, for environment names, flags and documentation. */
export function keysOf(schema: TSchema, path: Path = []): { path: Path; schema: TSchema }[] {
  const properties = (schema as { properties?: Record<string, TSchema> }).properties;
  if (!properties) return [{ path, schema }];
  return Object.entries(properties).flatMap(([name, child]) => keysOf(child, [...path, name]));
}

/**
 * Loads, merges and checks. `check` tells what a schema cannot, for a value that fits it. Throws SettingsError. The result is frozen.
 */
export function loadSettings<S extends TSchema>(
  schema: S,
  sources: SettingsSources,
  check: (value: Static<S>) => readonly Complaint[] = () => [],
): Static<S> {
  const problems: SettingsProblem[] = [];
  const { tree, locate } = readFile(sources.file, problems);
  const origin = new Map<string, string>();
  const override = (path: Path, child: TSchema, text: string, where: string) => {
    const value = fromText(child, text);
    origin.set(`/${path.join('/')}`, where);
    if (!assign(tree, path, value))
      problems.push({
        where,
        message: `cannot be set: ${path.slice(0, -1).join('.')} is not a mapping in the file`,
      });
  };
  for (const { path, schema: child } of keysOf(schema)) {
    const variable = variableOf(path);
    const text = sources.environment?.[variable];
    if (text !== undefined) override(path, child, text, variable);
    const flag = sources.flags?.[path.join('.')];
    if (flag !== undefined) override(path, child, flag, COMMAND_LINE);
  }
  const value = Default(schema, withoutEmpty(schema, tree));
  if (problems.length === 0) {
    const complaints = explainErrors(schema, value);
    for (const { pointer, message } of complaints.length > 0
      ? complaints
      : check(value as Static<S>)) {
      problems.push({ where: originOf(origin, pointer) ?? locate(pointer), message });
    }
  }
  if (problems.length > 0) throw new SettingsError(problems);
  return deepFreeze(value) as Static<S>;
}

/** Without sections that hold nothing and have a default: they are there and yet to be written. */
function withoutEmpty(schema: TSchema, tree: Tree): Tree {
  const properties = (schema as { properties?: Record<string, TSchema> }).properties ?? {};
  const isEmpty = ([key, value]: [string, unknown]) =>
    value === null && Object.hasOwn(properties, key) && 'default' in (properties[key] as TSchema);
  return Object.fromEntries(Object.entries(tree).filter((entry) => !isEmpty(entry)));
}

/** What is wrong at one place. */
export interface Complaint {
  /** JSON pointer. */
  readonly pointer: string;
  readonly message: string;
}

/** What a value breaks in a schema, without repeating one place. `at` is the pointer of the value itself. */
export function explainErrors(schema: TSchema, value: unknown, at = ''): Complaint[] {
  const found = new Map<string, string>();
  const wrongTypes = new Set<string>();
  for (const error of Errors(schema, value)) {
    const { keyword, instancePath } = error;
    if (keyword === 'boolean' || keyword === 'anyOf') continue;
    const params = error.params as ErrorParams;
    if (keyword === 'additionalProperties') {
      const known = knownKeys(schema, instancePath);
      for (const key of params.additionalProperties ?? []) {
        found.set(`${instancePath}/${escapePointer(key)}`, `unknown key '${key}'${known}`);
      }
      continue;
    }
    if (found.has(instancePath)) continue;
    const name = `${at}${instancePath}`.slice(1).replaceAll('/', '.') || 'the document';
    if (keyword === 'required') {
      found.set(instancePath, `${name} needs ${(params.requiredProperties ?? []).join(', ')}`);
      continue;
    }
    const wrong = schemaAt(schema, instancePath) as Described | undefined;
    const wanted = wantedOf(keyword, params, wrong) ?? error.message;
    const got = describe(instancePath, value, wrong?.writeOnly);
    found.set(instancePath, `${name} ${wanted}, got ${got}`);
    if (keyword === 'type') wrongTypes.add(instancePath);
  }
  return [...found]
    .filter(([pointer]) => !(wrongTypes.has(pointer) && hasDeeper(found, pointer)))
    .map(([pointer, message]) => ({ pointer: `${at}${pointer}`, message }));
}

interface ErrorParams {
  readonly additionalProperties?: string[];
  readonly allowedValues?: unknown[];
  readonly requiredProperties?: string[];
  readonly type?: string | string[];
}

/** The types of JSON Schema as whoever writes YAML knows them. */
const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
};

interface Described {
  /** What its type or pattern means, in words. */
  readonly title?: string;
  readonly pattern?: string;
  /** Of a secret. */
  readonly writeOnly?: boolean;
}

/** What was wanted, unless the validator says it as well. */
function wantedOf(
  keyword: string,
  params: ErrorParams,
  { title, pattern }: Described = {},
): string | undefined {
  if (keyword === 'type' || keyword === 'pattern') {
    if (title !== undefined) return `must be ${title}`;
    if (pattern === DURATION_PATTERN) return 'must be a duration such as 30s, 5m or 1h30m';
  }
  if (keyword === 'type' && TYPES[String(params.type)])
    return `must be ${TYPES[String(params.type)]}`;
  if (keyword === 'enum') return `must be one of ${(params.allowedValues ?? []).join(', ')}`;
  return undefined;
}

/** Of a union, the alternative that went deeper is what was meant. */
const hasDeeper = (found: ReadonlyMap<string, string>, pointer: string): boolean =>
  [...found.keys()].some((other) => other.startsWith(`${pointer}/`));

function knownKeys(schema: TSchema, pointer: string): string {
  const at = schemaAt(schema, pointer) as { properties?: object } | undefined;
  const keys = Object.keys(at?.properties ?? {});
  return keys.length > 0 ? `; known here: ${keys.join(', ')}` : '';
}

/** What was found, short, and never a secret. */
function describe(pointer: string, root: unknown, isSecret = false): string {
  const value = valueAt(root, pointer);
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (isSecret || /secret|token|password|\/value$/.test(pointer)) return `a ${typeof value}`;
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** One part of a JSON pointer (RFC 6901). */
export const escapePointer = (part: string): string =>
  part.replaceAll('~', '~0').replaceAll('/', '~1');
const unescapePointer = (part: string) => part.replaceAll('~1', '/').replaceAll('~0', '~');
const partsOf = (pointer: string): string[] =>
  pointer ? pointer.slice(1).split('/').map(unescapePointer) : [];

function valueAt(value: unknown, pointer: string): unknown {
  return partsOf(pointer).reduce<unknown>(
    (at, part) => (at as Record<string, unknown> | undefined)?.[part],
    value,
  );
}

function schemaAt(schema: TSchema, pointer: string): (TSchema & { pattern?: unknown }) | undefined {
  return partsOf(pointer).reduce<TSchema | undefined>((at, part) => {
    const inner = at as { properties?: Record<string, TSchema>; items?: TSchema } | undefined;
    return inner?.properties?.[part] ?? inner?.items;
  }, schema);
}

function originOf(origin: ReadonlyMap<string, string>, pointer: string): string | undefined {
  for (const [path, where] of origin) {
    if (pointer === path || pointer.startsWith(`${path}/`)) return where;
  }
  return undefined;
}

function readFile(
  file: SettingsSources['file'],
  problems: SettingsProblem[],
): { tree: Tree; locate: (pointer: string) => string } {
  if (!file) return { tree: {}, locate: () => 'settings' };
  if (file.text.length > MAX_FILE_BYTES) {
    problems.push({ where: file.name, message: `is larger than ${MAX_FILE_BYTES} bytes` });
    return { tree: {}, locate: () => file.name };
  }
  const lines = new LineCounter();
  const document = parseDocument(file.text, {
    lineCounter: lines,
    prettyErrors: false,
    merge: true,
  });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${file.name}:${line}:${col}`;
  };
  for (const { message, pos } of document.errors) {
    const why = /call stack/.test(message) ? 'it is nested too deeply' : message;
    problems.push({ where: at(pos[0]), message: `not valid YAML: ${why}` });
  }
  if (problems.length > 0) return { tree: {}, locate: () => file.name };
  readAsGoDoes(document);
  let tree: unknown;
  try {
    tree = document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (error) {
    const where = at(unresolved(document) ?? 0);
    problems.push({ where, message: `not valid YAML: ${(error as Error).message}` });
    return { tree: {}, locate: () => file.name };
  }
  if (typeof tree !== 'object' || tree === null || Array.isArray(tree)) {
    problems.push({ where: `${file.name}:1:1`, message: 'must be a mapping of keys to values' });
    tree = {};
  }
  const locate = (pointer: string) => at(offsetOf(document, partsOf(pointer)));
  for (const pointer of prototypeKeys(tree))
    problems.push({ where: locate(pointer), message: "no key can be named '__proto__'" });
  return { tree: tree as Tree, locate };
}

/** Where an alias stands that has no anchor before it. */
function unresolved(document: Document): number | undefined {
  let offset: number | undefined;
  visit(document, {
    Alias(_key, node) {
      if (node.resolve(document) !== undefined) return undefined;
      offset = node.range?.[0];
      return visit.BREAK;
    },
  });
  return offset;
}

/** Where objects have a key that a copy of them would take for their prototype; JSON pointers. */
function prototypeKeys(value: unknown, at = '', seen = new Set<unknown>()): string[] {
  // What an alias names is there more than once.
  if (typeof value !== 'object' || value === null || seen.has(value)) return [];
  seen.add(value);
  return Object.entries(value).flatMap(([key, child]) => {
    const pointer = `${at}/${escapePointer(key)}`;
    return key === '__proto__' ? [pointer] : prototypeKeys(child, pointer, seen);
  });
}

/** Where a key stands, or the nearest thing that encloses it. */
function offsetOf(document: Document, parts: string[]): number {
  for (let length = parts.length; length > 0; length--) {
    const path = parts.slice(0, length).map((part) => (/^\d+$/.test(part) ? Number(part) : part));
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
    const pairs = (parent as { items?: { key?: unknown }[] } | null)?.items ?? [];
    const pair = pairs.find(({ key }) => isNode(key) && String(key) === String(path.at(-1)));
    const node = pair?.key ?? document.getIn(path, true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

function assign(tree: Tree, path: Path, value: unknown): boolean {
  let at = tree;
  for (const part of path.slice(0, -1)) {
    at[part] ??= {};
    if (typeof at[part] !== 'object' || at[part] === null || Array.isArray(at[part])) return false;
    at = at[part] as Tree;
  }
  at[path.at(-1) as string] = value;
  return true;
}

/** Text of a flag or variable as the type the schema wants; left as text when it does not fit, so that the check tells. */
function fromText(schema: TSchema, text: string): unknown {
  const { type } = schema as { type?: string };
  if ((type === 'integer' || type === 'number') && /^-?\d+(\.\d+)?$/.test(text))
    return Number(text);
  if (type === 'boolean' && /^(true|false)$/.test(text)) return text === 'true';
  if (type === 'array' || type === undefined || type === 'object')
    return fromStructuredText(type, text);
  return text;
}

/** Lists may be JSON or comma-separated words. */
function fromStructuredText(type: string | undefined, text: string): unknown {
  if (/^\s*[[{]/.test(text)) {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  return type === 'array'
    ? text
        .split(',')
        .map((word) => word.trim())
        .filter(Boolean)
    : text;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const child of Object.values(value)) deepFreeze(child);
    Object.freeze(value);
  }
  return value;
}
