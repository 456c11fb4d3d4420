import type { Diagnostics, ErrorCode, Location, Subject, WarningCode } from './diagnostic.ts';
import type { YamlFile, YamlMap, YamlNode, YamlScalar } from './yaml-node.ts';

const TRUE = /^(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON)$/;
const FALSE = /^(?:n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/;

/**
 * Reads the keys of one item, reporting what is wrong. A getter gives nothing after it has reported; the caller checks
 * `failed` once at the end, so that all problems of an item are told together.
 */
export class ItemReader {
  readonly map: YamlMap;
  readonly file: YamlFile;
  readonly subject: Subject;
  failed = false;
  private readonly diagnostics: Diagnostics;

  constructor(map: YamlMap, file: YamlFile, subject: Subject, diagnostics: Diagnostics) {
    this.map = map;
    this.file = file;
    this.subject = subject;
    this.diagnostics = diagnostics;
  }

  has(key: string): boolean {
    return this.map.entries.has(key);
  }

  get(key: string): YamlNode | undefined {
    return this.map.entries.get(key);
  }

  locationOf(key: string): Location {
    return this.get(key)?.location ?? this.map.location;
  }

  /** The same item under another name, or a part of it, in messages. */
  as(subject: Subject, map = this.map): ItemReader {
    return new ItemReader(map, this.file, subject, this.diagnostics);
  }

  invalid(message: string, at: Location = this.map.location): undefined {
    return this.error('LOAD_ERR_YAML_VALIDATE', message, at);
  }

  error(code: ErrorCode, message: string, at: Location = this.map.location): undefined {
    this.failed = true;
    this.diagnostics.error(code, message, this.subject, at);
    return undefined;
  }

  warn(code: WarningCode, message: string, at: Location = this.map.location): void {
    this.diagnostics.warning(code, message, this.subject, at);
  }

  /** A key that must be there and hold a scalar that is not empty. */
  scalar(key: string): YamlScalar | undefined {
    const node = this.get(key);
    if (!node) return this.invalid(`Item has no mapping for key '${key}'`);
    if (node.kind === 'scalar' && node.isNull) {
      return this.invalid(`Mapping for key '${key}' is empty`, node.location);
    }
    if (node.kind !== 'scalar') return this.invalid('Value is not a scalar value', node.location);
    if (node.text === '') return this.invalid('Value must be non-empty', node.location);
    return node;
  }

  text(key: string): string | undefined {
    return this.scalar(key)?.text;
  }

  /** A key that may be absent or null. */
  optionalText(key: string): string | undefined {
    const node = this.get(key);
    if (!node || (node.kind === 'scalar' && node.isNull)) return undefined;
    if (node.kind !== 'scalar') return this.invalid('Value is not a scalar value', node.location);
    return node.text;
  }

  flag(key: string, otherwise: boolean): boolean {
    const text = this.get(key) === undefined ? undefined : this.text(key);
    if (text === undefined) return otherwise;
    if (TRUE.test(text)) return true;
    if (!FALSE.test(text)) this.invalid("Can't decode YAML scalar value", this.locationOf(key));
    return false;
  }

  unsigned(key: string, otherwise: number): number {
    const text = this.get(key) === undefined ? undefined : this.text(key);
    if (text === undefined) return otherwise;
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (value <= 0xffffffff) return value;
    this.invalid("Can't decode YAML scalar value", this.locationOf(key));
    return otherwise;
  }

  /** A sequence of scalars; nothing if the key is absent or wrong. */
  texts(key: string, required: boolean): YamlScalar[] | undefined {
    const node = this.get(key);
    if (!node) return required ? this.invalid(`Item has no mapping for key '${key}'`) : undefined;
    if (node.kind === 'scalar' && node.isNull) {
      return required
        ? this.invalid(`Mapping for key '${key}' is empty`, node.location)
        : undefined;
    }
    if (node.kind !== 'sequence') return this.invalid('Value is not a sequence', node.location);
    const items: YamlScalar[] = [];
    for (const item of node.items) {
      if (item.kind === 'scalar') items.push(item);
      else this.invalid("Can't decode YAML sequence value", item.location);
    }
    return items;
  }

  /** Warns of keys that no item of this kind has. */
  checkKeys(known: ReadonlySet<string>): void {
    for (const [key, node] of this.map.entries) {
      if (known.has(key)) continue;
      this.warn(
        'LOAD_UNKNOWN_KEY',
        `Unknown key '${key}'. The key will be ignored.`,
        node.location,
      );
    }
  }
}
