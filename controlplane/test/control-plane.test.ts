import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { Config, loadSettings } from '@tocsin/openapi';
import pino from 'pino';
import { startControlPlane } from '../src/control-plane.ts';
import { StartupError } from '../src/errors.ts';
import { readSettings } from '../src/settings.ts';
import { EmbeddedRedis } from '../src/store/embedded.ts';
import { requestClient } from '../src/store/redis.ts';
import { noDelivery, request, startTestControlPlane, tempFolder } from './support/control-plane.ts';

/** Starts what must not start; returns the one sentence that says why. */
async function failure(folder: string, settings: Record<string, unknown>): Promise<string> {
  const tree = { listen: '127.0.0.1:0', data_dir: join(folder, 'data'), ...settings };
  const config = loadSettings(Config, { file: { name: 'test', text: JSON.stringify(tree) } });
  const logger = pino({ level: 'silent' });
  let message = '';
  await startControlPlane({ config, logger, environment: {}, startDelivery: noDelivery }).then(
    (plane) => plane.stop(),
    (error: Error) => {
      assert.ok(error instanceof StartupError, error.stack);
      message = error.message;
    },
  );
  assert.ok(!existsSync(join(folder, 'data/tocsin.pid')), 'the data directory is given back');
  return message;
}

test('each thing that keeps it from starting is one clear sentence', async (t) => {
  const folder = tempFolder(t);
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.after(() => taken.close());
  const { port } = taken.address() as { port: number };
  writeFileSync(join(folder, 'file'), '');
  const webhook = { name: 'a', kind: 'webhook', minimum_priority: 'debug', settings: { url: 1 } };
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ listen: `127.0.0.1:${port}` }, /127.0.0.1:\d+ is taken by another program/],
    [{ listen: 'nonsense' }, /listen must be host:port/],
    [{ listen: '192.0.2.1:1' }, /This host has no address 192.0.2.1/],
    [{ redis: { server: 'no-redis' } }, /no-redis was not found: install it/],
    [
      { redis: { url: 'redis://127.0.0.1:1' } },
      /redis:\/\/127.0.0.1:1 cannot be used: .*ECONNREFUSED/,
    ],
    [{ redis: { url: 'nonsense' } }, /redis.url must be a URL/],
    [{ data_dir: join(folder, 'file') }, /is not writable/],
    [{ data_dir: '/proc/tocsin' }, /is not writable/],
    [{ channels: [webhook] }, /channels\.0\.settings needs secret/],
  ];
  for (const [settings, expected] of cases) {
    const message = await failure(folder, settings);
    assert.match(message, expected);
    assert.ok(!message.includes('\n'), message);
  }
});

test('refuses a Redis that forgets, wants a password, or gets a wrong one', async (t) => {
  const folder = tempFolder(t);
  const embedded = await EmbeddedRedis.start({
    dataDir: join(folder, 'own'),
    server: 'redis-server',
    fsync: 'everysec',
  });
  t.after(() => embedded.stop());
  const client = requestClient({ socket: embedded.socket });
  await client.connect();
  t.after(() => client.disconnect());
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  await client.config('SET', 'port', port);

  const url = `redis://127.0.0.1:${port}`;
  await client.config('SET', 'maxmemory-policy', 'allkeys-lru');
  assert.match(
    await failure(folder, { redis: { url } }),
    /maxmemory-policy allkeys-lru .* set it to noeviction/,
  );
  await client.config('SET', 'maxmemory-policy', 'noeviction');
  await client.config('SET', 'requirepass', 'right');
  assert.match(await failure(folder, { redis: { url } }), /refuses the user name or password/);
  const wrong = await failure(folder, { redis: { url: `redis://:hunter2@127.0.0.1:${port}` } });
  assert.match(wrong, /refuses the user name or password/);
  assert.ok(!wrong.includes('hunter2'), 'no password is shown');
  const plane = await startTestControlPlane(t, {
    redis: { url: `redis://:right@127.0.0.1:${port}/2` },
  });
  assert.equal((await request(`${plane.url}/readyz`, 'GET')).status, 200);
});

test('stops twice, and gives everything back', async (t) => {
  const plane = await startTestControlPlane(t);
  await Promise.all([plane.stop(), plane.stop()]);
  assert.ok(!existsSync(join(plane.dataDir, 'tocsin.pid')));
  await assert.rejects(fetch(plane.url));
});

test('settings come from flags, environment and file, and a file that was named must be there', () => {
  const { config, flags } = readSettings(
    {
      config: '/dev/null',
      listen: '127.0.0.1:1',
      set: ['dedupe.window=1m', 'data_dir=x'],
      dataDir: 'y',
    },
    { TOCSIN_LISTEN: '127.0.0.1:2', TOCSIN_REDIS_FSYNC: 'everysec' },
  );
  assert.deepEqual(
    [config.listen, config.dedupe.window, config.data_dir, config.redis.fsync],
    ['127.0.0.1:1', '1m', 'y', 'everysec'],
  );
  assert.equal(flags['dedupe.window'], '1m');
  const absent = () => readSettings({}, { TOCSIN_CONFIG: '/nowhere.yaml' });
  assert.throws(absent, /\/nowhere.yaml: cannot be read: there is no such file/);
  assert.throws(
    () => readSettings({ config: '/dev/null', set: ['colour=red'] }, {}),
    /--set: there is no key 'colour'/,
  );
});

test('every problem of every channel is told where it stands in the file', (t) => {
  const name = join(tempFolder(t), 'tocsin.yaml');
  const log = (kind: string) => `  - name: a\n    kind: ${kind}\n    settings: { pth: /x }\n`;
  writeFileSync(name, `channels:\n${log('log')}${log('slak')}`);
  const told = [
    `${name}:4:17: unknown key 'pth'`,
    `${name}:6:5: there is no kind 'slak'`,
    `${name}:5:5: two channels are named 'a'`,
  ];
  assert.throws(
    () => readSettings({ config: name }, {}),
    (error: Error) => told.every((line) => error.message.includes(line)),
  );
});
