import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Command } from 'commander';
import type { CommandContext } from '../../src/commands/context.ts';
import { silencesCommand } from '../../src/commands/silences.ts';
import { startTestControlPlane, type TestControlPlane } from '../support/control-plane.ts';

const silences =
  (plane: TestControlPlane) =>
  async (...args: string[]) => {
    let [out, err] = ['', ''];
    const context = {
      environment: { TOCSIN_CONFIG: '/dev/null' },
      out: { write: (text: string) => (out += text) },
      err: { write: (text: string) => (err += text) },
    } as unknown as CommandContext;
    const program = new Command('tocsin').exitOverride();
    silencesCommand(program, context);
    const flags = ['--url', plane.url, '--token-file', plane.adminTokenFile];
    await program.parseAsync(['silences', ...args, ...flags], { from: 'user' });
    return { out, err };
  };

test('silences are added, previewed, listed and ended', async (t: TestContext) => {
  const plane = await startTestControlPlane(t);
  const run = silences(plane);
  await plane.call('POST', '/api/v2/alerts', [{ labels: { alertname: 'Shell' } }]);
  assert.match((await run('preview', 'alertname=Shell')).err, /1 of 1 recent alerts/);
  const add = await run(
    'add',
    'alertname=Shell',
    'priority >= debug',
    '--comment',
    'tests',
    '--duration',
    '1h30m',
  );
  const id = add.out.trim();
  const listed = await run('list');
  assert.match(
    listed.out,
    new RegExp(`${id} +active .*alertname="Shell" priority >= "debug" +tests`),
  );
  assert.equal(JSON.parse((await run('show', id)).out).comment, 'tests');
  assert.match((await run('expire', id)).err, /is over/);
  assert.doesNotMatch((await run()).out, new RegExp(id));
  assert.match((await run('list', '--expired')).out, new RegExp(id));
  await assert.rejects(
    run('add', 'alertname=""', '--comment', 'x'),
    /must not match a missing label/,
  );
});
