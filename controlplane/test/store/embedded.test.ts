import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { EmbeddedRedis } from '../../src/store/embedded.ts';
import { requestClient } from '../../src/store/redis.ts';
import { tempFolder } from '../support/control-plane.ts';
import { until } from '../support/state.ts';

const options = (dataDir: string) => ({
  dataDir,
  server: 'redis-server',
  fsync: 'always' as const,
});

async function withClient<T>(
  embedded: EmbeddedRedis,
  use: (client: ReturnType<typeof requestClient>) => Promise<T>,
) {
  const client = requestClient({ socket: embedded.socket });
  try {
    await client.connect();
    return await use(client);
  } finally {
    client.disconnect();
  }
}

/** Whether the process runs; one that ended and was not yet waited for does not. */
const alive = (pid: number) => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat[stat.lastIndexOf(')') + 2] !== 'Z';
  } catch {
    return false;
  }
};

test('keeps its data over a restart, has no TCP port, and is private', async (t) => {
  const folder = tempFolder(t);
  const first = await EmbeddedRedis.start(options(folder));
  await withClient(first, async (client) => {
    await client.set('a', '1');
    assert.deepEqual(await client.config('GET', 'port'), ['port', '0']);
    assert.deepEqual(await client.config('GET', 'maxmemory-policy'), [
      'maxmemory-policy',
      'noeviction',
    ]);
    assert.deepEqual(await client.config('GET', 'appendfsync'), ['appendfsync', 'always']);
  });
  assert.equal(statSync(first.socket).mode & 0o777, 0o700);
  assert.equal(statSync(join(folder, 'redis')).mode & 0o777, 0o700);
  const pid = first.pid as number;
  await first.stop();
  await first.stop();
  assert.ok(!alive(pid));
  const second = await EmbeddedRedis.start(options(folder));
  assert.equal(await withClient(second, (client) => client.get('a')), '1');
  await second.stop();
});

test('takes another place for its socket when the path is too long for one', async (t) => {
  const folder = join(tempFolder(t), 'x'.repeat(120));
  const embedded = await EmbeddedRedis.start(options(folder));
  assert.ok(Buffer.byteLength(embedded.socket) <= 107);
  assert.equal(statSync(dirname(embedded.socket)).mode & 0o777, 0o700);
  assert.equal(await withClient(embedded, (client) => client.ping()), 'PONG');
  await embedded.stop();
  assert.throws(() => statSync(dirname(embedded.socket)), 'nothing is left behind');
});

test('starts again with its data when it is killed', async (t) => {
  const words: string[] = [];
  const embedded = await EmbeddedRedis.start({
    ...options(tempFolder(t)),
    onRestart: (last) => words.push(last),
  });
  await withClient(embedded, (client) => client.set('a', '1'));
  const pid = embedded.pid as number;
  process.kill(pid, 'SIGKILL');
  await until(async () => {
    try {
      return (await withClient(embedded, (client) => client.get('a'))) === '1';
    } catch {
      return false;
    }
  }, 'it is back');
  assert.notEqual(embedded.pid, pid);
  assert.equal(words.length, 1);
  await embedded.stop();
  assert.ok(!alive(embedded.pid as number));
});

test('starts a server that keeps dying less and less often', async (t) => {
  const folder = tempFolder(t);
  const server = join(folder, 'server');
  const script = `#!/bin/sh\n[ -e ${folder}/ran ] && exit 1\ntouch ${folder}/ran\nexec redis-server "$@"\n`;
  writeFileSync(server, script, { mode: 0o755 });
  const deaths: number[] = [];
  const embedded = await EmbeddedRedis.start({
    ...options(folder),
    server,
    onRestart: () => deaths.push(performance.now()),
  });
  process.kill(embedded.pid as number, 'SIGKILL');
  await until(async () => deaths.length >= 5, 'it died five times');
  await embedded.stop();
  // The pauses double: 50, 100, 200 and 400 ms. A timer may fire early by the rounding of its clock.
  assert.ok(Number(deaths[4]) - Number(deaths[0]) > 740, String(deaths));
});

test('ends the server that a killed process left behind, and no other', async (t) => {
  const folder = tempFolder(t);
  const source = `
    const { EmbeddedRedis } = await import(${JSON.stringify(new URL('../../src/store/embedded.js', import.meta.url).href)});
    const embedded = await EmbeddedRedis.start(${JSON.stringify(options(folder))});
    process.stdout.write(String(embedded.pid));
    setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', source]);
  const [text] = (await once(parent.stdout, 'data')) as [Buffer];
  const orphan = Number(text);
  t.after(() => alive(orphan) && process.kill(orphan, 'SIGKILL'));
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  assert.ok(alive(orphan));

  const other = await EmbeddedRedis.start(options(tempFolder(t)));
  t.after(() => other.stop());
  const next = await EmbeddedRedis.start(options(folder));
  t.after(() => next.stop());
  assert.ok(!alive(orphan));
  assert.ok(alive(other.pid as number));
});

test('says what is wrong when the program is missing or ends at once', async (t) => {
  const missing = EmbeddedRedis.start({
    ...options(tempFolder(t)),
    server: '/nowhere/redis-server',
  });
  await assert.rejects(missing, /The program \/nowhere\/redis-server was not found: install it/);
  const failing = EmbeddedRedis.start({ ...options(tempFolder(t)), server: 'false' });
  await assert.rejects(failing, /ended while starting/);
});
