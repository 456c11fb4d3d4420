import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { lockDirectory } from '../../src/uplink/directory-lock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const module = new URL('../../src/uplink/directory-lock.js', import.meta.url).href;

describe('lockDirectory', () => {
  it('is held against another process, and free again when that is killed', async () => {
    const folder = temporaryFolder();
    const script = `const { lockDirectory } = await import(${JSON.stringify(module)});
      lockDirectory(${JSON.stringify(folder)}); console.log('locked'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    assert.throws(() => lockDirectory(folder), /in use by another agent/);
    child.kill('SIGKILL');
    await once(child, 'exit');
    lockDirectory(folder)();
  });
});
