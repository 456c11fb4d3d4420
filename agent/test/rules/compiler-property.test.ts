import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { textOf } from '../../src/rules/byte-string.ts';
import { compileCondition } from '../../src/rules/compile-condition.ts';
import { compileRules } from '../../src/rules/compile-rules.ts';
import { successOf } from '../../src/rules/compiler/failure.ts';
import { interpretCondition } from '../../src/rules/compiler/interpreter.ts';
import { FieldBinder } from '../../src/rules/compiler/operand-reader.ts';
import { eventTypesOf } from '../../src/rules/condition/event-type-set.ts';
import { ConditionResolver } from '../../src/rules/condition/resolve.ts';
import type { FieldReference } from '../../src/rules/field.ts';
import { FieldRegistry } from '../../src/rules/fields/registry.ts';
import type { ConditionNode } from '../../src/rules/language/ast.ts';
import { parseCondition } from '../../src/rules/language/parser.ts';
import { printCondition } from '../../src/rules/language/print.ts';
import type { LoadedRule } from '../../src/rules/loader/rule-set.ts';
import { type FieldMap, MapSource } from '../../src/rules/map-source.ts';
import { condition, event, NUMBER_FIELDS, TEXT_FIELDS } from './random-condition.ts';

const source = new MapSource();

function shape(node: ConditionNode): unknown {
  return JSON.parse(JSON.stringify(node, (key, value) => (key === 'offset' ? undefined : value)));
}

function loadedRule(name: string, node: ConditionNode): LoadedRule {
  const resolved = new ConditionResolver().resolve(node);
  return {
    name,
    description: '',
    source: 'syscall',
    priority: 'Notice',
    tags: [],
    enabledByDefault: true,
    condition: resolved,
    output: '',
    outputParts: [],
    extraFields: [],
    eventTypes: eventTypesOf(resolved),
    capture: false,
    captureDuration: 0,
    location: { file: '', line: 1, column: 1 },
  };
}

/** What Falco's indexing and order of rules come to, written plainly. */
function expectedMatches(
  rules: readonly LoadedRule[],
  of: FieldMap,
  matching: 'first' | 'all',
): string[] {
  const type = source.typeOf(of);
  const holds = (rule: LoadedRule): boolean =>
    interpretCondition(rule.condition, new FieldBinder(source).read)(of);
  const indexed = rules.filter(({ eventTypes }) => eventTypes === 'all' || eventTypes.has(type));
  const rest = rules.filter(({ eventTypes }) => eventTypes !== 'all' && eventTypes.size === 0);
  for (const group of [indexed, rest]) {
    const found = group.filter(holds).map(({ name }) => name);
    if (found.length > 0) return matching === 'first' ? found.slice(0, 1) : found;
  }
  return [];
}

test('a printed condition reads back to the same tree', () => {
  fc.assert(
    fc.property(condition, (node) => {
      assert.deepEqual(shape(parseCondition(printCondition(node))), shape(node));
    }),
    { numRuns: 3000 },
  );
});

test('a compiled condition decides as the interpreter does', () => {
  fc.assert(
    fc.property(condition, fc.array(event, { minLength: 3, maxLength: 8 }), (node, events) => {
      const resolved = new ConditionResolver().resolve(node);
      const interpreted = interpretCondition(resolved, new FieldBinder(source).read);
      const compiled = compileCondition(textOf(printCondition(node)), source);
      for (const each of events) assert.equal(compiled(each), interpreted(each));
    }),
    { numRuns: 2000 },
  );
});

test('compiled rules match what their conditions and order say, in both modes', () => {
  fc.assert(
    fc.property(
      fc.array(condition, { minLength: 1, maxLength: 6 }),
      fc.array(event, { minLength: 3, maxLength: 8 }),
      (nodes, events) => {
        const rules = nodes.map((node, index) => loadedRule(`r${index}`, node));
        const loaded = { ruleset: { rules, enabled: rules }, registry: new FieldRegistry() };
        for (const matching of ['first', 'all'] as const) {
          const compiled = compileRules(loaded, source, { matching });
          for (const each of events) {
            const found = compiled.match(each).map(({ name }) => name);
            assert.deepEqual(found, expectedMatches(rules, each, matching));
          }
        }
      },
    ),
    { numRuns: 1000 },
  );
});

test('what the static analysis leaves out can never match', () => {
  fc.assert(
    fc.property(condition, event, (node, of) => {
      const resolved = new ConditionResolver().resolve(node);
      const types = eventTypesOf(resolved);
      // Events of unknown types, and sets that are empty, are looked at elsewhere.
      if (
        types === 'all' ||
        types.has(source.typeOf(of)) ||
        source.typeOf(of) === 'not_a_known_type'
      )
        return;
      assert.equal(interpretCondition(resolved, new FieldBinder(source).read)(of), false);
    }),
    { numRuns: 2000 },
  );
});

test('failed calls that can match are wanted', () => {
  const failed = fc.tuple(event, fc.constantFrom(-1, -2, -115)).map(([fields, result]) => {
    const changed = new Map(fields);
    changed.set('evt.rawres', result);
    // Only calls that make a descriptor leave it at -1.
    if (changed.has('fd.num') && /^open/.test(String(changed.get('evt.type'))))
      changed.set('fd.num', -1);
    return changed;
  });
  fc.assert(
    fc.property(condition, fc.array(failed, { minLength: 3, maxLength: 8 }), (node, events) => {
      const rules = [loadedRule('r', node)];
      const loaded = { ruleset: { rules, enabled: rules }, registry: new FieldRegistry() };
      const compiled = compileRules(loaded, source, { matching: 'all' });
      for (const each of events) {
        if (compiled.match(each).length > 0) assert.ok(compiled.wantsFailures(source.typeOf(each)));
      }
    }),
    { numRuns: 1500 },
  );
});

test('what is decided from a part of an event holds for every event that agrees in it', () => {
  const FIELDS = [
    ...TEXT_FIELDS,
    ...NUMBER_FIELDS,
    'evt.is_open_read',
    'fd.types',
    'fd.ip',
    'fd.sip',
  ];
  fc.assert(
    fc.property(
      condition,
      fc.subarray(FIELDS),
      event,
      fc.array(event, { minLength: 4, maxLength: 8 }),
      (node, names, seen, others) => {
        const rules = [loadedRule('r', node)];
        const loaded = { ruleset: { rules, enabled: rules }, registry: new FieldRegistry() };
        const compiled = compileRules(loaded, source, { matching: 'all' });
        const known = new Set(names);
        const textOfField = ({ definition, argument }: FieldReference) =>
          argument === undefined ? definition.name : `${definition.name}[${argument}]`;
        const couldMatch = compiled.couldMatch({ knows: (field) => known.has(textOfField(field)) });
        if (couldMatch(seen)) return;
        for (const other of others) {
          const like = new Map([...other].filter(([name]) => !known.has(name)));
          for (const [name, value] of seen)
            if (known.has(name) || name === 'evt.type') like.set(name, value);
          assert.equal(compiled.match(like).length, 0);
        }
      },
    ),
    { numRuns: 3000 },
  );
});

test('opens that succeeded and can match are wanted', () => {
  const succeeded = fc.tuple(event, fc.constantFrom(0, 1, 443)).map(([fields, result]) => {
    const changed = new Map(fields);
    changed.set('evt.rawres', result);
    changed.set('fd.num', result);
    return changed;
  });
  fc.assert(
    fc.property(condition, fc.array(succeeded, { minLength: 3, maxLength: 8 }), (node, events) => {
      const rules = [loadedRule('r', node)];
      const loaded = { ruleset: { rules, enabled: rules }, registry: new FieldRegistry() };
      const compiled = compileRules(loaded, source, { matching: 'all' });
      const couldMatch = compiled.couldMatch({ knows: () => false, assume: successOf });
      for (const each of events) if (compiled.match(each).length > 0) assert.ok(couldMatch(each));
    }),
    { numRuns: 1500 },
  );
});

test('alternatives on one field are decided together as they are one by one', () => {
  const short = fc.stringMatching(/^[ab/]{0,4}$/);
  // Texts that share a part are searched for together.
  const word = fc.oneof(
    short,
    fc.tuple(short, short).map(([before, after]) => `${before}aba${after}`),
  );
  const check = fc
    .tuple(fc.constantFrom('=', 'startswith', 'endswith', 'contains'), fc.boolean(), word)
    .map(([operator, negated, text]) => `${negated ? 'not ' : ''}proc.name ${operator} "${text}"`);
  const joined = fc
    .tuple(fc.array(check, { minLength: 2, maxLength: 10 }), fc.constantFrom(' or ', ' and '))
    .map(([checks, by]) => checks.join(by));
  fc.assert(
    fc.property(joined, fc.array(word, { minLength: 5, maxLength: 10 }), (text, names) => {
      const compiled = compileCondition(text, source);
      const resolved = new ConditionResolver().resolve(parseCondition(text));
      const interpreted = interpretCondition(resolved, new FieldBinder(source).read);
      for (const name of [undefined, ...names]) {
        const each = new Map(name === undefined ? [] : [['proc.name', name]]);
        assert.equal(compiled(each), interpreted(each));
      }
    }),
    { numRuns: 2000 },
  );
});

test('what does not depend on late fields is decided whatever they turn out to be', () => {
  const lateFields = new Set(['proc.name', 'fd.name']);
  const without = (of: FieldMap): FieldMap =>
    new Map([...of].filter(([name]) => !lateFields.has(name.replace(/\[.*/, ''))));
  let settled = 0;
  fc.assert(
    fc.property(
      fc.array(condition, { minLength: 1, maxLength: 4 }),
      event,
      fc.array(event, { minLength: 6, maxLength: 6 }),
      (nodes, first, others) => {
        const rules = nodes.map((node, index) => loadedRule(`r${index}`, node));
        const loaded = { ruleset: { rules, enabled: rules }, registry: new FieldRegistry() };
        const compiled = compileRules(loaded as never, source, { matching: 'all', lateFields });
        const base = without(first);
        if (compiled.dependsOnLate(base)) return;
        settled++;
        const names = (of: FieldMap) => compiled.match(of).map(({ name }) => name);
        const now = names(base);
        for (const other of others) {
          const late = [...other].filter(([name]) => lateFields.has(name));
          assert.deepEqual(names(new Map([...base, ...late])), now);
        }
      },
    ),
    { numRuns: 2000 },
  );
  assert.ok(settled > 500, `${settled} verdicts were known at once`);
});
