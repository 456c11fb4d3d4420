import type { ItemReader } from './item-reader.ts';

/** How an item changes one that exists: which keys it appends to and which it replaces. */
export interface Override {
  readonly append: ReadonlySet<string>;
  readonly replace: ReadonlySet<string>;
}

/** Keys an item kind allows to append to and to replace. */
export interface Overridable {
  readonly append: readonly string[];
  readonly replace: readonly string[];
}

const BOTH_MESSAGE =
  "Keys 'override' and 'append: true' cannot be used together. Add an 'append' entry (e.g. 'condition: append') under 'override' instead.";

/** Warns of the deprecated key and tells whether it is set. */
export function readAppendFlag(reader: ItemReader): boolean {
  const append = reader.flag('append', false);
  if (append) {
    reader.warn(
      'LOAD_DEPRECATED_ITEM',
      "'append' key is deprecated. Add an 'append' entry (e.g. 'condition: append') under 'override' instead.",
      reader.locationOf('append'),
    );
  }
  return append;
}

/** Reads `override`; nothing when the item has none. */
export function readOverride(
  reader: ItemReader,
  allowed: Overridable,
  appendFlag: boolean,
): Override | undefined {
  const node = reader.get('override');
  if (!node || (node.kind === 'scalar' && node.isNull)) return undefined;
  if (node.kind !== 'map') return reader.invalid('Value is not a map', node.location);
  const append = new Set<string>();
  const replace = new Set<string>();
  for (const [key, value] of node.entries) {
    const operation = value.kind === 'scalar' ? value.text : '';
    const at = value.location;
    if (operation === 'append') {
      if (allowed.append.includes(key)) append.add(key);
      else reader.invalid(`Key '${key}' cannot be appended to, use 'replace' instead`, at);
    } else if (operation === 'replace') {
      if (allowed.replace.includes(key)) replace.add(key);
      else reader.invalid(`Key '${key}' cannot be replaced`, at);
    } else {
      reader.invalid(
        `Invalid override operation for key '${key}': '${operation}'. Allowed values are: append, replace`,
        at,
      );
    }
  }
  if (append.size + replace.size === 0) return undefined;
  if (appendFlag) reader.invalid(BOTH_MESSAGE, node.location);
  checkKeys(reader, allowed, { append, replace });
  return { append, replace };
}

/** Every overridden key must be there, and every overridable key that is there must be listed. */
function checkKeys(reader: ItemReader, allowed: Overridable, override: Override): void {
  for (const [word, keys] of [
    ['append', override.append],
    ['replace', override.replace],
  ] as const) {
    for (const key of keys) {
      if (reader.has(key)) continue;
      reader.invalid(
        `An ${word} override for '${key}' was specified but '${key}' is not defined`,
        reader.locationOf('override'),
      );
    }
  }
  for (const key of new Set([...allowed.append, ...allowed.replace])) {
    if (!reader.has(key) || override.append.has(key) || override.replace.has(key)) continue;
    reader.invalid(
      `Unexpected key '${key}': no corresponding entry under 'override' is defined.`,
      reader.locationOf(key),
    );
  }
}
