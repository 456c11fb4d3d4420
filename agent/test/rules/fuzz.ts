/**
 * Feeds mutated conditions, templates and rule files to the rule language: nothing may crash with anything but the errors
 * that are meant to be thrown, and nothing may take long. Run: node agent/dist/test/rules/fuzz.js [RUNS] [SEED]
 */
import { compileCondition, compileTemplate } from '../../src/rules/compile-condition.ts';
import { LineEvaluator } from '../../src/rules/evaluate-line.ts';
import { ConditionError } from '../../src/rules/language/condition-error.ts';
import { loadRules } from '../../src/rules/load-rules.ts';
import { MapSource } from '../../src/rules/map-source.ts';
import { TemplateError } from '../../src/rules/output/template.ts';

/** Far above what the slowest accepted input needs, so that only a real blow-up is reported. */
const SLOW_MILLISECONDS = 2000;

const PIECES = [
  'and',
  'or',
  'not',
  'not(',
  '(',
  ')',
  ' ',
  '\n',
  ',',
  '=',
  '==',
  '!=',
  '<',
  '<=',
  '>',
  '>=',
  'in',
  'intersects',
  'pmatch',
  'glob',
  'iglob',
  'contains',
  'icontains',
  'bcontains',
  'startswith',
  'bstartswith',
  'endswith',
  'regex',
  'exists',
  'oneof',
  'anyof',
  'allof',
  'proc.name',
  'fd.name',
  'evt.type',
  'evt.arg.flags',
  'evt.rawres',
  'fd.sip',
  'fd.snet',
  'fd.types',
  'evt.buffer',
  'proc.aname[2]',
  'evt.arg[0]',
  'proc.env["a b"]',
  'val(proc.name)',
  'toupper(proc.name)',
  'join(",", (proc.name, "x"))',
  'getopt(("-a"), "a")[a]',
  '"',
  "'",
  '\\',
  '"a b"',
  "'x'",
  '/etc/*',
  '[a-z]',
  '[',
  ']',
  '10.0.0.0/8',
  '127.0.0.1',
  '::1',
  '0x1F',
  '-1',
  '1e+3',
  '*',
  '?',
  '.*',
  '(a|b)+',
  '{2,3}',
  '%',
  '%proc.name',
  '%10evt.type',
  '\0',
  '\xff',
  'macro',
  'list',
  'open',
  'execve',
  '- rule: x\n',
  '  condition: ',
  ': ',
  '&a ',
  '*a',
];

/** JSON values of every shape, for fields of every type. */
const VALUES = [
  null,
  true,
  0,
  -1.5,
  1e300,
  '',
  'a\0b',
  '18446744073709551616',
  '::ffff:1.2.3.4',
  [],
  ['a', 5, null],
  [[['x']]],
  { a: { b: [] } },
];
const FIELDS = [
  'proc.name',
  'fd.name',
  'evt.type',
  'evt.arg.flags',
  'evt.rawres',
  'evt.buffer',
  'evt.is_io',
  'fd.sip',
  'fd.ip',
  'fd.snet',
  'fd.port',
  'fd.types',
  'proc.aname',
  'proc.aname[2]',
  'thread.cpu',
  '__proto__',
];

const RULES = `- list: shells
  items: [bash, sh]
- macro: spawned
  condition: evt.type in (execve, execveat)
- rule: one
  desc: d
  condition: spawned and proc.name in (shells)
  output: x %proc.name
  priority: WARNING
  exceptions: [{name: e, fields: [proc.name, fd.name], comps: [in, startswith], values: [[[a, b], c]]}]
- rule: one
  condition: and not fd.name startswith /x
  override: {condition: append}
`;

function makeRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function main(runs: number, seed: number): void {
  const random = makeRandom(seed);
  const source = new MapSource();
  const event = new Map<string, unknown>([
    ['evt.type', 'execve'],
    ['proc.name', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaa'],
  ]);
  const piece = (): string => PIECES[random(PIECES.length)] ?? '';
  const sentence = (): string => {
    const glue = random(4) === 0 ? '' : ' ';
    return Array.from({ length: 1 + random(24) }, piece).join(glue);
  };
  const mutated = (text: string): string => {
    let result = text;
    for (let count = 1 + random(4); count > 0; count--) {
      const at = random(result.length);
      const cut = random(3) === 0 ? random(12) : 0;
      result = result.slice(0, at) + (random(2) === 0 ? piece() : '') + result.slice(at + cut);
    }
    return result;
  };
  const evaluator = new LineEvaluator();
  const fields = () =>
    Object.fromEntries(FIELDS.map((field) => [field, VALUES[random(VALUES.length)]]));
  const check = (): string => `${FIELDS[random(FIELDS.length)]} ${piece()} ${piece()}`;
  const line = (): string =>
    JSON.stringify({
      condition: random(2) === 0 ? check() : sentence(),
      fields: fields(),
      ...(random(4) === 0 && { macros: { macro: sentence(), __proto__: check() } }),
      ...(random(4) === 0 && { lists: { list: [piece(), 'list', 'open'], open: [piece()] } }),
    });
  const attempts: readonly (() => unknown)[] = [
    () => compileCondition(sentence(), source)(event),
    () =>
      compileCondition(
        mutated('proc.name = cat and (fd.name startswith /etc or not evt.rawres >= 0)'),
        source,
      )(event),
    () =>
      compileCondition(`proc.name regex "${sentence().replaceAll(/["\\]/g, '')}"`, source)(event),
    () =>
      compileCondition(`proc.name glob "${sentence().replaceAll(/["\\]/g, '')}"`, source)(event),
    () => compileTemplate(sentence(), source)(event),
    () => loadRules([{ name: 'f', content: mutated(RULES) }]),
    () => loadRules([{ name: 'f', content: sentence() }]),
    () => JSON.parse(evaluator.evaluate(line())),
    () => JSON.parse(evaluator.evaluate(mutated(line()))),
  ];
  let refused = 0;
  for (let run = 0; run < runs; run++) {
    const attempt = attempts[run % attempts.length] ?? (() => undefined);
    const start = performance.now();
    try {
      attempt();
    } catch (error) {
      if (!(error instanceof ConditionError || error instanceof TemplateError)) {
        console.error(`run ${run} of seed ${seed} failed`);
        throw error;
      }
      refused += 1;
    }
    const took = performance.now() - start;
    if (took > SLOW_MILLISECONDS) throw new Error(`run ${run} of seed ${seed} took ${took} ms`);
  }
  console.log(`${runs} runs, ${refused} refused`);
}

main(Number(process.argv[2] ?? 1_000_000), Number(process.argv[3] ?? 1));
