import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { releaseMemory } from '../src/probe/release-memory.ts';

test('what nothing uses any more is collected', async () => {
  const unused = new WeakRef({});
  await setImmediate();
  await releaseMemory();
  assert.equal(unused.deref(), undefined);
});
