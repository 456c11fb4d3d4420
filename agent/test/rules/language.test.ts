import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConditionNode } from '../../src/rules/language/ast.ts';
import { ConditionError, positionOf } from '../../src/rules/language/condition-error.ts';
import { parseCondition } from '../../src/rules/language/parser.ts';
import { printCondition } from '../../src/rules/language/print.ts';

const ACCEPTED = [
  'a',
  'a and b',
  'a and notb',
  'macro and not_macro',
  'and_macro',
  'a and(b)',
  '(a)and(b)',
  '(a) and(b)',
  'not not(a)',
  'not not a',
  'not(a)',
  'not (a)',
  'a or b and not c',
  ' \t\n( a )\r\n',
  'a.b = not',
  'fd.name=*.log',
  'a.a existsand m',
  'a.b exists',
  'a.b = c',
  'a.b == c',
  'a.b != c',
  "a.b = 'c d'",
  'a.b = "c \\" d"',
  "a.b = 'c \\' d'",
  'a.b = /usr/[x]:!<>\\',
  '(a.b endswith \\)',
  'a.b < 5',
  'a.b <= -5',
  'a.b > +5.',
  'a.b >= 1.5e+3',
  'a.b < 0x1F',
  'a.b in ()',
  'a.b in (c)',
  'a.b in ( c , "d e" )',
  'a.b in(c)',
  'a.b infoo',
  'a.b in foo',
  'a.b intersects (c)',
  'a.b pmatch (/a, /b)',
  'a.b glob /a/*',
  'a.b iglob x',
  'a.b contains x',
  'a.b icontains x',
  'a.b bcontains cafe',
  'a.b startswith x',
  'a.b bstartswith ca',
  'a.b endswith x',
  'a.b regex x.*',
  'a.b[c] = d',
  'a.b["c d"] = e',
  "a.b['c'] = e",
  'a.b[""] exists',
  'a.b[a(b){c}|d*./e] exists',
  'tolower(a.b) = c',
  'toupper(a.b) in (c, d)',
  'len(toupper(join("-",(a.b,"x")))) > 3',
  'join("-",()) = ""',
  'concat(a.b, "x", 5, 0x1) = y',
  'getopt(a.b, "ab:")[a] = x',
  'a.b = val(c.d)',
  'a.b = val( c.d )',
  'a.b = val(c.d)[1]',
  'a.b = toupper(c.d)',
  'a.b in toupper(c.d)',
  'a.b in val(c.d)',
  'a.b < val(c.d)',
  'a.b = oneof (c, d)',
  'a.b == anyof foo',
  'a.b startswith allof ()',
  'a.b = oneof',
  'a.b = anyof and x',
  'a.b != allof (a) or y',
  'a.b = oneof_x',
];

const REJECTED: readonly (readonly [string, string, number?])[] = [
  ['', 'filter input string is empty'],
  ['a andb', "expected blank or '(' after 'and'", 5],
  ['a orb', "expected blank or '(' after 'or'"],
  ['aand b', "unexpected token after 'aand', expecting 'or', 'and'", 5],
  ['a and or b', "unexpected token after 'or', expecting 'or', 'and'"],
  ['a notb', "unexpected token after 'a', expecting 'or', 'and'"],
  ['(a)andnot(b)', "expected blank or '(' after 'and'"],
  ['a.b === c', 'expected a string value'],
  ['a.b !== c', 'expected a string value'],
  ['(a', "expected a ')' token", 2],
  ['a)', "unexpected token after 'a', expecting 'or', 'and'", 1],
  ['()', "expected a '(' token, a field check, or an identifier", 1],
  ['a.b', 'expected a valid check operator: one of exists, '],
  ['a.b CONTAINS c', 'expected a valid check operator'],
  ['a.b containsx', 'expected a valid check operator'],
  ['a.b < x', 'expected a number value'],
  ['a.b < 1abc', "unexpected token after '1', expecting 'or', 'and'"],
  ['a.b < 1e3', "unexpected token after '1', expecting 'or', 'and'"],
  ['a.b in (a', "expected a ')' token"],
  ['a.b in (a,)', 'expected a string value'],
  ['a.b in "x"', 'expected a list, an identifier, or a field with a valid transformer'],
  ['a.b = "x', 'expected a string value'],
  ['a.b = "a\\\\"', 'expected a string value'],
  ['a.b = "\\q"', 'unsupported string escape sequence: \\q'],
  ['a.b = "\\\'"', 'invalid \\\' escape in "-quoted string'],
  ['a.b = "\\x1"', 'truncated hex char escape sequence'],
  ['a.b = "\\xzz"', 'invalid hex char escape sequence: zz'],
  ['a.b[c', "expected a ']' token"],
  ['a.b[] = x', 'expected a valid field argument: a quoted string or a bare string'],
  ['a.b [c] = x', 'expected a valid check operator'],
  ['val(a.b) = c', "unexpected token after 'val', expecting 'or', 'and'"],
  ['toupper (a.b) = c', "unexpected token after 'toupper', expecting 'or', 'and'"],
  ['a.b = val(toupper(c.d))', "expected a field within 'val' transformer"],
  ['a.b ==oneof (a)', "unexpected token after 'oneof', expecting 'or', 'and'"],
  ['a.b == oneof(a)', "unexpected token after 'oneof', expecting 'or', 'and'"],
  ['a.b == ONEOF (a)', "unexpected token after 'ONEOF', expecting 'or', 'and'"],
  ['a.b > oneof (a)', 'expected a number value'],
  ['a.b in oneof (a)', "unexpected token after 'oneof', expecting 'or', 'and'"],
  ['join("-",(("x"))) = y', "expected a ')' token"],
  [`${'('.repeat(100_000)}a`, 'exceeded max depth limit of 1000'],
];

test('conditions are read as Falco reads them', async (context) => {
  for (const text of ACCEPTED) {
    await context.test(JSON.stringify(text), () => {
      const tree = parseCondition(text);
      assert.deepEqual(shape(parseCondition(printCondition(tree))), shape(tree));
    });
  }
});

test('what is no condition is refused with Falco’s message and place', async (context) => {
  for (const [text, message, offset] of REJECTED) {
    await context.test(JSON.stringify(text.slice(0, 60)), () => {
      assert.throws(
        () => parseCondition(text),
        (error) => {
          assert.ok(error instanceof ConditionError);
          assert.ok(error.message.startsWith(message), error.message);
          if (offset !== undefined) assert.equal(error.offset, offset);
          return true;
        },
      );
    });
  }
});

/** A tree without places. */
function shape(node: ConditionNode): unknown {
  return JSON.parse(JSON.stringify(node, (key, value) => (key === 'offset' ? undefined : value)));
}

test('chains are flat, parentheses keep their own node, and not counts by parity', () => {
  assert.equal(printCondition(parseCondition('a and b and c or d')), '((a and b and c) or d)');
  assert.equal(printCondition(parseCondition('a and (b and c)')), '(a and (b and c))');
  assert.equal(printCondition(parseCondition('not not not a')), 'not a');
  assert.equal(printCondition(parseCondition('not(not a)')), 'not(not a)');
  assert.equal(parseCondition('((a))').kind, 'macro');
});

test('199 nested parentheses fit into the depth limit, 201 do not', () => {
  const nested = (count: number) => `${'('.repeat(count)}a${')'.repeat(count)}`;
  assert.equal(parseCondition(nested(199)).kind, 'macro');
  assert.throws(() => parseCondition(nested(201)), /exceeded max depth limit/);
});

test('escapes of quoted strings, among them the backslash written as backslash and blank', () => {
  const value = (text: string): string => {
    const tree = parseCondition(text);
    assert.ok(tree.kind === 'compare' && tree.right.kind === 'value');
    return tree.right.text;
  };
  assert.equal(value('a.b contains "\\ "'), '\\');
  assert.equal(value('a.b = "\\x41\\n\\t\\/\\\\x"'), 'A\n\t/\\x');
  assert.equal(value('a.b = \'say "hi"\''), 'say "hi"');
  assert.equal(value('a.b endswith \\)'.slice(0, -1)), '\\');
});

test('places count lines and columns from one, and characters rather than bytes', () => {
  assert.deepEqual(positionOf('ab\ncd', 4), { line: 2, column: 2 });
  assert.deepEqual(positionOf('ab', 0), { line: 1, column: 1 });
  // Two bytes of UTF-8 are one column.
  assert.deepEqual(positionOf('\xc3\xa9x', 2), { line: 1, column: 2 });
});
