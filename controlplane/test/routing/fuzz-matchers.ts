/**
 * Feeds mutated matchers, in all notations, to the parser: it refuses them with its own error and never with another, what it takes
 * reads the same after it was written, and neither reading nor matching takes long. Run: … fuzz-matchers.js [RUNS] [SEED]
 */
import assert from 'node:assert/strict';
import { MatcherError, parseMatcher, parseMatchers } from '../../src/routing/matcher.ts';
import type { Labels } from '../../src/routing/types.ts';
import { maybeMatcher, Random } from '../conformance/generate.ts';

const [, , runs = '1000000', seed = String(Date.now() % 1_000_000)] = process.argv;
/** Far above what the slowest needs, so that only a real blow-up is reported. */
const SLOW_MS = 2000;
const PIECES = [
  ...[
    '{',
    '}',
    '"',
    '""',
    "'",
    '`',
    '\\',
    '\\\\',
    '\\"',
    '\\x',
    '\\xff',
    '\\u00e9',
    '\\U0010ffff',
    '\\777',
  ],
  ...[
    '=',
    '!=',
    '=~',
    '!~',
    '>=',
    '<=',
    '>',
    '<',
    ' has ',
    ' not has ',
    ' in ',
    ' not in ',
    ' glob ',
  ],
  ...[',', ', ', ' ', '\n', '\t', '\0', '\u0085', '\u2028', '\ud800', '\u{1f512}', 'ü', 'é'],
  ...[
    '__proto__',
    'constructor',
    'priority',
    'warning',
    'tag',
    'fd.sip',
    '10.0.0.0/8',
    '::/0',
    '1e999',
  ],
  ...[
    '(a+)+$',
    '(a|a)*b',
    '(((a{30}){30}){30})',
    '[',
    '(?i)',
    '(?<=a)',
    '\\1',
    '.*',
    '*',
    '?',
    '***********',
  ],
  'a'.repeat(40),
];
/** What regular expressions and globs that backtrack are slow for. */
const LABELS = [
  { a: 'a'.repeat(5000), b: 'b', priority: 'Error', 'fd.sip': '10.1.2.3', tags: 'x,y' },
  { env: `${'a'.repeat(5000)}!`, team: '', ü: 'é' },
].map((labels): Labels => Object.assign(Object.create(null), labels));

const random = new Random(Number(seed));
process.stdout.write(`${runs} texts, seed ${seed}\n`);
let [taken, slowest] = [0, 0];
for (let run = 0; run < Number(runs); run++) {
  let text = random.chance(0.5) ? maybeMatcher(random) : '';
  for (let more = random.below(6); more > 0; more--) {
    const at = random.below(text.length + 1);
    text = text.slice(0, at) + random.pick(PIECES) + text.slice(at + random.below(2));
  }
  if (random.chance(0.001)) text = `a=~"${text.repeat(1000)}"`;
  const from = performance.now();
  try {
    const one = random.chance(0.3);
    const read = one ? [parseMatcher(text)] : parseMatchers(text);
    const written = read.map(String);
    assert.deepEqual(
      written.flatMap((again) => parseMatchers(again).map(String)),
      written,
    );
    for (const labels of LABELS) for (const matcher of read) matcher.matches(labels);
    taken++;
  } catch (error) {
    if (!(error instanceof MatcherError)) {
      process.stdout.write(`run ${run}, seed ${seed}: ${JSON.stringify(text.slice(0, 500))}\n`);
      throw error;
    }
  }
  const took = performance.now() - from;
  slowest = Math.max(slowest, took);
  if (took > SLOW_MS)
    throw new Error(`${Math.round(took)} ms for ${JSON.stringify(text.slice(0, 500))}`);
}
assert.equal(Object.keys(Object.prototype).length, 0);
process.stdout.write(`${taken} taken, the slowest took ${slowest.toFixed(1)} ms\n`);
