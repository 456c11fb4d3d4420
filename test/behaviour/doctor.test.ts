/** The doctor asks a real control plane whether it knows this host. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Running, tocsin } from '../support/tocsin.ts';

const home = mkdtempSync(join(tmpdir(), 'tocsin-doctor-'));
let server: Running | undefined;
after(async () => {
  await server?.stop();
  rmSync(home, { recursive: true, force: true });
});

test('enrolment as the control plane sees it: none, then good; and nothing is stored for it', async () => {
  const serverData = join(home, 'server');
  server = tocsin(['server', '--listen', '127.0.0.1:0', '--data-dir', serverData]);
  const [, url = ''] = await server.line(/ready: (http:\/\/127\.0\.0\.1:\d+)/);
  const token = readFileSync(join(serverData, 'admin.token'), 'utf8').trim();
  const ask = async (path: string, method = 'GET') => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(method === 'POST' && { 'content-type': 'application/json' }),
      },
      ...(method === 'POST' && { body: '{}' }),
    });
    assert.ok(response.ok, `${method} ${path}: ${response.status}`);
    return (await response.json()) as Record<string, unknown>;
  };
  const dataDir = join(home, 'agent');
  const examine = async () => {
    const run = tocsin(['doctor', '--json', '--server', url, '--data-dir', dataDir]);
    await new Promise((resolve) => run.process.once('close', resolve));
    const { findings } = JSON.parse(run.stdout()) as {
      findings: { check: string; status: string; detail: string }[];
    };
    return (check: string) => findings.find((one) => one.check === check);
  };

  const before = await examine();
  assert.equal(before('control plane')?.status, 'ok');
  assert.equal(before('enrolment')?.status, 'failed');
  assert.equal(before('clock skew')?.status, 'ok');

  const { join_token: joinToken } = await ask('/v1/join-tokens', 'POST');
  const tokenFile = join(home, 'token');
  writeFileSync(tokenFile, String(joinToken), { mode: 0o600 });
  const enroll = tocsin([
    ...['enroll', '--server', url, '--token-file', tokenFile, '--data-dir', dataDir],
  ]);
  const [, agent = ''] = await enroll.line(/as agent (\S+),/);
  const enrolled = await examine();
  assert.equal(enrolled('enrolment')?.status, 'ok', JSON.stringify(enrolled('enrolment')));
  assert.match(enrolled('enrolment')?.detail ?? '', new RegExp(agent));
  assert.deepEqual((await ask('/v1/alerts'))['items'], []);
});
