/** The control plane is killed while alerts happen: the agent spools, and everything arrives later, in order, once. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { probeCapabilities } from '@tocsin/native';
import type { StoredAlert } from '@tocsin/openapi';
import { type Running, tocsin } from '../support/tocsin.ts';
import { waitFor } from '../support/wait.ts';

const { problems } = probeCapabilities();
const noProbe = problems.length > 0 ? problems.map(({ what }) => what).join('; ') : false;

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

describe('an outage of the control plane', { skip: noProbe }, async () => {
  const home = mkdtempSync(join(tmpdir(), 'tocsin-outage-'));
  const watched = join(home, 'watched');
  const running = new Set<Running>();
  const launch = (...args: string[]) => {
    const process = tocsin(args);
    running.add(process);
    return process;
  };
  after(async () => {
    await Promise.all([...running].map((process) => process.stop('SIGTERM')));
    rmSync(home, { recursive: true, force: true });
  });

  test('loses nothing, keeps the order and repeats nothing', async () => {
    const listen = `127.0.0.1:${await freePort()}`;
    const serverData = join(home, 'server');
    const serve = async () => {
      const server = launch('server', '--listen', listen, '--data-dir', serverData);
      await server.line(/ready/);
      return server;
    };
    let server = await serve();
    const token = readFileSync(join(serverData, 'admin.token'), 'utf8').trim();
    const ask = async (path: string, body?: object) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const init = body ? { method: 'POST', headers, body: JSON.stringify(body) } : { headers };
      const response = await fetch(`http://${listen}${path}`, init);
      assert.ok(response.ok, `${path}: ${response.status}`);
      return (await response.json()) as Record<string, unknown>;
    };
    const joinFile = join(home, 'join.token');
    const { join_token: joinToken } = await ask('/v1/join-tokens', {});
    writeFileSync(joinFile, String(joinToken), { mode: 0o600 });

    mkdirSync(watched);
    const rules = join(home, 'rules.yaml');
    writeFileSync(
      rules,
      `- rule: Outage test
  desc: A file below the watched folder was made.
  condition: evt.type in (open, openat, openat2, creat) and evt.is_open_write = true and fd.name startswith ${watched}/
  output: made %fd.name
  priority: WARNING
`,
    );
    const agent = launch(
      'agent',
      '--rules',
      rules,
      '--server',
      `http://${listen}`,
      '--output',
      'stdout-json',
      '--join-token-file',
      joinFile,
      '--data-dir',
      join(home, 'agent'),
    );
    await agent.line(/^ready$/m);

    const make = (from: number, to: number) => {
      const names = Array.from({ length: to - from }, (_, i) =>
        join(watched, String(from + i).padStart(4, '0')),
      );
      for (const name of names) execFileSync('sh', ['-c', ': > "$0"', name]);
    };
    const arrived = async () => {
      const seen: StoredAlert[] = [];
      for (let cursor = ''; ; ) {
        const page = await ask(
          `/v1/alerts?rule=${encodeURIComponent('Outage test')}&limit=100${cursor}`,
        );
        seen.push(...(page['items'] as StoredAlert[]));
        if (!page['next']) return seen;
        cursor = `&cursor=${encodeURIComponent(String(page['next']))}`;
      }
    };

    make(0, 20);
    await waitFor('the first alerts', async () => (await arrived()).length === 20);
    await server.stop('SIGKILL');
    running.delete(server);
    make(20, 60);
    // What was judged is spooled before it is printed; what is still in the kernel dies with the agent.
    await agent.line(/watched\/0059/);
    await agent.stop('SIGKILL');
    running.delete(agent);
    const second = launch(
      'agent',
      '--rules',
      rules,
      '--server',
      `http://${listen}`,
      '--data-dir',
      join(home, 'agent'),
    );
    await second.line(/^ready$/m);
    make(60, 80);
    server = await serve();
    await waitFor('all alerts', async () => (await arrived()).length >= 80, 60_000);
    const files = (await arrived())
      .reverse()
      .map(({ output_fields }) => String(output_fields['fd.name']).slice(-4));
    const expected = Array.from({ length: 80 }, (_, i) => String(i).padStart(4, '0'));
    assert.deepEqual(files, expected);
    assert.ok(
      (await arrived()).every(({ count }) => count === 1),
      'nothing arrived twice',
    );
  });
});
