import { bytesOf, untilNul } from './byte-string.ts';
import type { FieldReference, FieldSource, FieldType, Value } from './field.ts';
import { printField } from './language/print.ts';
import { parseAddress } from './operators/address.ts';
import { canonicalInteger } from './operators/literal.ts';

/** An event as a plain map from fields, as they are written in conditions, to JSON values. */
export type FieldMap = ReadonlyMap<string, unknown>;

/** The text under which a field stands in a map. Parameters may be written with a dot or a bracket. */
function keysOf({ definition, argument }: FieldReference): string[] {
  if (argument === undefined) return [definition.name];
  return [
    printField({ name: definition.name, argument }),
    `${definition.name}[${argument}]`,
    `${definition.name}.${argument}`,
  ];
}

function integerOf(value: unknown): number | bigint | undefined {
  if (typeof value === 'bigint') return canonicalInteger(value);
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || !/^[+-]?\d{1,30}$/.test(value)) return undefined;
  return canonicalInteger(BigInt(value.replace(/^\+/, '')));
}

function booleanOf(value: unknown): boolean | undefined {
  if (value === 'true' || value === 'false') return value === 'true';
  return typeof value === 'boolean' ? value : undefined;
}

/** A JSON scalar as a value of the field's type; nothing if it cannot be one. */
function scalarOf(value: unknown, type: FieldType): Value | undefined {
  if (value === undefined || typeof value === 'object') return undefined;
  switch (type) {
    case 'bool':
      return booleanOf(value);
    case 'double':
      return Number(value);
    case 'address':
    case 'network':
      return parseAddress(String(value));
    case 'bytes':
      return bytesOf(String(value));
    case 'string':
    case 'path':
      return untilNul(bytesOf(String(value)));
    default:
      return integerOf(value);
  }
}

/** Whether one event may have several values of the field: a list, both ends, or all ancestors. */
function isPlural({ definition, argument }: FieldReference): boolean {
  if (definition.list) return true;
  return definition.many !== undefined && !/^\d+$/.test(argument ?? '');
}

/** What an event has that does not say otherwise. */
const DEFAULTS: ReadonlyMap<string, unknown> = new Map([['evt.dir', '<']]);

/** Events that are maps of fields. A value of another shape than the field's is a missing one. */
export class MapSource implements FieldSource<FieldMap> {
  bind(field: FieldReference): (event: FieldMap) => Value | undefined {
    const { type } = field.definition;
    const keys = keysOf(field);
    const plural = isPlural(field);
    return (event) => {
      const key = keys.find((each) => event.has(each));
      const value = key === undefined ? DEFAULTS.get(field.definition.name) : event.get(key);
      if (!plural || value === undefined || value === null) return scalarOf(value, type);
      return [value].flat().flatMap((element) => scalarOf(element, type) ?? []);
    };
  }

  typeOf(event: FieldMap): string {
    return String(event.get('evt.type') ?? '');
  }
}
