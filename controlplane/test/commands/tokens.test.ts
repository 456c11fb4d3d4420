import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { request, startTestControlPlane } from '../support/control-plane.ts';

const run = promisify(execFile);
const TOCSIN = join(import.meta.dirname, '../../../../tocsin.js');

test('tokens are made, listed and revoked by command', async (t) => {
  const plane = await startTestControlPlane(t);
  const tokens = (...args: string[]) =>
    run(
      process.execPath,
      [TOCSIN, 'tokens', ...args, '--url', plane.url, '--token-file', plane.adminTokenFile],
      { env: { ...process.env, TOCSIN_CONFIG: '/dev/null' } },
    );
  const { stdout } = await tokens('create', 'wall', '--role', 'reader', '--ttl', '30d');
  const authorization = `Bearer ${stdout.trim()}`;
  const read = () => request(`${plane.url}/v1/alerts`, 'GET', undefined, { authorization });
  assert.equal((await read()).status, 200);
  const { stdout: listed } = await tokens();
  assert.match(listed, /^wall +reader +admin .* \d{4}-\d\d-\d\dT/m);
  assert.equal(listed.includes(stdout.trim()), false);
  await tokens('revoke', 'wall');
  assert.equal((await read()).status, 401);
  await assert.rejects(tokens('revoke', 'wall'), /There is no token named wall/);
  await assert.rejects(tokens('create', 'x', '--role', 'root'), /role/);
});
