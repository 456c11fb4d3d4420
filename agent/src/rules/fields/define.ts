import type { FieldDefinition, FieldType } from '../field.ts';

type Options = Omit<FieldDefinition, 'name' | 'type' | 'description'>;

/** One row of the field table. */
export function field(
  name: string,
  type: FieldType,
  description: string,
  options: Options = {},
): FieldDefinition {
  return { name, type, description, ...options };
}

/** An optional position in a chain or list: `proc.aname[2]`. */
export const INDEX: Options = { argument: { required: false, kind: 'index' } };
/** An optional name: `proc.env[HOME]`. */
export const KEY: Options = { argument: { required: false, kind: 'key' } };
/** A name that must be given: `container.label[app]`. */
export const REQUIRED_KEY: Options = { argument: { required: true, kind: 'key' } };
/** A position or a name, optional. */
export const INDEX_OR_KEY: Options = { argument: { required: false, kind: 'index-or-key' } };
/** Every ancestor without an argument, one with it. */
export const ANCESTORS: Options = {
  ...INDEX,
  many: 'ancestors',
  noTransformer: true,
  noRightSide: true,
};
/** Has no one value: the check looks at both ends of a connection. */
export const BOTH_ENDS: Options = {
  filterOnly: true,
  many: 'ends',
  noTransformer: true,
  noRightSide: true,
};
/** Compared with networks; no value to show. */
export const NETWORK: Options = { filterOnly: true, noTransformer: true, noRightSide: true };
/** A name that is looked up for an address. */
export const DOMAIN: Options = { noTransformer: true, noRightSide: true };
export const DEPRECATED: Options = { deprecated: true };
export const SUGGESTED: Options = { suggested: true };
