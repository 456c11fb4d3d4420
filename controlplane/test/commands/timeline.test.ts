import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import type { CommandContext } from '../../src/commands/context.ts';
import { timelineCommand } from '../../src/commands/timeline.ts';
import { startTestControlPlane } from '../support/control-plane.ts';

test('an alert that no channel takes is told as the ledger counts it', async (t) => {
  const plane = await startTestControlPlane(t);
  await plane.call('POST', '/api/v2/alerts', [{ labels: { alertname: 'Shell' } }]);
  const [{ id }] = (await plane.call('GET', '/v1/alerts')).body.items;
  assert.equal((await plane.call('GET', `/v1/alerts/${id}/timeline`)).body.outcome, 'unrouted');
  assert.equal((await plane.call('GET', '/v1/ledger')).body.outcomes.unrouted, 1);
});

test('timeline tells the story of the newest alert, of a rule or of an id', async (t) => {
  const plane = await startTestControlPlane(t, {
    channels: [{ name: 'nobody', none: {} }],
    route: { receiver: 'nobody', group_by: ['rule'], group_wait: '1h' },
  });
  const run = async (...args: string[]) => {
    let out = '';
    const context = {
      environment: { TOCSIN_CONFIG: '/dev/null' },
      out: { write: (text: string) => (out += text) },
    } as unknown as CommandContext;
    const program = new Command('tocsin').exitOverride();
    timelineCommand(program, context);
    const flags = ['--url', plane.url, '--token-file', plane.adminTokenFile];
    await program.parseAsync(['timeline', ...args, ...flags], { from: 'user' });
    return out;
  };
  await assert.rejects(run(), /There is no alert\./);
  await plane.call('POST', '/api/v2/alerts', [{ labels: { alertname: 'Shell' } }]);
  const [first] = (await plane.call('GET', '/v1/alerts')).body.items;
  await plane.call('POST', '/api/v2/alerts', [{ labels: { alertname: 'Other' } }]);
  const newest = await run();
  assert.match(newest, /^\S+ \S+ +\S+ Other/);
  assert.match(newest, /^AT +WHAT +CHANNEL +BY +DETAIL +ROUTE$/m);
  assert.match(newest, /^\S+ +received /m);
  assert.match(newest, /^\S+ +next: \S+.* nobody /m);
  assert.match(newest, /^outcome: pending\n$/m);
  assert.match(await run(first.id), /^\S+ \S+ +\S+ Shell/);
  assert.equal(await run('--rule', 'Shell'), await run(first.id));
  assert.equal(JSON.parse(await run(first.id, '--json')).outcome, 'pending');
  await assert.rejects(run('--rule', 'None'), /There is no alert of 'None'\./);
  await assert.rejects(run('a/b'), /There is no alert/);
});
