import { type CompiledRules, compileRules } from './compile-rules.ts';
import { ConditionResolver } from './condition/resolve.ts';
import type { FieldRegistry } from './fields/registry.ts';
import { ConditionError } from './language/condition-error.ts';
import { parseCondition } from './language/parser.ts';
import type { LoadResult } from './load-rules.ts';
import type { Location } from './loader/diagnostic.ts';
import { readYaml, type YamlFile, type YamlMap, type YamlNode } from './loader/yaml-node.ts';
import { type FieldMap, MapSource } from './map-source.ts';

/** One alert, as a test expects it or as it came. */
export interface Expected {
  readonly rule: string;
  readonly output?: string;
}

/** Events, given as fields or by a capture, and the alerts they must give, in order. */
export interface RuleTest {
  readonly name: string;
  readonly events: readonly FieldMap[];
  /** Path of the capture as written, relative to the file. */
  readonly capture?: string;
  readonly expect: readonly Expected[];
}

/** A file of tests. */
export interface RuleTestFile {
  /** Paths as written, relative to the file. */
  readonly ruleFiles: readonly string[];
  readonly matching: 'first' | 'all';
  readonly tests: readonly RuleTest[];
}

/** A test file that cannot be read, and where. */
export class RuleTestError extends Error {
  override name = 'RuleTestError';

  constructor(message: string, { file, line, column }: Location) {
    super(`${file}:${line}:${column}: ${message}`);
  }
}

function fail(message: string, node: YamlNode): never {
  throw new RuleTestError(message, node.location);
}

function mapOf(node: YamlNode, what: string): YamlMap {
  return node.kind === 'map' ? node : fail(`${what} must be a map`, node);
}

function itemsOf(node: YamlNode | undefined, what: string, parent: YamlNode): readonly YamlNode[] {
  if (!node) return fail(`${what} is missing`, parent);
  return node.kind === 'sequence' ? node.items : fail(`${what} must be a list`, node);
}

function textOfNode(node: YamlNode | undefined, what: string, parent: YamlNode): string {
  if (!node) return fail(`${what} is missing`, parent);
  return node.kind === 'scalar' ? node.text : fail(`${what} must be text`, node);
}

function checkKeys(map: YamlMap, known: readonly string[]): void {
  for (const [key, node] of map.entries) {
    if (!known.includes(key)) fail(`unknown key '${key}': known are ${known.join(', ')}`, node);
  }
}

function fieldValue(node: YamlNode): unknown {
  switch (node.kind) {
    case 'scalar':
      return node.isNull ? undefined : node.text;
    case 'sequence':
      return node.items.map(fieldValue);
    case 'map':
      return fail('a field cannot be a map', node);
  }
}

type Fields = ReadonlyMap<string, unknown>;

function fieldsOf(node: YamlNode | undefined, what: string): Fields {
  if (!node) return new Map();
  return new Map([...mapOf(node, what).entries].map(([key, value]) => [key, fieldValue(value)]));
}

/** The fields of an event over the defaults of its file; null makes one missing. */
function readEvent(node: YamlNode, defaults: Fields): FieldMap {
  const event = new Map([...defaults, ...fieldsOf(node, 'an event')]);
  if (!event.has('evt.type')) fail("an event needs 'evt.type'", node);
  return event;
}

function readExpected(node: YamlNode): Expected {
  if (node.kind === 'scalar') return { rule: node.text };
  const map = mapOf(node, 'an expected alert');
  checkKeys(map, ['rule', 'output']);
  const rule = textOfNode(map.entries.get('rule'), "'rule'", map);
  const output = map.entries.get('output');
  return output ? { rule, output: textOfNode(output, "'output'", map) } : { rule };
}

function readTest(node: YamlNode, defaults: Fields): RuleTest {
  const map = mapOf(node, 'a test');
  checkKeys(map, ['name', 'events', 'capture', 'expect']);
  const name = textOfNode(map.entries.get('name'), "'name'", map);
  const expect = itemsOf(map.entries.get('expect'), "'expect'", map).map(readExpected);
  const capture = map.entries.get('capture');
  const events = map.entries.get('events');
  if (capture === undefined) {
    return {
      name,
      events: itemsOf(events, "'events' or 'capture'", map).map((event) =>
        readEvent(event, defaults),
      ),
      expect,
    };
  }
  if (events !== undefined) fail("a test has 'events' or a 'capture', not both", events);
  return { name, events: [], capture: textOfNode(capture, "'capture'", map), expect };
}

function rootOf(file: YamlFile): YamlMap {
  const [error] = file.errors;
  if (error) throw new RuleTestError(error.message, error.location);
  const [root] = file.documents;
  if (!root) throw new RuleTestError('the file is empty', { file: file.name, line: 1, column: 1 });
  return mapOf(root, 'the file');
}

/** Reads a test file. Throws `RuleTestError`. */
export function readRuleTests(name: string, content: string): RuleTestFile {
  const root = rootOf(readYaml(name, content));
  checkKeys(root, ['rule_files', 'matching', 'defaults', 'tests']);
  const matchingNode = root.entries.get('matching');
  const matching = matchingNode ? textOfNode(matchingNode, "'matching'", root) : 'all';
  if (matching !== 'first' && matching !== 'all') {
    return fail("'matching' must be first or all", matchingNode ?? root);
  }
  const defaults = fieldsOf(root.entries.get('defaults'), "'defaults'");
  const files = itemsOf(root.entries.get('rule_files'), "'rule_files'", root);
  return {
    ruleFiles: files.map((node) => textOfNode(node, 'a rule file', root)),
    matching,
    tests: itemsOf(root.entries.get('tests'), "'tests'", root).map((node) =>
      readTest(node, defaults),
    ),
  };
}

/** What a test came to: nothing to tell, or the lines of a difference. */
export interface RuleTestResult {
  readonly name: string;
  readonly ok: boolean;
  readonly lines: readonly string[];
}

function unknownFields(events: readonly FieldMap[], registry: FieldRegistry): string[] {
  const resolver = new ConditionResolver(registry);
  const problems = new Set<string>();
  for (const key of new Set(events.flatMap((event) => [...event.keys()]))) {
    try {
      resolver.resolve(parseCondition(`${key} exists`));
    } catch (error) {
      if (!(error instanceof ConditionError)) throw error;
      problems.add(`  field '${key}' of an event: ${error.message}`);
    }
  }
  return [...problems];
}

function describe({ rule, output }: Expected): string {
  return output === undefined ? rule : `${rule}: ${output}`;
}

/** The alerts that a capture gives, by its path as written. Rejects when it cannot be read. */
export type ReplayCapture = (path: string) => Promise<readonly Expected[]>;

async function runTest(
  test: RuleTest,
  rules: CompiledRules<FieldMap>,
  registry: FieldRegistry,
  replay: ReplayCapture,
): Promise<RuleTestResult> {
  const problems = unknownFields(test.events, registry);
  const known = new Set(rules.rules.map(({ name }) => name));
  for (const { rule } of test.expect) {
    if (!known.has(rule)) problems.push(`  expected rule '${rule}' is not loaded or not enabled`);
  }
  try {
    const got =
      test.capture === undefined ? alertsOf(test.events, rules) : await replay(test.capture);
    problems.push(...differences(test.expect, got));
  } catch (error) {
    if (test.capture === undefined) throw error;
    problems.push(`  capture '${test.capture}': ${(error as Error).message}`);
  }
  return { name: test.name, ok: problems.length === 0, lines: problems };
}

function alertsOf(events: readonly FieldMap[], rules: CompiledRules<FieldMap>): Expected[] {
  return events.flatMap((event) =>
    rules.match(event).map((rule) => ({ rule: rule.name, output: rule.render(event).output })),
  );
}

function differences(expected: readonly Expected[], got: readonly Expected[]): string[] {
  const lines: string[] = [];
  for (let index = 0; index < Math.max(got.length, expected.length); index++) {
    const want = expected[index];
    const have = got[index];
    const same =
      want && have && want.rule === have.rule && (want.output ?? have.output) === have.output;
    if (same) continue;
    if (want) lines.push(`  - ${describe(want)}`);
    if (have) lines.push(`  + ${want?.output === undefined ? have.rule : describe(have)}`);
  }
  return lines;
}

/** Runs tests against loaded rules. `-` is what was expected, `+` what came. */
export async function runRuleTests(
  file: RuleTestFile,
  loaded: LoadResult,
  replay: ReplayCapture,
): Promise<RuleTestResult[]> {
  const rules = compileRules(loaded, new MapSource(), { matching: file.matching });
  const results: RuleTestResult[] = [];
  for (const test of file.tests) results.push(await runTest(test, rules, loaded.registry, replay));
  return results;
}
