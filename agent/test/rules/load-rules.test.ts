import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conditionText } from '../../src/rules/compile-rules.ts';
import { type LoadOptions, type LoadResult, loadRules } from '../../src/rules/load-rules.ts';

function load(content: string | readonly string[], options?: LoadOptions): LoadResult {
  const contents = typeof content === 'string' ? [content] : content;
  return loadRules(
    contents.map((text, index) => ({ name: `${index}.yaml`, content: text })),
    options,
  );
}

/** Problems as `CODE item: message`. */
function problems(result: LoadResult, kind: 'errors' | 'warnings'): string[] {
  return result.files.flatMap((file) =>
    file[kind].map(({ code, item, message }) => `${code} ${item}: ${message}`),
  );
}

function conditionOf(result: LoadResult, name: string): string {
  const rule = result.ruleset.rules.find((each) => each.name === name);
  assert.ok(rule, `${name} is loaded`);
  return conditionText(rule);
}

/** A rule with its required keys; `more` is indented YAML. */
function rule(name: string, condition: string, more = ''): string {
  return `
- rule: ${name}
  desc: d
  condition: ${condition}
  output: out %proc.name
  priority: WARNING
${more}`;
}

const ERRORS: readonly (readonly [string, string | readonly string[], string])[] = [
  [
    'a field of an exception that is more than a field',
    rule(
      'r',
      'evt.type = open',
      "  exceptions: [{name: e, fields: ['fd.name exists and proc.name'], values: [[a]]}]",
    ),
    "LOAD_ERR_VALIDATE e: 'fd.name exists and proc.name' is not a supported filter field",
  ],
  [
    'a macro that is defined later',
    '- {macro: a, condition: b}\n- {macro: b, condition: evt.type = open}',
    "LOAD_ERR_VALIDATE a: Undefined macro 'b' used in filter. (a macro sees only those defined before it)",
  ],
  ['not YAML', '- rule: a: b', 'LOAD_ERR_YAML_PARSE'],
  ['a scalar', 'text', 'LOAD_ERR_YAML_VALIDATE : Rules content is not yaml'],
  ['a map', 'a: b', 'LOAD_ERR_YAML_VALIDATE : Rules content is not yaml array of objects'],
  [
    'an item that is no map',
    '- text',
    'LOAD_ERR_YAML_VALIDATE : Unexpected element type. Each element should be a yaml associative array.',
  ],
  [
    'an engine version that is none',
    '- required_engine_version: seven',
    'LOAD_ERR_YAML_VALIDATE : Unable to parse engine version \'seven\' as a semver string. Expected "x.y.z" semver format.',
  ],
  [
    'an engine version to come',
    '- required_engine_version: 9999',
    'LOAD_ERR_VALIDATE : Rules require engine version 0.9999.0, but engine version is 0.63.0',
  ],
  [
    'a plugin that is missing',
    '- required_plugin_versions: [{name: json, version: 0.1.0, alternatives: [{name: k8saudit, version: 0.2.0}]}]',
    'LOAD_ERR_VALIDATE : Plugin requirement not satisfied, must load one of: json (>= 0.1.0), k8saudit (>= 0.2.0)',
  ],
  [
    'plugin requirements that are no list',
    '- required_plugin_versions: x',
    'LOAD_ERR_YAML_VALIDATE : Value of required_plugin_versions must be a sequence',
  ],
  [
    'a plugin version that is none',
    '- required_plugin_versions: [{name: container, version: x}]',
    "LOAD_ERR_YAML_VALIDATE : Invalid required version 'x' for plugin 'container'",
  ],
  [
    'the same alternative twice',
    '- required_plugin_versions: [{name: container, version: 0.4.0, alternatives: [{name: container, version: 0.4.0}]}]',
    "LOAD_ERR_YAML_VALIDATE : Defined multiple alternative version requirements for plugin 'container'",
  ],
  [
    'no list name',
    '- list:\n  items: [a]',
    "LOAD_ERR_YAML_VALIDATE : Mapping for key 'list' is empty",
  ],
  [
    'no macro name',
    '- macro:\n  condition: a',
    "LOAD_ERR_YAML_VALIDATE : Mapping for key 'macro' is empty",
  ],
  [
    'no rule name',
    '- rule:\n  desc: a',
    "LOAD_ERR_YAML_VALIDATE : Mapping for key 'rule' is empty",
  ],
  [
    'a list without items',
    '- list: bad_list',
    "LOAD_ERR_YAML_VALIDATE bad_list: Item has no mapping for key 'items'",
  ],
  [
    'list items that are no list',
    '- list: bad_list\n  items: a',
    'LOAD_ERR_YAML_VALIDATE bad_list: Value is not a sequence',
  ],
  [
    'a macro without condition',
    '- macro: bad_macro',
    "LOAD_ERR_YAML_VALIDATE bad_macro: Item has no mapping for key 'condition'",
  ],
  [
    'a rule without output',
    '- rule: r\n  desc: d\n  condition: evt.type = open\n  priority: INFO',
    "LOAD_ERR_YAML_VALIDATE r: Item has no mapping for key 'output'",
  ],
  [
    'an empty value',
    '- rule: r\n  desc: ""\n  condition: evt.type = open\n  output: x\n  priority: INFO',
    'LOAD_ERR_YAML_VALIDATE r: Value must be non-empty',
  ],
  [
    'a priority that is none',
    rule('r', 'evt.type = open').replace('WARNING', 'WARN'),
    'LOAD_ERR_YAML_VALIDATE r: Invalid priority: it is none of emergency, alert, critical, error, warning, notice, informational, debug',
  ],
  [
    'an unknown output field',
    rule('r', 'evt.type = open').replace('%proc.name', '%not_a_real_field'),
    'LOAD_ERR_COMPILE_OUTPUT r: invalid formatting token not_a_real_field',
  ],
  [
    'an unknown condition field',
    rule('r', 'evt.type = open and proc.nobody = x'),
    'LOAD_ERR_COMPILE_CONDITION r: filter_check called with nonexistent field proc.nobody',
  ],
  [
    'an unknown event type',
    rule('r', 'evt.type = some_invalid_event'),
    'LOAD_ERR_COMPILE_CONDITION r: unknown event type some_invalid_event',
  ],
  [
    'an undefined macro',
    rule('r', 'evt.type = open and bar'),
    "LOAD_ERR_VALIDATE r: Undefined macro 'bar' used in filter.",
  ],
  [
    'an undefined macro after redefinition',
    [rule('some rule', 'evt.type = open'), rule('some rule', 'bar')],
    "LOAD_ERR_VALIDATE some rule: Undefined macro 'bar' used in filter.",
  ],
  [
    'a macro that uses a later one',
    '- macro: a\n  condition: b\n- macro: b\n  condition: evt.type = open',
    "LOAD_ERR_VALIDATE a: Undefined macro 'b' used in filter.",
  ],
  [
    'a macro that refers to itself',
    '- macro: a\n  condition: evt.type = open\n- macro: a\n  condition: not a',
    "LOAD_ERR_VALIDATE a: reference loop in macro 'a'",
  ],
  [
    'appended text that does not fit',
    [
      '- macro: some_macro\n  condition: evt.type = execve',
      '- macro: some_macro\n  condition: evt.type = open\n  append: true',
    ],
    "LOAD_ERR_COMPILE_CONDITION some_macro: unexpected token after 'execve', expecting 'or', 'and'",
  ],
  [
    'a rule that leans on a later file',
    [rule('r', 'late'), '- macro: late\n  condition: evt.type = open'],
    "LOAD_ERR_VALIDATE r: Undefined macro 'late' used in filter.",
  ],
  [
    'append to no list',
    '- list: a\n  items: [b]\n  append: true',
    "LOAD_ERR_VALIDATE a: List uses 'append' or 'override.items: append' but no list by that name already exists",
  ],
  [
    'append to no macro',
    '- macro: a\n  condition: b\n  override: {condition: append}',
    "LOAD_ERR_VALIDATE a: Macro uses 'append' or 'override.condition: append' but no macro by that name already exists",
  ],
  [
    'append to no rule',
    '- rule: a\n  condition: and evt.num > 0\n  override: {condition: append}',
    "LOAD_ERR_VALIDATE a: Rule uses 'append' or 'override.<key>: append' but no rule by that name already exists",
  ],
  [
    'replace of no rule',
    '- rule: a\n  condition: evt.num > 0\n  override: {condition: replace}',
    "LOAD_ERR_VALIDATE a: An 'override.<key>: replace' to a rule was requested but no rule by that name already exists",
  ],
  [
    'enable of no rule',
    '- rule: a\n  enabled: true',
    "LOAD_ERR_VALIDATE a: Rule has 'enabled' key but no rule by that name already exists",
  ],
  [
    'append without contents',
    `${rule('a', 'evt.type = open')}\n- rule: a\n  append: true`,
    'LOAD_ERR_VALIDATE a: Appended rule must have exceptions or condition property',
  ],
  [
    'append and override together',
    `${rule('a', 'evt.type = open')}\n- rule: a\n  append: true\n  condition: and evt.num > 0\n  override: {condition: append}`,
    "LOAD_ERR_YAML_VALIDATE a: Keys 'override' and 'append: true' cannot be used together.",
  ],
  [
    'append to a priority',
    `${rule('a', 'evt.type = open')}\n- rule: a\n  priority: INFO\n  override: {priority: append}`,
    "LOAD_ERR_YAML_VALIDATE a: Key 'priority' cannot be appended to, use 'replace' instead",
  ],
  [
    'replace of a source',
    `${rule('a', 'evt.type = open')}\n- rule: a\n  source: x\n  override: {source: replace}`,
    "LOAD_ERR_YAML_VALIDATE a: Key 'source' cannot be replaced",
  ],
  [
    'another operation',
    `${rule('a', 'evt.type = open')}\n- rule: a\n  desc: x\n  override: {desc: merge}`,
    "LOAD_ERR_YAML_VALIDATE a: Invalid override operation for key 'desc': 'merge'.",
  ],
  [
    'an override without its key',
    `${rule('a', 'evt.type = open')}\n- rule: a\n  override: {condition: append}`,
    "LOAD_ERR_YAML_VALIDATE a: An append override for 'condition' was specified but 'condition' is not defined",
  ],
  [
    'an enabled override without its key',
    `${rule('a', 'evt.type = open')}\n- rule: a\n  override: {enabled: replace}`,
    "LOAD_ERR_YAML_VALIDATE a: An replace override for 'enabled' was specified but 'enabled' is not defined",
  ],
  [
    'a key that is not overridden',
    `${rule('a', 'evt.type = open')}\n- rule: a\n  condition: and evt.num > 0\n  priority: INFO\n  override: {condition: append}`,
    "LOAD_ERR_YAML_VALIDATE a: Unexpected key 'priority': no corresponding entry under 'override' is defined.",
  ],
  [
    'a redefinition with another source',
    `${rule('a', 'evt.type = open')}${rule('a', 'evt.type = open', '  source: other')}`,
    'LOAD_ERR_VALIDATE a: Rule has been re-defined with a different source',
  ],
  [
    'an append with another source',
    `${rule('a', 'evt.type = open')}\n- rule: a\n  source: other\n  condition: and evt.num > 0\n  append: true`,
    'LOAD_ERR_VALIDATE a: Rule has been re-defined with a different source',
  ],
  [
    'a capture duration that is no number',
    rule('r', 'evt.type = open', '  capture_duration: long'),
    "LOAD_ERR_YAML_VALIDATE r: Can't decode YAML scalar value",
  ],
  [
    'exceptions that are no list',
    rule('r', 'evt.type = open', '  exceptions: x'),
    'LOAD_ERR_YAML_VALIDATE r: Rule exceptions must be a sequence',
  ],
  [
    'an exception without name',
    rule('r', 'evt.type = open', '  exceptions: [{fields: [proc.name], values: [[a]]}]'),
    "LOAD_ERR_YAML_VALIDATE : Item has no mapping for key 'name'",
  ],
  [
    'an exception without fields',
    rule('r', 'evt.type = open', '  exceptions: [{name: ex1, values: [[a]]}]'),
    "LOAD_ERR_YAML_VALIDATE ex1: Item has no mapping for key 'fields'",
  ],
  [
    'an exception with an unknown field',
    rule('r', 'evt.type = open', '  exceptions: [{name: ex1, fields: [not.exist], values: [[a]]}]'),
    "LOAD_ERR_VALIDATE ex1: 'not.exist' is not a supported filter field",
  ],
  [
    'an exception with an unknown operator',
    rule(
      'r',
      'evt.type = open',
      '  exceptions: [{name: ex1, fields: [proc.name], comps: [isnt], values: [[a]]}]',
    ),
    "LOAD_ERR_VALIDATE ex1: 'isnt' is not a supported comparison operator",
  ],
  [
    'a list operator with a modifier',
    rule(
      'r',
      'evt.type = open',
      '  exceptions: [{name: ex1, fields: [proc.name], comps: [in oneof], values: [[a]]}]',
    ),
    "LOAD_ERR_VALIDATE ex1: 'in oneof' is not a supported comparison operator",
  ],
  [
    'a modifier alone',
    rule(
      'r',
      'evt.type = open',
      '  exceptions: [{name: ex1, fields: [proc.name], comps: [oneof], values: [[a]]}]',
    ),
    "LOAD_ERR_VALIDATE ex1: 'oneof' is not a supported comparison operator",
  ],
  [
    'a single field with an ordinary operator',
    rule(
      'r',
      'evt.type = open',
      '  exceptions: [{name: ex1, fields: proc.name, comps: frobulate oneof, values: [a]}]',
    ),
    'LOAD_ERR_VALIDATE ex1: When fields is a single value, comps must be one of (in, pmatch, intersects) or',
  ],
  [
    'operators and fields of different length',
    rule(
      'r',
      'evt.type = open',
      '  exceptions: [{name: ex1, fields: [proc.name, fd.name], comps: [=], values: [[a, b]]}]',
    ),
    'LOAD_ERR_VALIDATE ex1: Fields and comps lists must have equal length',
  ],
  [
    'a list of operators for one field',
    rule(
      'r',
      'evt.type = open',
      '  exceptions: [{name: ex1, fields: proc.name, comps: [in], values: [a]}]',
    ),
    'LOAD_ERR_VALIDATE ex1: Fields and comps must both be strings',
  ],
  [
    'values and fields of different length',
    rule(
      'r',
      'evt.type = open',
      '  exceptions: [{name: ex1, fields: [proc.name, fd.name], values: [[a]]}]',
    ),
    'LOAD_ERR_VALIDATE ex1: Fields and values lists must have equal length',
  ],
  [
    'appended fields',
    `${rule('r', 'evt.type = open', '  exceptions: [{name: ex1, fields: [proc.name], values: [[a]]}]')}\n- rule: r\n  exceptions: [{name: ex1, fields: [fd.name], values: [[b]]}]\n  append: true`,
    'LOAD_ERR_VALIDATE ex1: Can not append exception fields to existing exception, only values',
  ],
  [
    'an appended exception without fields',
    `${rule('r', 'evt.type = open')}\n- rule: r\n  exceptions: [{name: ex2, values: [[b]]}]\n  append: true`,
    'LOAD_ERR_VALIDATE ex2: Rule exception must have fields property with a list of fields',
  ],
  [
    'an appended exception without values',
    `${rule('r', 'evt.type = open')}\n- rule: r\n  exceptions: [{name: ex2, fields: [proc.name]}]\n  append: true`,
    'LOAD_ERR_VALIDATE ex2: Rule exception must have values property with a list of values',
  ],
  [
    'a list with two items after in',
    `- list: two\n  items: [a, b]\n${rule('r', 'evt.type = open and proc.name in two')}`,
    'LOAD_ERR_COMPILE_CONDITION r: ',
  ],
];

test('errors have Falco’s codes and messages', async (context) => {
  for (const [name, content, expected] of ERRORS) {
    await context.test(name, () => {
      const result = load(content);
      assert.equal(result.ok, false);
      const [first = ''] = problems(result, 'errors');
      assert.ok(first.startsWith(expected), `${first}\nexpected ${expected}`);
    });
  }
});

const CONDITIONS: readonly (readonly [string, string | readonly string[], string])[] = [
  [
    'list append',
    '- list: shells\n  items: [ash, bash]\n- list: shells\n  items: [pwsh]\n  override: {items: append}\n' +
      rule('r', 'evt.type = open and proc.name in (shells)'),
    '(evt.type = open and proc.name in (ash, bash, pwsh))',
  ],
  [
    'macro append before parsing',
    '- macro: m\n  condition: evt.type in (open, openat)\n- macro: m\n  condition: or evt.type = openat2\n  override: {condition: append}\n' +
      rule('r', 'm'),
    '(evt.type in (open, openat) or evt.type = openat2)',
  ],
  [
    'macros keep their own node',
    '- macro: m\n  condition: proc.name = a or proc.name = b\n' +
      rule('r', 'evt.type = open and not m'),
    '(evt.type = open and not (proc.name = a or proc.name = b))',
  ],
  [
    'rule condition append',
    `${rule('r', 'evt.type = open')}\n- rule: r\n  condition: and proc.name = a\n  override: {condition: append}`,
    '(evt.type = open and proc.name = a)',
  ],
  [
    'rule replace',
    `${rule('r', 'evt.type = open')}\n- rule: r\n  condition: evt.type = openat\n  override: {condition: replace}`,
    'evt.type = openat',
  ],
  [
    'rule redefinition',
    `${rule('r', 'evt.type = open')}${rule('r', 'evt.type = openat')}`,
    'evt.type = openat',
  ],
  [
    'a substring of a list name stays',
    `- list: my_list\n  items: [a]\n${rule('r', 'evt.type = open and proc.name in (file_my_list, my_list)')}`,
    '(evt.type = open and proc.name in (file_my_list, a))',
  ],
  [
    'a list after an equals sign',
    `- list: cat_binaries\n  items: [cat]\n${rule('r', 'evt.type = open and proc.name=cat_binaries')}`,
    '(evt.type = open and proc.name = cat)',
  ],
  [
    'a list in quotes',
    `- list: word\n  items: [x]\n${rule('r', `'evt.type = open and proc.cmdline contains "a word b"'`)}`,
    '(evt.type = open and proc.cmdline contains "a x b")',
  ],
  [
    'an empty list takes one comma with it',
    `- list: none\n  items: []\n${rule('r', 'evt.type = open and proc.name in (a, none, b)')}`,
    '(evt.type = open and proc.name in (a, b))',
  ],
  [
    'items with blanks get quotes',
    `- list: l\n  items: [a b, '"c d"', "'e f'", 010, no, 1.10]\n${rule('r', 'evt.type = open and proc.name in (l)')}`,
    '(evt.type = open and proc.name in ("a b", "c d", "e f", 010, no, 1.10))',
  ],
  [
    'lists of lists, one level',
    `- list: a\n  items: [x, y]\n- list: b\n  items: [a, z]\n${rule('r', 'evt.type = open and proc.name in (b)')}`,
    '(evt.type = open and proc.name in (x, y, z))',
  ],
  [
    'a list sees what is defined before it',
    `- list: b\n  items: [a, z]\n- list: a\n  items: [x]\n${rule('r', 'evt.type = open and proc.name in (b)')}`,
    '(evt.type = open and proc.name in (x, z))',
  ],
  [
    'several documents and an empty one',
    `- macro: m\n  condition: evt.type = open\n---\n---\n${rule('r', 'm')}`,
    'evt.type = open',
  ],
  [
    'keys that are written twice',
    `- macro: m\n  condition: evt.type = open\n  condition: evt.type = close\n${rule('r', 'm')}`,
    'evt.type = open',
  ],
  [
    'a single field exception',
    rule('r', 'evt.type = open', '  exceptions: [{name: e, fields: proc.name, values: [a, b c]}]'),
    '(evt.type = open and not proc.name in (a, "b c"))',
  ],
  [
    'a tuple exception',
    rule(
      'r',
      'evt.type = open or evt.type = openat',
      '  exceptions: [{name: e, fields: [proc.cmdline], comps: [contains], values: [[curl 127.0.0.1]]}]',
    ),
    '((evt.type = open or evt.type = openat) and not proc.cmdline contains "curl 127.0.0.1")',
  ],
  [
    'tuples with lists',
    rule(
      'r',
      'evt.type = open',
      '  exceptions: [{name: e, fields: [proc.name, fd.name], comps: [in, startswith], values: [[[a, b], /x], [c, /y]]}]',
    ),
    '(evt.type = open and not ((proc.name in (a, b) and fd.name startswith /x) or (proc.name in (c) and fd.name startswith /y)))',
  ],
  [
    'a modifier in an exception',
    rule(
      'r',
      'evt.type = open',
      '  exceptions: [{name: e, fields: proc.name, comps: " startswith  oneof ", values: [sshd, sudo]}]',
    ),
    '(evt.type = open and not proc.name startswith oneof (sshd, sudo))',
  ],
  [
    'a transformer as value of an exception',
    rule(
      'r',
      'evt.type = open',
      '  exceptions: [{name: e, fields: [proc.name], values: [[toupper(proc.pname)]]}]',
    ),
    '(evt.type = open and not proc.name = toupper(proc.pname))',
  ],
  [
    'a transformer as field of an exception',
    rule(
      'r',
      'evt.type = open',
      '  exceptions: [{name: e, fields: [tolower(proc.name)], values: [[a]]}]',
    ),
    '(evt.type = open and not tolower(proc.name) = a)',
  ],
  [
    'a list reference in an exception',
    `- list: cats\n  items: [cat, lynx]\n${rule('r', 'evt.type = open', '  exceptions: [{name: e, fields: [proc.name], comps: [in], values: [[cats], [(cats)]]}]')}`,
    '(evt.type = open and not (proc.name in (cat, lynx) or proc.name in (cat, lynx)))',
  ],
  [
    'values appended to an exception',
    `${rule('r', 'evt.type = open', '  exceptions: [{name: e, fields: [proc.name], values: [[a]]}]')}\n- rule: r\n  exceptions: [{name: e, values: [[b]]}]\n  override: {exceptions: append}`,
    '(evt.type = open and not (proc.name = a or proc.name = b))',
  ],
];

test('conditions come out as Falco compiles them', async (context) => {
  for (const [name, content, expected] of CONDITIONS) {
    await context.test(name, () => {
      const result = load(content);
      assert.deepEqual(problems(result, 'errors'), []);
      // Parentheses around one check mean nothing; the tree drops them.
      assert.equal(
        conditionOf(result, 'r').replace(/ not \((proc\.\w+ = \w+)\)/, ' not $1'),
        expected,
      );
    });
  }
});

const WARNINGS: readonly (readonly [string, string, readonly string[]])[] = [
  [
    'unused items',
    '- list: l\n  items: [a]\n- macro: m\n  condition: evt.type = open',
    ['LOAD_UNUSED_MACRO m', 'LOAD_UNUSED_LIST l'],
  ],
  [
    'an unused macro may name an unknown field',
    '- macro: m\n  condition: no.such = field',
    ['LOAD_UNUSED_MACRO m'],
  ],
  ['an unknown item', '- something: x', ['LOAD_UNKNOWN_ITEM ']],
  [
    'unknown keys',
    `- list: l\n  items: [a]\n  priority: INFO\n${rule('r', 'evt.type = open and proc.name in (l)', '  colour: red')}`,
    ['LOAD_UNKNOWN_KEY l', 'LOAD_UNKNOWN_KEY r'],
  ],
  [
    'names that cannot be referenced',
    `- macro: test-macro\n  condition: evt.type = open\n- list: test list\n  items: [a]\n${rule('r', 'evt.type = open and proc.name in (test list)')}`,
    [
      'LOAD_INVALID_MACRO_NAME test-macro',
      'LOAD_INVALID_LIST_NAME test list',
      'LOAD_UNUSED_MACRO test-macro',
    ],
  ],
  [
    'append: true',
    `${rule('r', 'evt.type = open')}\n- rule: r\n  condition: and proc.name = a\n  append: true`,
    ['LOAD_DEPRECATED_ITEM r'],
  ],
  [
    'a standalone enabled',
    `${rule('r', 'evt.type = open', '  enabled: false')}\n- rule: r\n  enabled: true`,
    ['LOAD_DEPRECATED_ITEM r'],
  ],
  [
    'an unknown source',
    rule('r', 'ct.name = x', '  source: aws_cloudtrail'),
    ['LOAD_UNKNOWN_SOURCE r'],
  ],
  ['a broad condition', rule('r', 'proc.name = a'), ['LOAD_NO_EVTTYPE r']],
  ['a broad condition that says so', rule('r', 'evt.type != open', '  warn_evttypes: false'), []],
  ['a negated type', rule('r', 'not evt.type = open'), ['LOAD_NO_EVTTYPE r']],
  ['a condition that cannot hold', rule('r', 'evt.num = 0'), []],
  [
    'never_true, negated',
    `- macro: never\n  condition: (evt.num=0)\n${rule('r', 'evt.type = open and not never')}${rule('s', 'never')}`,
    [],
  ],
  ['a contradiction', rule('r', 'evt.type = open and evt.type = close'), []],
  [
    'skip-if-unknown-filter',
    `${rule('a', 'evt.type = open and proc.nobody = x', '  skip-if-unknown-filter: true')}${rule('b', 'evt.type = no_such_event', '  skip-if-unknown-filter: true')}`,
    ['LOAD_UNKNOWN_FILTER a', 'LOAD_UNKNOWN_FILTER b'],
  ],
  [
    'a deprecated field',
    rule('r', 'evt.type = open and evt.dir = <').replace('%proc.name', '%evt.dir'),
    ['LOAD_DEPRECATED_ITEM r', 'LOAD_DEPRECATED_ITEM r'],
  ],
  [
    'a field misused as text',
    rule('r', 'evt.type = open and proc.name = proc.pname'),
    ['LOAD_COMPILE_CONDITION r'],
  ],
  [
    'a transformer misused as text',
    rule('r', `'evt.type = open and proc.name = "toupper(proc.pname)"'`),
    ['LOAD_COMPILE_CONDITION r'],
  ],
  [
    'a regular expression that is plain text',
    rule('r', 'evt.type = open and proc.name regex ^cat.*'),
    ['LOAD_COMPILE_CONDITION r'],
  ],
  [
    'an exception name used twice',
    rule(
      'r',
      'evt.type = open',
      '  exceptions: [{name: e, fields: [proc.name], values: [[a]]}, {name: e, fields: [fd.name], values: [[b]]}]',
    ),
    ['LOAD_EXCEPTION_NAME_NOT_UNIQUE e'],
  ],
  [
    'an appended exception without values',
    `${rule('r', 'evt.type = open', '  exceptions: [{name: e, fields: [proc.name], values: [[a]]}]')}\n- rule: r\n  exceptions: [{name: e, value: [[b]]}]\n  override: {exceptions: append}`,
    ['LOAD_APPEND_NO_VALUES e'],
  ],
  [
    'booleans as YAML 1.1 spells them',
    rule('r', 'evt.type = open', '  enabled: Off\n  capture: "yes"'),
    [],
  ],
  [
    'engine and plugin versions',
    '- required_engine_version: 26\n- required_engine_version: 0.57.0\n- required_plugin_versions: [{name: container, version: 0.4.0}]',
    [],
  ],
];

test('warnings', async (context) => {
  for (const [name, content, expected] of WARNINGS) {
    await context.test(name, () => {
      const result = load(content);
      assert.deepEqual(problems(result, 'errors'), []);
      assert.deepEqual(
        problems(result, 'warnings').map((text) => text.slice(0, text.indexOf(':'))),
        expected,
      );
    });
  }
});

test('all problems of a file are told, each with its line and column', () => {
  const result = load(`- list: bad
- macro: m
  condition: >
    proc.name = a
    and proc.name containz b
- rule: r
  desc: d
  condition: |
    evt.type = opem
      or prc.name = x
  output: "%prok.name"
  priority: loud
`);
  const found = result.files[0]?.errors.map(
    ({ line, column, item }) => `${item} ${line}:${column}`,
  );
  assert.deepEqual(found, ['bad 1:3', 'r 12:13', 'm 5:19', 'r 9:16', 'r 10:10', 'r 11:12']);
});

test('an error of an output is told at its token, also where it was appended', () => {
  const result = load(`- rule: r
  desc: d
  condition: evt.type = open
  output: >
    a %proc.name and
    then %prok.pid
  priority: INFO
- rule: r
  output: more %fd.nome
  override: {output: append}
`);
  assert.deepEqual(
    result.files[0]?.errors.map(({ line, column }) => [line, column]),
    [[6, 10]],
  );
  const appended = load([
    rule('r', 'evt.type = open'),
    '- rule: r\n  output: more %fd.nome\n  override: {output: append}\n',
  ]);
  assert.deepEqual(
    appended.files[1]?.errors.map(({ line, column }) => [line, column]),
    [[2, 16]],
  );
});

test('an error inside an exception is told at the exception', () => {
  const result = load(
    rule(
      'r',
      'evt.type = open',
      `  exceptions:
    - {name: fine, fields: [proc.name], values: [[a]]}
    - {name: wrong, fields: [proc.name], values: [["a=b"]]}
    - {name: after, fields: [proc.name], values: [[b]]}`,
    ),
  );
  const [error] = result.files[0]?.errors ?? [];
  assert.deepEqual([error?.item, error?.line, error?.column], ['r', 9, 7]);
});

test('an item whose override cannot be read is told of once', () => {
  const result = load(`${rule('r', 'evt.type = open')}
- rule: r
  override: {priority: append}
  priority: ERROR
`);
  assert.deepEqual(problems(result, 'errors'), [
    "LOAD_ERR_YAML_VALIDATE r: Key 'priority' cannot be appended to, use 'replace' instead",
  ]);
});

test('an error inside text that a list brought in is told at the name of the list', () => {
  const result = load(`- list: broken
  items: [a, "b'"]
${rule('r', 'evt.type = open and proc.name in (broken)')}`);
  const [error] = result.files[0]?.errors ?? [];
  assert.equal(error?.line, 6);
  assert.equal(error?.column, '  condition: evt.type = open and proc.name in ('.length + 1);
});

test('order of rules is that of their first definition', () => {
  const result = load(
    `${rule('a', 'evt.type = open')}${rule('b', 'evt.type = open')}${rule('a', 'evt.type = openat')}`,
  );
  assert.deepEqual(
    result.ruleset.rules.map(({ name }) => name),
    ['a', 'b'],
  );
});

test('selection by name pattern and tag; what is enabled again goes last', () => {
  const content = ['a', 'b', 'ab']
    .map((name) => rule(name, 'evt.type = open', `  tags: [${[...name].join(', ')}]`))
    .join('');
  const enabled = (selection: LoadOptions['selection']) =>
    load(content, { selection: selection ?? [] }).ruleset.enabled.map(({ name }) => name);
  assert.deepEqual(enabled([]), ['a', 'b', 'ab']);
  assert.deepEqual(
    enabled([
      { action: 'disable', rule: '*' },
      { action: 'enable', tag: 'b' },
    ]),
    ['b', 'ab'],
  );
  assert.deepEqual(enabled([{ action: 'disable', rule: 'a*' }]), ['b']);
  assert.deepEqual(
    enabled([
      { action: 'disable', rule: 'a' },
      { action: 'enable', rule: 'a' },
    ]),
    ['b', 'ab', 'a'],
  );
  assert.deepEqual(enabled([{ action: 'disable', rule: 'b', tag: 'a' }]), []);
});

test('standalone and overridden enabled keys; append ignores it', () => {
  const disabled = rule('r', 'evt.type = open', '  enabled: false');
  const count = (more: string) => load(disabled + more).ruleset.enabled.length;
  assert.equal(count(''), 0);
  assert.equal(count('\n- rule: r\n  enabled: true'), 1);
  assert.equal(count('\n- rule: r\n  enabled: true\n  override: {enabled: replace}'), 1);
  assert.equal(
    count('\n- rule: r\n  condition: and evt.num > 0\n  enabled: true\n  append: true'),
    0,
  );
});

test('bombs end in an error, not in memory', async (context) => {
  await context.test('macros that double', () => {
    const macros = Array.from({ length: 40 }, (_, index) =>
      index === 0
        ? '- macro: m0\n  condition: proc.name = a'
        : `- macro: m${index}\n  condition: m${index - 1} or m${index - 1}`,
    );
    const result = load(`${macros.join('\n')}${rule('r', 'evt.type = open and m39')}`);
    assert.match(
      problems(result, 'errors')[0] ?? '',
      /^LOAD_ERR_VALIDATE r: The condition has more than/,
    );
  });
  await context.test('lists that multiply', () => {
    const items = (name: string) => `[${new Array(64).fill(name).join(', ')}]`;
    const lists = Array.from(
      { length: 8 },
      (_, index) => `- list: l${index}\n  items: ${items(`l${index + 1}`)}`,
    );
    const result = load(`${lists.join('\n')}${rule('r', 'evt.type = open and proc.name in (l0)')}`);
    assert.match(
      problems(result, 'errors')[0] ?? '',
      /^LOAD_ERR_VALIDATE r: The condition grows beyond/,
    );
  });
  await context.test('YAML aliases', () => {
    const levels = ['- list: &a0 [x]'];
    for (let index = 1; index < 12; index++) {
      levels.push(`- list: &a${index} [${new Array(10).fill(`*a${index - 1}`).join(', ')}]`);
    }
    const result = load(levels.join('\n'));
    assert.match(
      problems(result, 'errors')[0] ?? '',
      /^LOAD_ERR_VALIDATE : The file expands to more than/,
    );
  });
  await context.test('nesting', () => {
    const result = load(`- list: ${'['.repeat(5000)}${']'.repeat(5000)}`);
    assert.equal(result.ok, false);
  });
  await context.test('deep flow sequences', () => {
    const result = load(`${'['.repeat(50_000)}`);
    assert.deepEqual(problems(result, 'errors'), [
      'LOAD_ERR_VALIDATE : The file has more than 32 levels of nesting',
    ]);
  });
  await context.test('many rules with a long list', () => {
    const items = Array.from({ length: 50_000 }, (_, index) => `item${index}`).join(', ');
    const rules = Array.from({ length: 300 }, (_, index) =>
      rule(`r${index}`, 'evt.type = open and proc.name in (long)'),
    );
    const result = load(`- list: long\n  items: [${items}]\n${rules.join('')}`);
    const [error, ...more] = problems(result, 'errors');
    assert.match(error ?? '', /The conditions grow beyond \d+ bytes together/);
    assert.deepEqual(more, []);
  });
  await context.test('long chains of macros', () => {
    const macros = Array.from({ length: 3000 }, (_, index) =>
      index === 0
        ? '- macro: m0\n  condition: proc.name = a'
        : `- macro: m${index}\n  condition: not(not m${index - 1})`,
    );
    const result = load(`${macros.join('\n')}${rule('r', 'evt.type = open and m2999')}`);
    assert.match(
      problems(result, 'errors')[0] ?? '',
      /^LOAD_ERR_VALIDATE r: The condition has more than/,
    );
  });
});

test('texts from other editors: a byte order mark, CR LF, and one error for a file that is no YAML', () => {
  const text = rule('r', '>\n    evt.type = open\n    and proc.name = x').replaceAll('\n', '\r\n');
  const result = load(`\ufeff${text.trimStart()}`);
  assert.deepEqual(problems(result, 'errors'), []);
  assert.equal(conditionOf(result, 'r'), '(evt.type = open and proc.name = x)');
  const broken = problems(load('- list: a\n  items: [b]]\n- list: c\n  items: [d]\n'), 'errors');
  assert.equal(broken.length, 1, broken.join('\n'));
});

test('keys named like members of an object are ordinary keys', () => {
  const result = load(`- list: __proto__
  items: [a]
- list: constructor
  items: [b]
${rule('toString', 'evt.type = open and proc.name in (__proto__, constructor)', '  __proto__: x')}`);
  assert.deepEqual(problems(result, 'errors'), []);
  assert.equal(conditionOf(result, 'toString'), '(evt.type = open and proc.name in (a, b))');
});
