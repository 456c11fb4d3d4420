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

/** Replaces every reference by its text, and adds that to `texts`. Throws ChannelSettingsError, which names the setting and never the secret. */
export function resolveSecrets(
  schema: TObject,
  settings: Settings,
  environment: Readonly<Record<string, string | undefined>>,
  texts: string[] = [],
): ResolvedSettings {
  return mapSecrets(schema, settings, (reference, path) => {
    const text = textOf(reference, path, environment);
    texts.push(text);
    return text;
  });
}

const HIDDEN = '[hidden]';
/** What is shorter is no secret, and to hide it would garble the rest. */
const LEAST_CHARACTERS = 4;
/** Of an address that is a secret, what alone would give it away. */
const LEAST_PART_CHARACTERS = 16;

/**
 * Hides secrets in text of others: some servers answer with the request they got, and error pages name the path, which may be the
 * secret itself.
 */
export function hideSecrets(secrets: readonly string[]): (text: string) => string {
  const forms = [...new Set(secrets.flatMap(formsOf))].sort((a, b) => b.length - a.length);
  return (text) => {
    const hidden = forms.reduce((rest, form) => rest.replaceAll(form, HIDDEN), text);
    if (!hidden.endsWith('…')) return hidden;
    // It may have been cut in the middle of one.
    const rest = hidden.slice(0, -1);
    const lengths = forms.map((form) => {
      for (let length = Math.min(form.length, rest.length); length >= LEAST_CHARACTERS; length--)
        if (rest.endsWith(form.slice(0, length))) return length;
      return 0;
    });
    const most = Math.max(0, ...lengths);
    return most > 0 ? `${rest.slice(0, -most)}${HIDDEN}…` : hidden;
  };
}

/** A secret, and of an address its path and the longer parts of that, as they are, in JSON and in addresses. */
function formsOf(secret: string): string[] {
  const {
    pathname = '',
    search = '',
    searchParams,
  } = /^https?:/i.test(secret) && URL.canParse(secret) ? new URL(secret) : {};
  const parts = [...pathname.split('/'), ...(searchParams?.values() ?? [])];
  const long = parts.filter(({ length }) => length >= LEAST_PART_CHARACTERS);
  return [secret, `${pathname}${search}`, pathname, ...long]
    .filter(({ length }) => length >= LEAST_CHARACTERS)
    .flatMap((text) => [text, JSON.stringify(text).slice(1, -1), encodeURIComponent(text)]);
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
