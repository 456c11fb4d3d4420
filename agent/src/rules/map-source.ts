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

/** A JSON value as a value of the field's type; nothing if it cannot be one. */
export function valueOfJson(value: unknown, type: FieldType): Value | undefined {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value)) {
    const values: Value[] = [];
    for (const element of value) {
      const converted = valueOfJson(element, type);
      if (converted !== undefined) values.push(converted);
    }
    return values;
  }
  switch (type) {
    case 'bool':
      return booleanOf(value);
    case 'double':
      return typeof value === 'string' ? Number(value) : (value as number);
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

/** Events that are maps of fields. */
export class MapSource implements FieldSource<FieldMap> {
  bind(field: FieldReference): (event: FieldMap) => Value | undefined {
    const { type } = field.definition;
    const keys = keysOf(field);
    return (event) => {
      for (const key of keys) {
        const value = event.get(key);
        if (value !== undefined) return valueOfJson(value, type);
      }
      return undefined;
    };
  }

  typeOf(event: FieldMap): string {
    return String(event.get('evt.type') ?? '');
  }
}
