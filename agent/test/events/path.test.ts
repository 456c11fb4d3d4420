import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  absolute,
  baseName,
  directoryOf,
  fold,
  withoutDoubledSlashes,
} from '../../src/events/path.ts';

describe('paths', () => {
  const folded: [string, string][] = [
    ['/', '/'],
    ['//', '/'],
    ['/a/b', '/a/b'],
    ['/a/./b/', '/a/b'],
    ['/a/../../b', '/b'],
    ['/..', '/'],
    ['/a//b///c', '/a/b/c'],
    ['/a/...', '/a/...'],
    ['/a/..b/c.', '/a/..b/c.'],
    ['/a\n/../b', '/b'],
  ];
  for (const [given, expected] of folded) {
    it(`folds ${JSON.stringify(given)}`, () => assert.equal(fold(given), expected));
  }

  it('starts relative paths at their directory', () => {
    assert.equal(absolute('x', '/'), '/x');
    assert.equal(absolute('../x', '/a/b'), '/a/x');
    assert.equal(absolute('/x', '/a'), '/x');
    assert.equal(absolute('x', ''), '<UNKNOWN>x');
  });

  it('splits at the last slash', () => {
    assert.equal(directoryOf('/a/b'), '/a');
    assert.equal(directoryOf('/a'), '/');
    assert.equal(baseName('/a/b'), 'b');
    assert.equal(withoutDoubledSlashes('//a///b'), '/a/b');
  });

  it('folds to what has nothing left to fold', () => {
    const part = fc.constantFrom('a', 'bc', '.', '..', '', '...');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const once = fold(`/${parts.join('/')}`);
        assert.equal(fold(once), once);
        assert.match(once, /^\/(?:[^/]+(?:\/[^/]+)*)?$/);
        assert.ok(!once.split('/').some((one) => one === '.' || one === '..'));
      }),
    );
  });
});
