import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runKills } from './kills.ts';

test('workers killed in mid-send lose nothing, keep the order, and mark what came twice', async (t) => {
  const report = await runKills(15);
  t.diagnostic(JSON.stringify(report));
  assert.equal(report.kills, 15);
});
