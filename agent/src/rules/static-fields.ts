import { bytesOf } from './byte-string.ts';
import type { ByteString, FieldDefinition, FieldSource } from './field.ts';

/** Fixed values of the configuration, by name without the prefix `static.`. */
export type StaticFields = Readonly<Record<string, string>>;

const PREFIX = 'static.';

/** What may follow the prefix. */
export const STATIC_FIELD_NAME = /^[a-zA-Z][a-zA-Z0-9_]*(\.[a-zA-Z][a-zA-Z0-9_]*)*$/;

/** The fields as conditions and outputs may name them. */
export function staticDefinitions(fields: StaticFields): FieldDefinition[] {
  return Object.keys(fields).map((name) => ({
    name: `${PREFIX}${name}`,
    type: 'string',
    suggested: true,
    description: 'Set in the configuration.',
  }));
}

/** A source that supplies the fixed values too. */
export function withStaticFields<E>(
  source: FieldSource<E>,
  fields: StaticFields = {},
): FieldSource<E> {
  const values = new Map<string, ByteString>(
    Object.entries(fields).map(([name, value]) => [`${PREFIX}${name}`, bytesOf(value)]),
  );
  if (values.size === 0) return source;
  return {
    bind(field) {
      const value = values.get(field.definition.name);
      return value === undefined ? source.bind(field) : () => value;
    },
    typeOf: source.typeOf.bind(source),
  };
}
