import assert from 'node:assert/strict';
import { test } from 'node:test';
import Type from 'typebox';
import {
  Config,
  DURATION_PATTERN,
  explainErrors,
  loadSettings,
  SecretReference,
  SettingsError,
} from '../src/index.ts';

const problemsOf = (text: string, environment: Record<string, string> = {}) => {
  try {
    loadSettings(Config, { file: { name: 'tocsin.yaml', text }, environment });
  } catch (error) {
    assert.ok(error instanceof SettingsError);
    return error.problems.map(({ where, message }) => `${where}: ${message}`);
  }
  return [];
};

test('defaults hold where nothing is said, and the result is frozen', () => {
  const config = loadSettings(Config, {});
  assert.equal(config.listen, '127.0.0.1:2802');
  assert.equal(config.redis.fsync, 'always');
  assert.equal(config.agent.rule_matching, 'first');
  assert.throws(() => Object.assign(config, { listen: 'x' }), TypeError);
});

test('flags beat the environment, which beats the file', () => {
  const file = {
    name: 'tocsin.yaml',
    text: 'listen: a:1\ndata_dir: /file\nagent: {ring_bytes: 1048576}\n',
  };
  const environment = {
    TOCSIN_LISTEN: 'b:2',
    TOCSIN_AGENT_RING_BYTES: '2097152',
    TOCSIN_AGENT_RULES: 'x.yaml, y.yaml',
    TOCSIN_AGENT_OUTPUTS: 'stdout, file:/var/log/alerts',
  };
  const config = loadSettings(Config, { file, environment, flags: { listen: 'c:3' } });
  assert.equal(config.listen, 'c:3');
  assert.equal(config.data_dir, '/file');
  assert.equal(config.agent.ring_bytes, 2_097_152);
  assert.deepEqual(config.agent.rules, ['x.yaml', 'y.yaml']);
  assert.deepEqual(config.agent.outputs, ['stdout', 'file:/var/log/alerts']);
});

test('every problem of a file is told with its line, column and what was expected', () => {
  const problems = problemsOf(
    'listen: 2802\nredis:\n  fsink: always\nagent:\n  rule_matching: some\n',
  );
  assert.equal(problems.length, 3);
  assert.match(problems[0] ?? '', /^tocsin\.yaml:\d+:\d+: /);
  assert.ok(
    problems.some((problem) =>
      problem.startsWith("tocsin.yaml:3:3: unknown key 'fsink'; known here: url"),
    ),
    problems.join('\n'),
  );
  assert.ok(
    problems.some((problem) =>
      problem.startsWith('tocsin.yaml:5:3: agent.rule_matching must be one of first, all'),
    ),
    problems.join('\n'),
  );
  assert.ok(
    problems.some((problem) =>
      problem.startsWith('tocsin.yaml:1:1: listen must be text, got 2802'),
    ),
    problems.join('\n'),
  );
});

test('broken YAML and duplicate keys are told where they stand', () => {
  assert.match(problemsOf('a: [1\nb: 2')[0] ?? '', /^tocsin\.yaml:\d+:\d+: not valid YAML/);
  assert.match(
    problemsOf('listen: a:1\nlisten: b:2')[0] ?? '',
    /^tocsin\.yaml:2:1: not valid YAML/,
  );
  assert.match(problemsOf('- a')[0] ?? '', /must be a mapping/);
  assert.deepEqual(
    problemsOf('global: &a {}\nstorm: *b\n').map((problem) => problem.split(' (')[0]),
    ['tocsin.yaml:2:8: not valid YAML: Unresolved alias'],
  );
  assert.deepEqual(problemsOf('global: {resolve_timeout: 30}'), [
    'tocsin.yaml:1:10: global.resolve_timeout must be a duration such as 30s, 5m or 1h30m, got 30',
  ]);
});

test('YAML that is made to exhaust us is refused, and says why', () => {
  const laughs = ['a: &a [x, x, x, x, x, x, x, x, x]'];
  for (const [index, name] of [...'bcdefghij'].entries()) {
    const before = Array(9).fill(`*${'abcdefghi'[index]}`);
    laughs.push(`${name}: &${name} [${before.join(', ')}]`);
  }
  assert.match(problemsOf(laughs.join('\n'))[0] ?? '', /alias/);
  const deep = `a: ${'['.repeat(50_000)}${']'.repeat(50_000)}`;
  assert.match(problemsOf(deep)[0] ?? '', /^tocsin\.yaml:1:\d+: not valid YAML: it is nested/);
});

test('steps of the rule selection and appended outputs are told where they are wrong', () => {
  const problems = problemsOf(
    'agent:\n  rule_selection:\n    - enable: {rule: a}\n      disable: {tag: b}\n    - enable: {}\n    - enabled: {rule: a}\n' +
      '  append_output:\n    - extra_fields: [proc.pid, {who: 5}]\n  static_fields: {a: [b]}\n',
  );
  assert.deepEqual(problems, [
    'tocsin.yaml:3:7: agent.rule_selection.0 must not have more than 1 properties, got a mapping',
    'tocsin.yaml:5:7: agent.rule_selection.1.enable must not have fewer than 1 properties, got a mapping',
    "tocsin.yaml:6:7: unknown key 'enabled'; known here: enable, disable",
    'tocsin.yaml:8:33: agent.append_output.0.extra_fields.1.who must be text, got 5',
    'tocsin.yaml:9:19: agent.static_fields.a must be text, got a list',
  ]);
});

test('a check of its own is asked about settings that fit, and its problems are placed', () => {
  const check = ({ listen }: Config) => [{ pointer: '/agent/metrics', message: `not ${listen}` }];
  const load = (text: string, environment = {}) =>
    loadSettings(Config, { file: { name: 't.yaml', text }, environment }, check);
  assert.throws(
    () => load('listen: x:1\nagent:\n  metrics: m\n'),
    /^SettingsError: t\.yaml:3:3: not x:1$/,
  );
  assert.throws(
    () => load('listen: x:1', { TOCSIN_AGENT_METRICS: 'm' }),
    /^SettingsError: TOCSIN_AGENT_METRICS: not x:1$/,
  );
  assert.throws(
    () => load('listen: 5'),
    /^SettingsError: t\.yaml:1:1: listen must be text, got 5$/,
  );
});

test('a wrong variable is told by its name', () => {
  const problems = problemsOf('', { TOCSIN_AGENT_RING_BYTES: 'big' });
  assert.match(
    problems[0] ?? '',
    /^TOCSIN_AGENT_RING_BYTES: agent\.ring_bytes must be a whole number, got "big"/,
  );
  assert.match(
    problemsOf('', { TOCSIN_AGENT_RING_BYTES: '1000000' })[0] ?? '',
    /^TOCSIN_AGENT_RING_BYTES: agent\.ring_bytes must be one of 262144, 524288, .* got 1000000$/,
  );
});

test('keys of a prototype are refused where they stand, and merged keys are taken', () => {
  const problems = problemsOf(
    'route:\n  receiver: d\n  routes:\n    - __proto__: {matchers: [a=b]}\nagent:\n  static_fields: {__proto__: x}\n  constructor: 1\n',
  );
  assert.deepEqual(problems, [
    "tocsin.yaml:4:7: no key can be named '__proto__'",
    "tocsin.yaml:6:19: no key can be named '__proto__'",
  ]);
  assert.match(problemsOf('agent: {constructor: 1}')[0] ?? '', /:1:9: unknown key 'constructor'/);
  const text = 'agent: &a {metrics: x:1}\nroute: {<<: *a}';
  assert.deepEqual(loadSettings(Config, { file: { name: 't', text } }).route, { metrics: 'x:1' });
});

test('a secret is never shown in a problem, and names of prototypes are only unknown keys', () => {
  const problems = problemsOf('agent: {join_token: hunter2}\n__proto__: {x: 1}\n');
  assert.ok(problems.length > 0);
  assert.ok(!problems.join('\n').includes('hunter2'), problems.join('\n'));
  assert.equal(({} as { x?: number }).x, undefined);
});

test('what was expected is told in words, and a secret that is written as text is not shown', () => {
  const schema = Type.Object({
    url: Type.Optional(SecretReference),
    path: Type.String({ title: 'an absolute path', pattern: '^/' }),
    wait: Type.String({ pattern: DURATION_PATTERN }),
    on: Type.Boolean(),
    to: Type.Array(Type.String()),
    inner: Type.Object({ a: Type.String(), b: Type.String() }),
  });
  const given = { url: 'https://hooks/hunter2', path: 'x', wait: 5, on: 'yes', to: 'a', inner: {} };
  assert.deepEqual(
    explainErrors(schema, given, '/settings').map(({ message }) =>
      message.replace('settings.', ''),
    ),
    [
      'url must be a secret: { env: NAME }, { file: PATH } or { value: TEXT }, got a string',
      'path must be an absolute path, got "x"',
      'wait must be a duration such as 30s, 5m or 1h30m, got 5',
      'on must be true or false, got "yes"',
      'to must be a list, got "a"',
      'inner needs a, b',
    ],
  );
});

test('what only a check can tell is located like everything else', () => {
  const file = {
    name: 'tocsin.yaml',
    text: 'channels:\n  - name: a\n    kind: log\n    settings: {}\n',
  };
  const check = () => [{ pointer: '/channels/0/kind', message: "there is no kind 'log'" }];
  assert.throws(
    () => loadSettings(Config, { file }, check),
    (error: unknown) =>
      error instanceof SettingsError && error.message === "tocsin.yaml:3:5: there is no kind 'log'",
  );
});
