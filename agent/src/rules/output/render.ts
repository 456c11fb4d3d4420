import { operandReader, type ReadField } from '../compiler/operand-reader.ts';
import type { Operand } from '../condition/condition.ts';
import type { ConditionResolver } from '../condition/resolve.ts';
import type { Extractor, Value } from '../field.ts';
import type { TemplatePart, TemplateToken } from './template.ts';
import { jsonOfValue, textOfValue } from './value-text.ts';

/** A rendered template: the line and the values it shows, by key. Integers beyond 2^53 are bigint; see `encodeJson`. */
export interface Rendered {
  readonly output: string;
  readonly outputFields: Record<string, unknown>;
}

/** Fields that show a time as text and carry nanoseconds in JSON. */
const TIMES: ReadonlySet<string> = new Set([
  'evt.time',
  'evt.time.s',
  'evt.time.iso8601',
  'evt.datetime',
  'evt.datetime.s',
]);

function pad(text: string, width: number | undefined): string {
  // A width of 0 is none, as Falco has it.
  if (!width) return text;
  return text.length > width ? text.slice(0, width) : text.padEnd(width, ' ');
}

/** Puts numbers of a field into the form it is shown in. */
function formOf(operand: Operand): (value: Value | undefined) => Value | undefined {
  const form = operand.kind === 'field' ? operand.reference.definition.shownAs : undefined;
  if (form === undefined) return (value) => value;
  const text = (value: number | bigint) =>
    form === 'hexadecimal' ? value.toString(16).toUpperCase() : String(value).padStart(9, '0');
  return (value) => (typeof value === 'number' || typeof value === 'bigint' ? text(value) : value);
}

interface BoundToken<E> {
  readonly key: string;
  text(event: E): string;
  json(event: E): unknown;
}

function bindToken<E>(
  token: TemplateToken,
  read: ReadField<E>,
  resolver: ConditionResolver,
): BoundToken<E> {
  const { operand, key, width } = token;
  const { type, list } = operand;
  const value = operandReader(operand, read);
  const shown = formOf(operand);
  const json: Extractor<E> = TIMES.has(key)
    ? operandReader(resolver.operand({ kind: 'field', name: 'evt.rawtime', offset: 0 }), read)
    : value;
  return {
    key,
    text: (event) => pad(textOfValue(shown(value(event)), type, list), width),
    json: (event) => jsonOfValue(shown(json(event)), type, list),
  };
}

/** Binds a template to a source of fields. */
export function bindTemplate<E>(
  parts: readonly TemplatePart[],
  read: ReadField<E>,
  resolver: ConditionResolver,
): (event: E) => Rendered {
  const bound = parts.map((part) =>
    typeof part === 'string' ? part : bindToken(part, read, resolver),
  );
  return (event) => {
    let output = '';
    const outputFields: Record<string, unknown> = Object.create(null);
    for (const part of bound) {
      if (typeof part === 'string') output += part;
      else {
        output += part.text(event);
        outputFields[part.key] = part.json(event);
      }
    }
    return { output, outputFields };
  };
}
