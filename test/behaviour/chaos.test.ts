import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runChaos } from './chaos.ts';

test('kills of replicas and of Redis lose nothing', async (t) => {
  const report = await runChaos(5, 3);
  t.diagnostic(JSON.stringify(report));
  assert.ok(report.acknowledged > 0);
  assert.ok(report.kills >= 3);
});
