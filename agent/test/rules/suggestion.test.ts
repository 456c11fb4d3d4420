import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closest } from '../../src/rules/suggestion.ts';

const KNOWN = ['fd.num', 'fd.name', 'proc.name', 'proc.pname'];

test('the nearest known name is meant, and of two as near the one that only goes on', () => {
  assert.match(closest('fd.nam', KNOWN), /'fd\.name'/);
  assert.match(closest('prc.name', KNOWN), /'proc\.name'/);
  assert.equal(closest('container.id', KNOWN), '');
});
