import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readProcess } from '../../src/state/proc-files.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

test('a process that ends while it is read has gone, and does not pass for root', () => {
  const root = temporaryFolder();
  const folder = join(root, String(process.pid));
  mkdirSync(folder);
  for (const name of ['stat', 'status'])
    writeFileSync(join(folder, name), readFileSync(`/proc/self/${name}`));
  assert.equal(readProcess(process.pid, false, root)?.tgid, process.pid);
  rmSync(join(folder, 'status'));
  assert.equal(readProcess(process.pid, false, root), undefined);
});
