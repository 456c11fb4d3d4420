import { ConditionResolver } from './condition/resolve.ts';
import type { ByteString } from './field.ts';
import { FieldError, FieldRegistry } from './fields/registry.ts';
import type { ConditionNode } from './language/ast.ts';
import { ConditionError } from './language/condition-error.ts';
import { parseCondition } from './language/parser.ts';
import type { AppendOutput } from './loader/append-output.ts';
import { Builder } from './loader/build.ts';
import { collectList, collectMacro } from './loader/collect-named.ts';
import { RuleCollector } from './loader/collect-rule.ts';
import { Diagnostics, type FileResult } from './loader/diagnostic.ts';
import { Collection } from './loader/entry.ts';
import { ItemReader } from './loader/item-reader.ts';
import { checkEngineVersion, checkPluginVersions } from './loader/requirement.ts';
import { type LoadedRule, type RuleSet, type Selection, selectRules } from './loader/rule-set.ts';
import { readYaml, type YamlFile, type YamlMap, type YamlNode } from './loader/yaml-node.ts';
import { type StaticFields, staticDefinitions } from './static-fields.ts';

/** A rules file by name and text. */
export interface RulesFile {
  readonly name: string;
  readonly content: string;
  /** Why the text could not be had; it then counts as an error of the file. */
  readonly unreadable?: string;
}

export interface LoadOptions {
  /** Switches rules on and off after all files are read. */
  readonly selection?: readonly Selection[];
  readonly appendOutput?: readonly AppendOutput[];
  readonly staticFields?: StaticFields;
}

/** What came of loading: counts, problems by file, and the rules if there were no errors. */
export interface LoadResult {
  readonly ok: boolean;
  readonly rules: number;
  readonly macros: number;
  readonly lists: number;
  readonly files: readonly FileResult[];
  /** Rules that could be read, also when others had errors. */
  readonly ruleset: RuleSet;
  /** The field table with the fields of the configuration. */
  readonly registry: FieldRegistry;
}

class Loader {
  readonly diagnostics = new Diagnostics();
  readonly collection = new Collection();
  readonly registry: FieldRegistry;
  private readonly resolver: ConditionResolver;
  private readonly parsed = new Map<string, ConditionNode>();
  private readonly rules: RuleCollector;

  constructor(options: LoadOptions) {
    this.registry = new FieldRegistry(staticDefinitions(options.staticFields ?? {}));
    this.resolver = new ConditionResolver(this.registry);
    this.rules = new RuleCollector(this.collection, this.diagnostics, (text) => this.isField(text));
  }

  /** Reads one file and compiles what is known after it. */
  load(
    { name, content, unreadable }: RulesFile,
    appendOutput: readonly AppendOutput[],
    isLast: boolean,
  ): LoadedRule[] {
    this.diagnostics.open(name);
    const file = readYaml(name, content);
    const subject = { type: 'rules content', name: '' };
    if (unreadable !== undefined) {
      this.diagnostics.error('LOAD_ERR_FILE_READ', unreadable, subject, file.locate(0));
    }
    for (const error of file.errors) {
      const code = error.isLimit ? 'LOAD_ERR_VALIDATE' : 'LOAD_ERR_YAML_PARSE';
      this.diagnostics.error(code, error.message, subject, error.location);
    }
    for (const document of file.documents) this.document(document, file);
    const { collection, diagnostics, resolver, parsed } = this;
    return new Builder(collection, diagnostics, resolver, appendOutput, parsed).build(isLast);
  }

  private document(node: YamlNode, file: YamlFile): void {
    if (node.kind === 'scalar' && node.isNull) return;
    const subject = { type: 'rules content', name: '' };
    const invalid = (message: string, type: string, at: YamlNode): void => {
      this.diagnostics.error('LOAD_ERR_YAML_VALIDATE', message, { ...subject, type }, at.location);
    };
    if (node.kind !== 'sequence') {
      const what = node.kind === 'map' ? ' array of objects' : '';
      invalid(`Rules content is not yaml${what}`, subject.type, node);
      return;
    }
    for (const item of node.items) {
      if (item.kind === 'map') this.item(item, file);
      else if (item.kind !== 'scalar' || !item.isNull) {
        invalid(
          'Unexpected element type. Each element should be a yaml associative array.',
          'rules content item',
          item,
        );
      }
    }
  }

  private item(map: YamlMap, file: YamlFile): void {
    const { collection, diagnostics } = this;
    const reader = (type: string): ItemReader =>
      new ItemReader(map, file, { type, name: '' }, diagnostics);
    const { entries } = map;
    if (entries.has('required_engine_version')) {
      checkEngineVersion(reader('required_engine_version'));
    } else if (entries.has('required_plugin_versions')) {
      checkPluginVersions(reader('required plugin versions'));
    } else if (entries.has('list')) collectList(collection, map, file, diagnostics);
    else if (entries.has('macro')) collectMacro(collection, map, file, diagnostics);
    else if (entries.has('rule')) this.rules.collect(map, file);
    else reader('rules content item').warn('LOAD_UNKNOWN_ITEM', 'Unknown top level item');
  }

  /** Whether an exception may name the text as a field: a field or a transformer around one. */
  private isField(text: ByteString): boolean {
    try {
      const check = parseCondition(`${text} exists`);
      if (check.kind !== 'exists') return false;
      this.resolver.resolve(check);
      return true;
    } catch (error) {
      if (error instanceof ConditionError || error instanceof FieldError) return false;
      throw error;
    }
  }
}

/**
 * Loads rules files in order as one set. All problems of all files are reported, not just the first; after each file
 * everything collected so far is compiled, so a file cannot lean on one that comes later.
 */
export function loadRules(files: readonly RulesFile[], options: LoadOptions = {}): LoadResult {
  const loader = new Loader(options);
  let rules: LoadedRule[] = [];
  files.forEach((file, index) => {
    rules = loader.load(file, options.appendOutput ?? [], index === files.length - 1);
  });
  const { collection, diagnostics, registry } = loader;
  return {
    ok: !diagnostics.failed,
    rules: collection.rules.size,
    macros: collection.macros.size,
    lists: collection.lists.size,
    files: diagnostics.results(),
    ruleset: { rules, enabled: selectRules(rules, options.selection ?? []) },
    registry,
  };
}
