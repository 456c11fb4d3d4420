import type { ByteString } from '../../rules/field.ts';
import { readRegular } from '../regular-file.ts';

/** Whatever a runtime wrote. Nothing of it is taken for granted. */
export type Json = unknown;

/** Larger files are not a runtime's. */
const LIMIT = 8 * 1024 * 1024;

/** Reads a JSON file; undefined when it is absent, no regular file, too large or no JSON (yet: it may be half written). */
export async function readJson(path: string): Promise<Json> {
  return (await readOwnedJson(path))?.value;
}

/** The same with the owner of the file. */
export async function readOwnedJson(
  path: string,
): Promise<{ value: Json; uid: number } | undefined> {
  const file = await readRegular(path, LIMIT);
  try {
    return file && { value: JSON.parse(file.bytes.toString('utf8')), uid: file.uid };
  } catch {
    return undefined;
  }
}

/** The member at a path of keys; undefined when something on the way is no object. */
export function member(value: Json, ...keys: readonly string[]): Json {
  let at = value;
  for (const key of keys) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Readonly<Record<string, Json>>)[key];
  }
  return at;
}

/** A text as bytes, at most 4 KiB; undefined for everything else and the empty text. */
export function text(value: Json): ByteString | undefined {
  if (typeof value !== 'string' || value === '') return undefined;
  return Buffer.from(value.slice(0, 4096), 'utf8').toString('latin1');
}

export function flag(value: Json): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined;
}

/** The elements of an array, at most 1,000. */
export function elements(value: Json): readonly Json[] {
  return Array.isArray(value) ? value.slice(0, 1000) : [];
}

/** The values of an object, at most 1,000. */
export function values(value: Json): readonly Json[] {
  return typeof value === 'object' && value !== null ? Object.values(value).slice(0, 1000) : [];
}

/** The texts of an array. */
export function texts(value: Json): readonly ByteString[] {
  return elements(value)
    .map(text)
    .filter((one) => one !== undefined);
}

/** The members of an object that are texts, as a map. */
export function textMap(value: Json): ReadonlyMap<ByteString, ByteString> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return new Map(
    Object.entries(value)
      .slice(0, 1000)
      .flatMap(([key, one]): [ByteString, ByteString][] =>
        typeof one === 'string' ? [[text(key) ?? '', text(one) ?? '']] : [],
      ),
  );
}

/** Leaves out members that are undefined. */
export function present<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as T;
}
