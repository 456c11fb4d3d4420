import { PRIORITIES, parsePriority } from '@tocsin/openapi';
import type { ByteString } from '../field.ts';
import { closest } from '../suggestion.ts';
import { namedReader } from './collect-named.ts';
import type { Diagnostics } from './diagnostic.ts';
import type { Collection, ExceptionEntry, RuleContents, RuleEntry } from './entry.ts';
import { checkException, type ExceptionItem, readExceptions } from './exception.ts';
import type { ItemReader } from './item-reader.ts';
import { type Overridable, type Override, readAppendFlag, readOverride } from './override.ts';
import { joinText, sourceText, trimmedText } from './source-text.ts';
import type { YamlFile, YamlMap } from './yaml-node.ts';

const APPENDABLE = ['condition', 'output', 'desc', 'tags', 'exceptions'];
const OVERRIDABLE: Overridable = {
  append: APPENDABLE,
  replace: [
    ...APPENDABLE,
    'priority',
    'capture',
    'capture_duration',
    'enabled',
    'warn_evttypes',
    'skip-if-unknown-filter',
  ],
};
const RULE_KEYS: ReadonlySet<string> = new Set([
  ...OVERRIDABLE.replace,
  'rule',
  'source',
  'append',
  'override',
]);
/** Sources of events this engine has. */
export const SOURCES: readonly string[] = ['syscall'];

const SOURCE_CHANGED = 'Rule has been re-defined with a different source';

/** Takes in `rule` items. */
export class RuleCollector {
  private readonly collection: Collection;
  private readonly diagnostics: Diagnostics;
  private readonly isField: (text: ByteString) => boolean;

  constructor(
    collection: Collection,
    diagnostics: Diagnostics,
    isField: (text: ByteString) => boolean,
  ) {
    this.collection = collection;
    this.diagnostics = diagnostics;
    this.isField = isField;
  }

  collect(map: YamlMap, file: YamlFile): void {
    const named = namedReader('rule', map, file, this.diagnostics);
    if (!named) return;
    const { reader, name } = named;
    reader.checkKeys(RULE_KEYS);
    const flag = readAppendFlag(reader);
    const override = readOverride(reader, OVERRIDABLE, flag);
    // After an override that cannot be read it is not known what the rest was meant for.
    if (!reader.failed) this.take(reader, name, flag, override);
    if (!reader.failed) return;
    this.collection.broken.rule.add(name);
    const existing = this.collection.rules.get(name);
    if (existing) existing.broken = true;
  }

  private take(
    reader: ItemReader,
    name: string,
    flag: boolean,
    override: Override | undefined,
  ): void {
    const number = this.collection.next();
    if (override) this.change(reader, name, number, override);
    else if (flag) this.appendOld(reader, name, number);
    else if (['condition', 'output', 'desc', 'priority'].some((key) => reader.has(key))) {
      this.define(reader, name, number);
    } else this.toggle(reader, name);
  }

  private define(reader: ItemReader, name: string, number: number): void {
    const contents = this.readContents(reader);
    const existing = this.collection.rules.get(name);
    if (!contents) return;
    if (existing && existing.source !== contents.source) {
      reader.error('LOAD_ERR_VALIDATE', SOURCE_CHANGED);
      return;
    }
    if (!SOURCES.includes(contents.source)) {
      reader.warn(
        'LOAD_UNKNOWN_SOURCE',
        `Unknown source ${contents.source}, skipping`,
        reader.locationOf('source'),
      );
    }
    this.collection.rules.set(name, {
      ...contents,
      name,
      index: existing?.index ?? number,
      visibility: number,
      location: reader.map.location,
      broken: reader.failed,
    });
  }

  private readContents(reader: ItemReader): RuleContents | undefined {
    const condition = reader.scalar('condition');
    const output = reader.scalar('output');
    if (output && output.text.trim() === '') {
      reader.invalid('Value must be non-empty', output.location);
    }
    const description = reader.text('desc');
    const priority = this.readPriority(reader);
    const source = reader.optionalText('source');
    const contents = {
      description: description ?? '',
      source: source === undefined || source === '' ? 'syscall' : source,
      enabled: reader.flag('enabled', true),
      tags: this.readTags(reader),
      warnEventTypes: reader.flag('warn_evttypes', true),
      skipIfUnknownFilter: reader.flag('skip-if-unknown-filter', false),
      capture: reader.flag('capture', false),
      captureDuration: reader.unsigned('capture_duration', 0),
    };
    const exceptions = this.readNewExceptions(reader, contents.source);
    if (!condition || !output) return undefined;
    return {
      ...contents,
      condition: sourceText(condition, reader.file),
      output: trimmedText(output, reader.file),
      // A rule with a wrong priority is broken, but the rest of it is checked all the same.
      priority: priority ?? 'Debug',
      exceptions,
    };
  }

  private readPriority(reader: ItemReader): RuleContents['priority'] | undefined {
    const text = reader.text('priority');
    if (text === undefined) return undefined;
    const priority = parsePriority(text);
    if (priority) return priority;
    const known = PRIORITIES.map((one) => one.toLowerCase());
    const hint = closest(text.toLowerCase(), known) || `: it is none of ${known.join(', ')}`;
    return reader.invalid(`Invalid priority${hint}`, reader.locationOf('priority'));
  }

  private readTags(reader: ItemReader): Set<string> {
    return new Set(reader.texts('tags', false)?.map((tag) => tag.text) ?? []);
  }

  private readNewExceptions(reader: ItemReader, source: string): ExceptionEntry[] {
    const entries: ExceptionEntry[] = [];
    for (const item of readExceptions(reader, true)) {
      const entry = this.check(reader, item, source);
      if (entry) entries.push(entry);
    }
    return entries;
  }

  private check(
    reader: ItemReader,
    item: ExceptionItem,
    source: string,
  ): ExceptionEntry | undefined {
    const isField = SOURCES.includes(source) ? this.isField : () => true;
    const entry = checkException(item, isField);
    if (!entry) reader.failed = true;
    return entry;
  }

  /** A rule without contents switches one that exists on or off. */
  private toggle(reader: ItemReader, name: string): void {
    if (!reader.has('enabled')) {
      reader.invalid("Item has no mapping for key 'condition'");
      return;
    }
    const enabled = reader.flag('enabled', true);
    reader.warn(
      'LOAD_DEPRECATED_ITEM',
      "The standalone 'enabled' key usage is deprecated. The correct approach requires also a 'replace' entry under the 'override' key (i.e. 'enabled: replace').",
      reader.locationOf('enabled'),
    );
    const existing = this.existing(
      reader,
      name,
      "Rule has 'enabled' key but no rule by that name already exists",
    );
    if (existing && !reader.failed) existing.enabled = enabled;
  }

  private existing(reader: ItemReader, name: string, problem: string): RuleEntry | undefined {
    const existing = this.collection.rules.get(name);
    if (!existing) {
      if (this.collection.broken.rule.has(name)) return undefined;
      const hint = closest(name, this.collection.rules.keys());
      return reader.error('LOAD_ERR_VALIDATE', `${problem}${hint}`);
    }
    const source = reader.optionalText('source');
    if (source !== undefined && source !== '' && source !== existing.source) {
      return reader.error('LOAD_ERR_VALIDATE', SOURCE_CHANGED, reader.locationOf('source'));
    }
    return existing;
  }

  /** `append: true`, which honours the condition and the exceptions only. */
  private appendOld(reader: ItemReader, name: string, number: number): void {
    if (!reader.has('condition') && !reader.has('exceptions')) {
      reader.error('LOAD_ERR_VALIDATE', 'Appended rule must have exceptions or condition property');
    }
    this.append(
      reader,
      name,
      number,
      new Set(['condition', 'exceptions'].filter((key) => reader.has(key))),
    );
  }

  private change(reader: ItemReader, name: string, number: number, override: Override): void {
    if (override.append.size > 0) this.append(reader, name, number, override.append);
    if (override.replace.size > 0 && !reader.failed) {
      this.replace(reader, name, number, override.replace);
    }
  }

  private append(
    reader: ItemReader,
    name: string,
    number: number,
    keys: ReadonlySet<string>,
  ): void {
    const rule = this.existing(
      reader,
      name,
      "Rule uses 'append' or 'override.<key>: append' but no rule by that name already exists",
    );
    const condition = keys.has('condition') ? reader.scalar('condition') : undefined;
    const output = keys.has('output') ? reader.scalar('output') : undefined;
    const description = keys.has('desc') ? reader.text('desc') : undefined;
    const tags = keys.has('tags') ? this.readTags(reader) : undefined;
    const exceptions = keys.has('exceptions') ? readExceptions(reader, false) : [];
    if (!rule || reader.failed) return;
    for (const item of exceptions) this.appendException(reader, rule, item);
    if (reader.failed) return;
    if (condition) rule.condition = joinText(rule.condition, sourceText(condition, reader.file));
    if (output) rule.output = joinText(rule.output, trimmedText(output, reader.file));
    if (description !== undefined) rule.description += ` ${description}`;
    if (tags) rule.tags = new Set([...rule.tags, ...tags]);
    rule.visibility = number;
    rule.location = reader.map.location;
  }

  private appendException(reader: ItemReader, rule: RuleEntry, item: ExceptionItem): void {
    const fail = (message: string): void => {
      item.reader.error('LOAD_ERR_VALIDATE', message);
      reader.failed = true;
    };
    if (item.values.length === 0) {
      item.reader.warn('LOAD_APPEND_NO_VALUES', 'Overriding/appending exception with no values');
    }
    const existing = rule.exceptions.find(({ name }) => name === item.name);
    if (existing) {
      if (item.fields !== undefined) {
        fail('Can not append exception fields to existing exception, only values');
      }
      if (item.comps !== undefined) {
        fail('Can not append exception comps to existing exception, only values');
      }
      if (!reader.failed) existing.values = [...existing.values, ...item.values];
      return;
    }
    if (item.fields === undefined) {
      fail('Rule exception must have fields property with a list of fields');
    } else if (item.values.length === 0) {
      fail('Rule exception must have values property with a list of values');
    } else {
      const entry = this.check(reader, item, rule.source);
      if (entry) rule.exceptions = [...rule.exceptions, entry];
    }
  }

  private replace(
    reader: ItemReader,
    name: string,
    number: number,
    keys: ReadonlySet<string>,
  ): void {
    const rule = this.existing(
      reader,
      name,
      "An 'override.<key>: replace' to a rule was requested but no rule by that name already exists",
    );
    const change = this.readChange(reader, keys, rule?.source ?? 'syscall');
    if (!rule || reader.failed) return;
    Object.assign(rule, change, { visibility: number, location: reader.map.location });
  }

  /** The new values of the keys that are replaced. */
  private readChange(
    reader: ItemReader,
    keys: ReadonlySet<string>,
    source: string,
  ): Partial<RuleEntry> {
    const readers: Record<string, () => Partial<RuleEntry>> = {
      condition: () => {
        const scalar = reader.scalar('condition');
        return scalar ? { condition: sourceText(scalar, reader.file) } : {};
      },
      output: () => {
        const scalar = reader.scalar('output');
        return scalar ? { output: trimmedText(scalar, reader.file) } : {};
      },
      desc: () => ({ description: reader.text('desc') ?? '' }),
      tags: () => ({ tags: this.readTags(reader) }),
      priority: () => {
        const priority = this.readPriority(reader);
        return priority ? { priority } : {};
      },
      exceptions: () => ({ exceptions: this.replacedExceptions(reader, source) }),
      enabled: () => ({ enabled: reader.flag('enabled', true) }),
      capture: () => ({ capture: reader.flag('capture', false) }),
      capture_duration: () => ({ captureDuration: reader.unsigned('capture_duration', 0) }),
      warn_evttypes: () => ({ warnEventTypes: reader.flag('warn_evttypes', true) }),
      'skip-if-unknown-filter': () => ({
        skipIfUnknownFilter: reader.flag('skip-if-unknown-filter', false),
      }),
    };
    return Object.assign(
      {},
      ...Object.entries(readers).map(([key, read]) => (keys.has(key) ? read() : {})),
    );
  }

  private replacedExceptions(reader: ItemReader, source: string): ExceptionEntry[] {
    for (const item of readExceptions(reader, true)) {
      if (item.values.length > 0) continue;
      item.reader.warn('LOAD_APPEND_NO_VALUES', 'Overriding/appending exception with no values');
    }
    return this.readNewExceptions(reader, source);
  }
}
