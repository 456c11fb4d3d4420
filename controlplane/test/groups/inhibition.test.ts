import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Inhibition } from '../../src/routing/inhibition.ts';
import type { InhibitRule, Labels, Matcher } from '../../src/routing/types.ts';

const is = (name: string, value: string): Matcher => ({
  matches: (labels) => (labels[name] ?? '') === value,
});
const rule = (
  source: Matcher[],
  target: Matcher[],
  equal: string[],
  equalMissing: InhibitRule['equalMissing'] = 'match',
): InhibitRule => ({ name: undefined, source, target, equal, equalMissing });
const inhibits = (rules: InhibitRule[], sources: Labels[], target: Labels) =>
  new Inhibition(
    rules,
    sources.map((labels, index) => ({ fingerprint: String(index), labels })),
  ).inhibitor(target) !== undefined;

test('two rules, and alerts on both sides of one', () => {
  const rules = [
    rule([is('s1', '1')], [is('t1', '1')], ['e']),
    rule([is('s2', '1')], [is('t2', '1')], ['e']),
  ];
  const sources = [
    { s1: '1', t1: '2', e: '1' },
    { s2: '1', t2: '1', e: '1' },
  ];
  const rows: [Labels, boolean][] = [
    [{ t1: '1', e: '1' }, true],
    [{ t2: '1', e: '1' }, true],
    [{ t1: '1', t3: '1', e: '1' }, true],
    [{ t1: '1', t2: '1', e: '1' }, true],
    [{ t1: '0', e: '1' }, false],
    [{ s1: '1', t1: '1', e: '1' }, true],
    [{ s2: '1', t2: '1', e: '1' }, false],
    [{ t1: '1', e: '0' }, false],
  ];
  for (const [target, expected] of rows) {
    assert.equal(inhibits(rules, sources, target), expected, JSON.stringify(target));
  }
});

test('labels that must agree, and that both lack', () => {
  const all = [rule([is('s', '1')], [is('t', '1')], [])];
  assert.equal(inhibits(all, [], { t: '1' }), false);
  assert.equal(inhibits(all, [{ s: '1', a: 'b' }], { t: '1', a: 'c' }), true);
  const equal = (missing: 'match' | 'no_match') => [
    rule([is('s', '1')], [is('t', '1')], ['a'], missing),
  ];
  assert.equal(inhibits(equal('match'), [{ s: '1' }], { t: '1' }), true);
  assert.equal(inhibits(equal('no_match'), [{ s: '1' }], { t: '1' }), false);
  assert.equal(inhibits(equal('no_match'), [{ s: '1', a: 'b' }], { t: '1', a: 'b' }), true);
  assert.equal(inhibits(equal('match'), [{ s: '1', a: 'c' }], { t: '1', a: 'b' }), false);
});

test('agrees with the definition for any sources', () => {
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  const value = () => ['', '1', '2'][random(3)] as string;
  const labels = (): Labels => {
    const all = { s: value(), t: value(), a: value(), b: value() };
    return Object.fromEntries(Object.entries(all).filter(([, text]) => text !== ''));
  };
  for (let run = 0; run < 3000; run++) {
    const equalMissing = random(2) === 0 ? 'match' : 'no_match';
    const equal = ['a', 'b'].filter(() => random(2) === 0);
    const one = rule([is('s', '1')], [is('t', '1')], equal, equalMissing);
    const sources = Array.from({ length: random(5) }, labels);
    const target = labels();
    const both = (alert: Labels) => alert['s'] === '1' && alert['t'] === '1';
    const expected =
      target['t'] === '1' &&
      sources.some(
        (source) =>
          source['s'] === '1' &&
          !(both(source) && both(target)) &&
          equal.every((name) => {
            const [mine = '', theirs = ''] = [source[name], target[name]];
            return mine === theirs && (mine !== '' || equalMissing === 'match');
          }),
      );
    assert.equal(
      inhibits([one], sources, target),
      expected,
      JSON.stringify({ sources, target, one }),
    );
  }
});
