/**
 * Secret references in the settings of a channel. Which values are secrets follows from the schema of the kind, so that a setting
 * that happens to be called `file` is never taken for one.
 */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { escapePointer, SecretReference } from '@tocsin/openapi';
import type { TObject, TSchema } from 'typebox';
import type { ResolvedSettings } from './channel.ts';
import { ChannelSettingsError } from './outcome.ts';

const MAX_SECRET_BYTES = 64 * 1024;

type Settings = Readonly<Record<string, unknown>>;
/** The keywords of JSON Schema that are followed to find references. */
type Keywords = {
  readonly properties?: Record<string, TSchema>;
  readonly patternProperties?: Record<string, TSchema>;
  readonly items?: TSchema;
  readonly anyOf?: readonly TSchema[];
};

/** A copy of `settings` with every secret reference replaced. It stands at `path` for people, at `pointer` for machines (RFC 6901). */
export function mapSecrets(
  schema: TObject,
  settings: Settings,
  replace: (reference: SecretReference, path: string, pointer: string) => unknown,
): Settings {
  const visit = (at: Keywords, value: unknown, path: string, pointer: string): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    if (at.anyOf?.some(isReferenceSchema) || isReferenceSchema(at))
      return replace(value as SecretReference, path, pointer);
    if (Array.isArray(value)) {
      const { items } = at;
      return items
        ? value.map((item, index) => visit(items, item, `${path}[${index}]`, `${pointer}/${index}`))
        : value;
    }
    const any = Object.values(at.patternProperties ?? {})[0];
    return Object.fromEntries(
      Object.entries(value).map(([key, child]) => {
        const inner = at.properties?.[key] ?? any;
        if (!inner) return [key, child];
        const below = path ? `${path}.${key}` : key;
        return [key, visit(inner, child, below, `${pointer}/${escapePointer(key)}`)];
      }),
    );
  };
  return visit(schema, settings, '', '') as Settings;
}

/** Replaces every reference by its text. Throws ChannelSettingsError, which names the setting and never the secret. */
export function resolveSecrets(
  schema: TObject,
  settings: Settings,
  environment: Readonly<Record<string, string | undefined>>,
): ResolvedSettings {
  return mapSecrets(schema, settings, (reference, path) => textOf(reference, path, environment));
}

/** The texts of all references. Throws ChannelSettingsError. */
export function secretTexts(
  schema: TObject,
  settings: Settings,
  environment: Readonly<Record<string, string | undefined>>,
): string[] {
  const texts: string[] = [];
  mapSecrets(schema, settings, (reference, path) =>
    texts.push(textOf(reference, path, environment)),
  );
  return texts;
}

function textOf(
  reference: SecretReference,
  path: string,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  if ('value' in reference) return reference.value;
  if ('file' in reference) return readSecretFile(reference.file, path);
  if (!('env' in reference))
    throw new ChannelSettingsError(
      `${path}: cannot be opened with the key of this control plane; give it again.`,
    );
  const text = environment[reference.env];
  if (text) return text;
  throw new ChannelSettingsError(
    `${path}: the environment variable ${reference.env} is not set; set it and restart.`,
  );
}

/** `Optional` copies a schema but keeps its list of alternatives, hence the comparison of the lists. */
function isReferenceSchema(schema: Keywords): boolean {
  return schema.anyOf !== undefined && schema.anyOf === (SecretReference as Keywords).anyOf;
}

function readSecretFile(name: string, path: string): string {
  let descriptor: number | undefined;
  try {
    // Not blocking: a FIFO without a writer must not stop the process.
    descriptor = openSync(name, constants.O_RDONLY | constants.O_NONBLOCK);
    const buffer = Buffer.alloc(MAX_SECRET_BYTES);
    const text = buffer.toString('utf8', 0, readSync(descriptor, buffer)).replace(/\r?\n$/, '');
    if (text) return text;
    throw new ChannelSettingsError(`${path}: the file ${name} is empty.`);
  } catch (error) {
    if (error instanceof ChannelSettingsError) throw error;
    throw new ChannelSettingsError(`${path}: cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
