import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { request, tempFolder } from '../support/control-plane.ts';
import { until } from '../support/state.ts';

const program = join(import.meta.dirname, '../../../../tocsin.js');
const config = (receiver: string) => `
listen: 127.0.0.1:0
redis: { fsync: everysec }
route: { receiver: ${receiver} }
receivers: [{ name: one }, { name: two }]
`;

test('a changed file is taken at once or at SIGHUP, and a broken one leaves the old in force', async (t) => {
  const folder = tempFolder(t);
  const file = join(folder, 'tocsin.yaml');
  /** Nobody reads half of it. */
  const write = (text: string) => {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  };
  write(config('one'));
  const { PATH = '' } = process.env;
  const child = spawn(process.execPath, [program, 'server'], { cwd: folder, env: { PATH } });
  const ended = once(child, 'close');
  t.after(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk;
  });
  await until(async () => /ready: (\S+)/.test(out), 'it is ready');
  const url = String(/ready: (\S+)/.exec(out)?.[1]);
  const token = readFileSync(join(folder, 'data/admin.token'), 'utf8').trim();
  const get = (path: string) =>
    request(url + path, 'GET', undefined, { authorization: `Bearer ${token}` });
  const receiver = async () => (await get('/v1/routes')).body.route.receiver;
  assert.equal(await receiver(), 'one');

  write(config('two'));
  await until(async () => (await receiver()) === 'two', 'the change is taken');
  await until(async () => err.includes('was read again'), 'it is told');

  write(config('nobody'));
  await until(async () => err.includes("no receiver named 'nobody'"), 'the mistake is told');
  assert.match(err, /tocsin\.yaml:4:\d+: there is no receiver named 'nobody'/);
  assert.equal(await receiver(), 'two');
  const isCounted = (ok: number) =>
    until(
      async () => (await get('/metrics')).body.includes(`\ntocsin_config_reload_ok ${ok}\n`),
      `the metric says ${ok}`,
    );
  await isCounted(0);

  err = '';
  child.kill('SIGHUP');
  await until(async () => err.includes('is not taken'), 'the signal reads it again');
  write(`${config('three')}channels: [{ name: three, log: {} }]\n`);
  await until(async () => (await receiver()) === 'three', 'a new channel and its route are taken');
  await isCounted(1);

  const ask = (bearer: string) =>
    request(`${url}/-/reload`, 'POST', undefined, { authorization: `Bearer ${bearer}` });
  const named = await request(
    `${url}/v1/tokens`,
    'POST',
    { name: 'reads', role: 'reader' },
    {
      authorization: `Bearer ${token}`,
    },
  );
  assert.equal((await ask(named.body.token)).status, 403);
  write(config('nobody'));
  const answer = await ask(token);
  assert.equal(answer.status, 500);
  assert.match(answer.body, /no receiver named 'nobody'/);
  write(config('one'));
  assert.equal((await ask(token)).status, 200);
  assert.equal(await receiver(), 'one', 'the answer comes when it is in force');

  const more = 'silences: { max_duration: 1h }\nretention: { alerts: 1d }\nlog_level: error\n';
  write(`${config('two')}${more}`);
  const waiting = /only read at the start: log_level, retention\.alerts$/m;
  await until(async () => waiting.test(err), 'what waits for a restart is told');
  const silence = { matchers: ['a=b'], duration: '2h', comment: 'x' };
  const authorization = `Bearer ${token}`;
  const refused = await request(`${url}/v1/silences`, 'POST', silence, { authorization });
  assert.match(refused.body.detail, /longer than the 1h allowed/);
});
