import type { Diagnostics } from './diagnostic.ts';
import type { Collection } from './entry.ts';
import { ItemReader } from './item-reader.ts';
import { readAppendFlag, readOverride } from './override.ts';
import { joinText, sourceText } from './source-text.ts';
import type { YamlFile, YamlMap } from './yaml-node.ts';

const LIST_KEYS: ReadonlySet<string> = new Set(['list', 'items', 'append', 'override']);
const MACRO_KEYS: ReadonlySet<string> = new Set(['macro', 'condition', 'append', 'override']);
const LIST_NAME = /^[^()"'\s=,]+$/;
const MACRO_NAME = /^[a-zA-Z]+[a-zA-Z0-9_]*$/;

/** The name of an item, under which its problems are told; nothing (and a problem) when it has none. */
export function namedReader(
  kind: string,
  map: YamlMap,
  file: YamlFile,
  diagnostics: Diagnostics,
): { reader: ItemReader; name: string } | undefined {
  const name = new ItemReader(map, file, { type: kind, name: '' }, diagnostics).text(kind);
  if (name === undefined) return undefined;
  return { name, reader: new ItemReader(map, file, { type: kind, name }, diagnostics) };
}

/** Takes in a `list` item. */
export function collectList(
  collection: Collection,
  map: YamlMap,
  file: YamlFile,
  diagnostics: Diagnostics,
): void {
  const named = namedReader('list', map, file, diagnostics);
  if (!named) return;
  const { reader, name } = named;
  reader.checkKeys(LIST_KEYS);
  const flag = readAppendFlag(reader);
  const override = readOverride(reader, { append: ['items'], replace: ['items'] }, flag);
  const items = reader.texts('items', true);
  if (!LIST_NAME.test(name)) {
    reader.warn(
      'LOAD_INVALID_LIST_NAME',
      `List has an invalid name. List names should match a regular expression: ${LIST_NAME.source}`,
    );
  }
  const existing = collection.lists.get(name);
  const appends = flag || override?.append.has('items');
  if (appends && !existing && !collection.broken.list.has(name)) {
    reader.error(
      'LOAD_ERR_VALIDATE',
      "List uses 'append' or 'override.items: append' but no list by that name already exists",
    );
  }
  if (reader.failed || !items || (appends && !existing)) {
    collection.broken.list.add(name);
    return;
  }
  const number = collection.next();
  const { location } = map;
  if (!existing) {
    collection.lists.set(name, { name, index: number, visibility: number, location, items });
    return;
  }
  existing.items = appends ? [...existing.items, ...items] : items;
  existing.visibility = number;
  existing.location = location;
}

/** Takes in a `macro` item. */
export function collectMacro(
  collection: Collection,
  map: YamlMap,
  file: YamlFile,
  diagnostics: Diagnostics,
): void {
  const named = namedReader('macro', map, file, diagnostics);
  if (!named) return;
  const { reader, name } = named;
  reader.checkKeys(MACRO_KEYS);
  const flag = readAppendFlag(reader);
  const override = readOverride(reader, { append: ['condition'], replace: ['condition'] }, flag);
  const scalar = reader.scalar('condition');
  if (!MACRO_NAME.test(name)) {
    reader.warn(
      'LOAD_INVALID_MACRO_NAME',
      `Macro has an invalid name. Macro names should match a regular expression: ${MACRO_NAME.source}`,
    );
  }
  const existing = collection.macros.get(name);
  const appends = flag || override?.append.has('condition');
  if (appends && !existing && !collection.broken.macro.has(name)) {
    reader.error(
      'LOAD_ERR_VALIDATE',
      "Macro uses 'append' or 'override.condition: append' but no macro by that name already exists",
    );
  }
  if (reader.failed || !scalar || (appends && !existing)) {
    collection.broken.macro.add(name);
    return;
  }
  const number = collection.next();
  const condition = sourceText(scalar, file);
  const { location } = map;
  if (!existing) {
    collection.macros.set(name, { name, index: number, visibility: number, location, condition });
    return;
  }
  existing.condition = appends ? joinText(existing.condition, condition) : condition;
  existing.visibility = number;
  existing.location = location;
}
