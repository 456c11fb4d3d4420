import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { type KernelCost, kernelCostText } from '../engine/kernel-cost.ts';
import { replayFile } from '../engine/replay-file.ts';
import { RuleFileError, readRuleFiles, ruleFilesOf } from '../rule-files.ts';
import { blindFields, conditionText } from '../rules/compile-rules.ts';
import { FieldBinder } from '../rules/compiler/operand-reader.ts';
import { LineEvaluator } from '../rules/evaluate-line.ts';
import { EVENT_TYPES } from '../rules/event-types.ts';
import { explainCondition } from '../rules/explain.ts';
import type { FieldSource } from '../rules/field.ts';
import { FieldRegistry } from '../rules/fields/registry.ts';
import { type LoadResult, loadRules, type RulesFile } from '../rules/load-rules.ts';
import type { LoadedRule } from '../rules/loader/rule-set.ts';
import { type FieldMap, MapSource } from '../rules/map-source.ts';
import { reportJson, reportText } from '../rules/report.ts';
import { RuleTestError, readRuleTests, runRuleTests } from '../rules/rule-test.ts';
import { closest } from '../rules/suggestion.ts';
import { coverageText } from '../telemetry/rule-coverage.ts';

/** Verdicts are written in pieces of this many characters: a write a line would cost more than the evaluation. */
const OUTPUT_CHUNK = 64 * 1024;

export interface RulesCommandOptions {
  /** The source whose missing fields `list` shows as `blind`; without one nothing is. */
  readonly source?: FieldSource<never>;
  /** What a rule costs the kernel, for `list`. */
  readonly kernelCost?: (rule: LoadedRule, loaded: LoadResult) => readonly KernelCost[];
  /** What share of its events each rule of the running agent saw, for `list`; undefined when none runs. */
  readonly coverage?: (config?: string) => Promise<ReadonlyMap<string, number> | undefined>;
}

function write(text: string): void {
  process.stdout.write(`${text}\n`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Reads files and those of folders; one that cannot be read says so in its place. */
function readFiles(paths: readonly string[]): RulesFile[] {
  return paths.flatMap((path) => {
    try {
      return readRuleFiles([path]);
    } catch (error) {
      return [{ name: path, content: '', unreadable: messageOf(error) }];
    }
  });
}

function check(names: string[], { json }: { json?: boolean }): void {
  const files = readFiles(names);
  const result = loadRules(files);
  if (json) write(JSON.stringify(reportJson(result)));
  else write(reportText(result, files));
  process.exitCode = result.ok ? 0 : 1;
}

/** Loads files for a command that needs rules; tells what is wrong on standard error. */
function loadOrFail(names: readonly string[]): LoadResult | undefined {
  const files = readFiles(names);
  const result = loadRules(files);
  if (result.ok) return result;
  process.stderr.write(`${reportText(result, files)}\n`);
  process.exitCode = 1;
  return undefined;
}

async function list(
  names: string[],
  { json, config }: { json?: boolean; config?: string },
  { source, kernelCost, coverage }: RulesCommandOptions,
): Promise<void> {
  const result = loadOrFail(names);
  if (!result) return;
  const seen = await coverage?.(config);
  const enabled = new Set(result.ruleset.enabled);
  const binder = source && new FieldBinder(source);
  const rows = result.ruleset.rules.map((rule) => ({
    name: rule.name,
    source: rule.source,
    priority: rule.priority,
    tags: rule.tags,
    enabled: enabled.has(rule),
    condition: conditionText(rule),
    output: rule.output,
    event_types: [...(rule.eventTypes === 'all' ? EVENT_TYPES : rule.eventTypes)].sort(),
    blind: binder ? blindFields(rule, binder) : [],
    kernel: kernelCost?.(rule, result) ?? [],
    coverage: seen?.get(rule.name) ?? null,
  }));
  if (json) {
    write(JSON.stringify(rows));
    return;
  }
  for (const row of rows) {
    write(`${row.name}${row.enabled ? '' : ' (disabled)'}`);
    write(`  ${row.priority}  ${row.tags.join(', ')}`);
    const isAll = row.event_types.length === EVENT_TYPES.size;
    write(`  event types: ${isAll ? 'all' : row.event_types.join(', ') || 'none'}`);
    for (const cost of row.kernel) write(`  kernel: ${kernelCostText(cost)}`);
    if (row.coverage !== null) write(`  running agent: ${coverageText(row.coverage)}`);
    if (row.blind.length > 0) write(`  blind: ${row.blind.join(', ')}`);
  }
}

/** Lines ended by LF alone: `readline` also breaks at U+2028, which JSON texts may hold. */
async function* linesOf(stream: NodeJS.ReadStream): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of stream.setEncoding('utf8')) {
    const lines = chunk.split('\n');
    lines[0] = rest + lines[0];
    rest = lines.pop();
    yield* lines;
  }
  if (rest !== '') yield rest;
}

async function evaluate(): Promise<void> {
  const evaluator = new LineEvaluator();
  let pending = '';
  const flush = async (): Promise<void> => {
    const chunk = pending;
    pending = '';
    if (chunk === '' || process.stdout.write(chunk)) return;
    await new Promise((done) => process.stdout.once('drain', done));
  };
  let waiting = false;
  for await (const line of linesOf(process.stdin)) {
    if (line.trim() === '') continue;
    pending += `${evaluator.evaluate(line)}\n`;
    if (pending.length >= OUTPUT_CHUNK) await flush();
    else if (!waiting) {
      // Whoever sends one line and waits for the answer gets it as soon as the input is drained.
      waiting = true;
      setImmediate(() => {
        waiting = false;
        flush().catch(() => undefined);
      });
    }
  }
  await flush();
}

function readEvent(path: string): FieldMap {
  const value: unknown = JSON.parse(readFileSync(path === '-' ? 0 : path, 'utf8'));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidArgumentError('the event must be a JSON object of fields');
  }
  return new Map(Object.entries(value));
}

/** What of an event no condition can ask for: most often a slip. */
function unknownFields(event: FieldMap): string[] {
  const registry = new FieldRegistry();
  return [...event.keys()].flatMap((name) => {
    const [, plain = name] = /^([^[]+)\[/.exec(name) ?? [];
    const isKnown = registry.has(plain, undefined) || registry.get(plain) || /^static\./.test(name);
    return isKnown ? [] : [`there is no field ${name}${registry.suggestion(plain)}`];
  });
}

function explain(name: string, names: string[], options: { event: string }): void {
  const result = loadOrFail(names);
  if (!result) return;
  const rule = result.ruleset.rules.find((each) => each.name === name);
  if (!rule) {
    const hint = closest(
      name,
      result.ruleset.rules.map((each) => each.name),
    );
    process.stderr.write(`tocsin rules explain: no rule is named '${name}'${hint}\n`);
    process.exitCode = 1;
    return;
  }
  let event: FieldMap;
  try {
    event = readEvent(options.event);
  } catch (error) {
    process.stderr.write(`tocsin rules explain: ${options.event}: ${messageOf(error)}\n`);
    process.exitCode = 1;
    return;
  }
  for (const warning of unknownFields(event))
    process.stderr.write(`${options.event}: ${warning}\n`);
  write(explainCondition(rule.condition, new MapSource(), event).join('\n'));
}

async function testFile(name: string): Promise<boolean> {
  const file = readRuleTests(name, readFileSync(name, 'utf8'));
  const near = (path: string) => resolve(dirname(name), path);
  const paths = file.ruleFiles.map(near);
  const loaded = loadOrFail(paths);
  if (!loaded) return false;
  let ok = true;
  const replay = (path: string) =>
    replayFile(near(path), { files: readFiles(paths), matching: file.matching });
  for (const result of await runRuleTests(file, loaded, replay)) {
    write(`${result.ok ? 'ok' : 'FAILED'}  ${name}: ${result.name}`);
    if (!result.ok) write(result.lines.join('\n'));
    ok &&= result.ok;
  }
  return ok;
}

async function test(names: string[]): Promise<void> {
  let ok = true;
  const attempt = async (name: string, step: () => Promise<boolean>): Promise<void> => {
    try {
      ok = (await step()) && ok;
    } catch (error) {
      const isPlaced = error instanceof RuleTestError || error instanceof RuleFileError;
      const message = isPlaced ? error.message : `${name}: ${messageOf(error)}`;
      process.stderr.write(`tocsin rules test: ${message}\n`);
      ok = false;
    }
  };
  for (const name of names) {
    await attempt(name, async () => {
      for (const file of ruleFilesOf(name)) await attempt(file, () => testFile(file));
      return true;
    });
  }
  process.exitCode = ok ? 0 : 1;
}

/** Adds `tocsin rules` and its subcommands. */
export function registerRulesCommand(program: Command, options: RulesCommandOptions = {}): void {
  const rules = program.command('rules').description('Check, list, evaluate and test rule files.');
  rules
    .command('check')
    .description('Load rule files in order as one set and tell every problem.')
    .argument('<file...>', 'rule files, or folders of them')
    .option('--json', 'print one JSON object')
    .action(check);
  rules
    .command('list')
    .description(
      'Show the rules: their events, what they cost the kernel, and what share a running agent saw; with --json their resolved conditions, too.',
    )
    .argument('<file...>', 'rule files, or folders of them')
    .option('-c, --config <file>', 'configuration of the running agent (TOCSIN_CONFIG)')
    .option('--json', 'print a JSON array')
    .action((names: string[], flags: { json?: boolean; config?: string }) =>
      list(names, flags, options),
    );
  rules
    .command('eval')
    .description(
      'Evaluate conditions on events: {"condition":"…","fields":{…}} a line from standard input, a verdict a line.',
    )
    .action(evaluate);
  rules
    .command('explain')
    .description('Show why a rule matches an event or not, check by check.')
    .argument('<rule>', 'name of the rule')
    .argument('<file...>', 'rule files, or folders of them')
    .requiredOption(
      '--event <file>',
      'JSON object of fields, such as {"evt.type":"openat","fd.name":"/x"}; - is stdin',
    )
    .action(explain);
  rules
    .command('test')
    .description('Run test files: events as field maps or captures, and the rules they must match.')
    .argument('<file...>', 'test files, or folders of them')
    .action(test);
}
