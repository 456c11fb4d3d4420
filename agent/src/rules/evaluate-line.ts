import { compileCondition, interpretText } from './compile-condition.ts';
import { ConditionResolver } from './condition/resolve.ts';
import { FieldRegistry } from './fields/registry.ts';
import { ConditionError } from './language/condition-error.ts';
import { type FieldMap, MapSource } from './map-source.ts';

/** Conditions kept compiled; a stream that brings more of them forgets the oldest. */
const CACHE_SIZE = 2000;
/** Uses after which generating code for a condition pays. */
const WORTH_COMPILING = 20;

interface Cached {
  readonly compile: () => (event: FieldMap) => boolean;
  test: (event: FieldMap) => boolean;
  uses: number;
}

interface Request {
  readonly condition: string;
  readonly fields: FieldMap;
  readonly macros?: ReadonlyMap<string, string>;
  readonly lists?: ReadonlyMap<string, readonly string[]>;
  readonly key: string;
}

class RequestError extends Error {
  override name = 'RequestError';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readMap<T>(value: unknown, name: string, read: (member: unknown) => T): Map<string, T> {
  if (!isObject(value)) throw new RequestError(`'${name}' must be an object`);
  return new Map(Object.entries(value).map(([key, member]) => [key, read(member)]));
}

function readText(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new RequestError('a macro must be a string');
}

function readTexts(value: unknown): string[] {
  if (Array.isArray(value)) return value.map(String);
  throw new RequestError('a list must be an array');
}

/** Integers that a double cannot hold become strings, which fields take as well. */
function exactIntegers(line: string): string {
  if (!/\d{16}/.test(line)) return line;
  const token = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
  return line.replace(token, (text) => (/^-?\d{16,}$/.test(text) ? `"${text}"` : text));
}

function readRequest(line: string): Request {
  let value: unknown;
  try {
    value = JSON.parse(exactIntegers(line));
  } catch {
    throw new RequestError('the line is not JSON');
  }
  if (!isObject(value)) throw new RequestError('the line is not an object');
  const { condition, fields = {}, macros, lists } = value as Record<string, unknown>;
  if (typeof condition !== 'string') throw new RequestError("'condition' must be a string");
  if (!isObject(fields)) throw new RequestError("'fields' must be an object");
  const hasContext = macros !== undefined || lists !== undefined;
  return {
    condition,
    fields: new Map(Object.entries(fields)),
    ...(macros !== undefined && { macros: readMap(macros, 'macros', readText) }),
    ...(lists !== undefined && { lists: readMap(lists, 'lists', readTexts) }),
    key: hasContext ? JSON.stringify([condition, macros, lists]) : condition,
  };
}

function columnOf(text: string, offset: number): number {
  const before = text.slice(0, offset);
  return before.length - Math.max(before.lastIndexOf('\n'), before.lastIndexOf('\r'));
}

function codeOf({ code }: ConditionError): string {
  return code === 'undefined-macro' || code === 'too-large'
    ? 'LOAD_ERR_VALIDATE'
    : 'LOAD_ERR_COMPILE_CONDITION';
}

/** Answers lines of `tocsin rules eval`: a condition and an event in, a verdict or an error out. */
export class LineEvaluator {
  private readonly source = new MapSource();
  private readonly registry = new FieldRegistry();
  private readonly cache = new Map<string, Cached>();

  /** One line of NDJSON for one line of NDJSON. */
  evaluate(line: string): string {
    let condition = '';
    try {
      const request = readRequest(line);
      ({ condition } = request);
      return this.match(request) ? '{"match":true}' : '{"match":false}';
    } catch (error) {
      if (error instanceof RequestError) {
        return JSON.stringify({
          error: { code: 'INVALID_REQUEST', message: error.message, column: 1 },
        });
      }
      if (!(error instanceof ConditionError)) throw error;
      const { message, offset } = error;
      const column = columnOf(condition, offset);
      return JSON.stringify({ error: { code: codeOf(error), message, column } });
    }
  }

  private match(request: Request): boolean {
    let cached = this.cache.get(request.key);
    if (!cached) {
      cached = this.prepare(request);
      if (this.cache.size >= CACHE_SIZE) {
        const [oldest] = this.cache.keys();
        if (oldest !== undefined) this.cache.delete(oldest);
      }
      this.cache.set(request.key, cached);
    }
    cached.uses += 1;
    if (cached.uses === WORTH_COMPILING) cached.test = cached.compile();
    return cached.test(request.fields);
  }

  private prepare({ condition, macros, lists }: Request): Cached {
    const context = {
      resolver: new ConditionResolver(this.registry),
      ...(macros && { macros }),
      ...(lists && { lists }),
    };
    return {
      test: interpretText(condition, this.source, context),
      compile: () => compileCondition(condition, this.source, context),
      uses: 0,
    };
  }
}
