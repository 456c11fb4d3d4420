import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build, MatcherError, parseMatcher, parseMatchers } from '../../src/routing/matcher.ts';

const texts = (text: string) => parseMatchers(text).map(String);

test('matchers are read in every notation and written in one', () => {
  const cases: [string, string[]][] = [
    ['env=prod', ['env="prod"']],
    ['  env  =  prod  ', ['env="prod"']],
    ['{env="prod", team=~"a|b",}', ['env="prod"', 'team=~"a|b"']],
    ['{}', []],
    ['', []],
    ['env=', ['env=""']],
    ['env=""', ['env=""']],
    ['a!=b,c!~d.*', ['a!="b"', 'c!~"d.*"']],
    ['quote="She said: \\"Hi, you\\""', ['quote="She said: \\"Hi, you\\""']],
    ['a="x\\ny"', ['a="x\\ny"']],
    ['a="x\\ty"', ['a="x\\\\ty"']],
    ['a=x\\"y', ['a="x\\"y"']],
    ['a=b\\', ['a="b\\\\"']],
    ['a="{}"', ['a="{}"']],
    ['status=~"5.."', ['status=~"5.."']],
    ['proc.name=bash', ['proc.name="bash"']],
    ['"container image"="x y"', ['"container image"="x y"']],
    ['λ🙂="🙂"', ['λ🙂="🙂"']],
    ['"λ\\x41\\u00e9"="\\x41"', ['λAé="A"']],
    ['k8s.ns.name!~"kube-.*", rule="A, B"', ['k8s.ns.name!~"kube-.*"', 'rule="A, B"']],
    ['priority >= warning', ['priority >= "warning"']],
    ['priority>=warning', ['priority >= "warning"']],
    ['{env="prod",priority < "Error"}', ['env="prod"', 'priority < "Error"']],
    ['tag has mitre_*', ['tag has "mitre_*"']],
    ['tag  not   has "a b"', ['tag not has "a b"']],
    ['fd.sip in "10.0.0.0/8, fd00::/8"', ['fd.sip in "10.0.0.0/8, fd00::/8"']],
    ['image glob"*:latest"', ['image glob "*:latest"']],
    ['has=x', ['has="x"']],
  ];
  for (const [text, wanted] of cases) assert.deepEqual(texts(text), wanted, text);
});

test('what is no matcher is refused, with the place and what was expected', () => {
  const cases: [string, RegExp][] = [
    ['env', /at character 4: an operator is expected.*it ends there/],
    ['=x', /at character 1: the name of a label is expected, found "=x"/],
    ['a b', /at character 3: an operator/],
    ['a="b', /at character 3: the quote is not closed/],
    ['a="b"c', /at character 6: a comma or the end is expected, found "c"/],
    ['{a.b="b"', /the closing '}' is expected/],
    ['a.b="b"}', /a comma or the end is expected, found "}"/],
    ['{a.b="b"}x', /nothing more is expected/],
    ['a="b",,c="d"', /at character 7: the name/],
    ['a.b="\\q"', /at character 5: the quoted text has an escape/],
    ['"a\\ud800"=b', /escape that is none/],
    ['a=~"("', /"a" =~ "\(": not a regular expression as RE2 reads it/],
    ['a=~"(?=x)"', /RE2/],
    ['a=~"x{1001}"', /RE2/],
    ['a=~"((a{0,100}){0,100}){0,100}"', /RE2|too large/],
    ['priority >= loud', /neither a priority nor a number/],
    ['ip in 10.0.0.0/33', /no address or network/],
    ['ip in localhost', /no address or network/],
    ['tag has ""', /empty text/],
    ['a\ud800=b', /not valid Unicode/],
    [`a=${'x'.repeat(20_000)}`, /longer than/],
  ];
  for (const [text, message] of cases)
    assert.throws(
      () => parseMatchers(text),
      (error) => {
        assert.ok(error instanceof MatcherError, text);
        assert.match(error.message, message, text);
        return true;
      },
    );
});

test('what is written reads the same, whatever is in names and values', () => {
  const names = [
    ...[
      'a',
      'ü λ',
      'fd.sip',
      'a>b',
      '<',
      '>=',
      'a<=b',
      'x in',
      'not',
      'has',
      '"',
      "it's",
      '`',
      '{x}',
    ],
    ...['a,b', 'a=~b', '\\', '\\n', 'a\nb', '__proto__', '\u0000', '\u2028', '#', '(', 'true', '1'],
  ];
  const values = [
    '',
    'x',
    'a"b',
    'a\\b',
    'a\nb',
    'a\tb',
    ',',
    '{}',
    ' x ',
    '\u0000',
    '\u2028',
    'ü',
    '10.0.0.0/8',
  ];
  const more = ['>=', 'has', 'not glob', 'in'] as const;
  for (const name of names) {
    const conditions = [
      ...(['=', '!=', '=~', '!~'] as const).flatMap((operator) =>
        values.map((value) =>
          build(name, operator, operator.endsWith('~') ? `${value}|\\d\\.` : value),
        ),
      ),
      ...more.map((operator) => build(name, operator, operator === 'in' ? '::1' : '1')),
    ];
    for (const one of conditions) {
      const [read, another] = parseMatchers(String(one));
      assert.deepEqual(
        [read?.name, read?.operator, read?.value, another],
        [one.name, one.operator, one.value, undefined],
        String(one),
      );
    }
  }
});

test('one matcher is one: no braces, no second, and commas belong to an unquoted value', () => {
  assert.equal(String(parseMatcher('a=b,c')), 'a="b,c"');
  for (const text of ['', '{a="b"}', 'a.b="c",d.e="f"'])
    assert.throws(() => parseMatcher(text), MatcherError, text);
});

test('conditions hold as in Alertmanager; a missing label is an empty one', () => {
  const cases: [string, Record<string, string>, boolean][] = [
    ['a=x', { a: 'x' }, true],
    ['a=x', {}, false],
    ['a=""', {}, true],
    ['a!=x', {}, true],
    ['a!~x', {}, true],
    ['a=~".*"', {}, true],
    ['a=~".+"', {}, false],
    ['a=~"b|cd"', { a: 'cd' }, true],
    ['a=~"b|cd"', { a: 'bcd' }, false],
    ['a=~"x.y"', { a: 'x\ny' }, false],
    ['a=~"x.y"', { a: 'x\u2028y' }, true],
    ['a=~"(?s)x.y"', { a: 'x\ny' }, true],
    ['a=~"(?i)warn"', { a: 'WARN' }, true],
    ['a=~"x"', { a: 'x\n' }, false],
    ['a=~"a)|(b"', { a: 'axx' }, true],
    ['a!~"prod-.*"', { a: 'prod-1' }, false],
    ['priority >= warning', { priority: 'Critical' }, true],
    ['priority >= Warning', { priority: 'warning' }, true],
    ['priority >= warning', { priority: 'Notice' }, false],
    ['priority < notice', { priority: 'Informational' }, true],
    ['priority >= warning', {}, false],
    ['priority >= warning', { priority: '3' }, false],
    ['port > 1023', { port: '8080' }, true],
    ['port <= 1023', { port: '22' }, true],
    ['port <= 1023', { port: '' }, false],
    ['tag has mitre_*', { tags: 'container,mitre_execution' }, true],
    ['tag has mitre', { tags: 'container,mitre_execution' }, false],
    ['tags has shell', { tags: 'a, shell' }, true],
    ['tag not has shell', {}, true],
    ['ip in 10.0.0.0/8', { ip: '10.2.3.4' }, true],
    ['ip in 10.0.0.0/8', { ip: '11.2.3.4' }, false],
    ['ip in "10.0.0.0/8,fd00::/8"', { ip: 'fd00::1' }, true],
    ['ip in 10.0.0.1', { ip: '10.0.0.1' }, true],
    ['ip in 0.0.0.0/0', { ip: 'none' }, false],
    ['ip not in 10.0.0.0/8', { ip: '8.8.8.8' }, true],
    ['image glob "*/nginx:?.*"', { image: 'docker.io/nginx:1.2' }, true],
    ['image glob "nginx.*"', { image: 'nginx:1' }, false],
    ['image not glob "a*"', { image: 'b' }, true],
    ['a=b', { constructor: 'b' }, false],
    ['constructor=""', {}, true],
  ];
  for (const [text, labels, holds] of cases) {
    const given = Object.assign(Object.create(null), labels);
    assert.equal(parseMatcher(text).matches(given), holds, `${text} on ${JSON.stringify(labels)}`);
  }
});

test('hostile patterns cost time linear to the value', () => {
  const evil = parseMatcher('a=~"(a+)+$|(x*x*)*y"');
  const glob = parseMatcher(`a glob "${'*a'.repeat(50)}b"`);
  const labels = { a: `${'a'.repeat(8000)}!` };
  assert.equal(evil.matches(labels), false);
  assert.equal(glob.matches(labels), false);
});
