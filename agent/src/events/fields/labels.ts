import type { ByteString } from '../../rules/field.ts';

export type Labels = ReadonlyMap<ByteString, ByteString> | undefined;

/** All labels as `key:value, …`. */
export const labelText = (labels: Labels): ByteString | undefined =>
  labels && [...labels].map(([key, value]) => `${key}:${value}`).join(', ');
