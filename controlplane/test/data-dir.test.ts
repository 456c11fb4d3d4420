import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { holdDataDir, writeWhole } from '../src/data-dir.ts';
import { StartupError } from '../src/errors.ts';
import { tempFolder } from './support/control-plane.ts';

/** Tries to hold every folder, says which ones it got, and keeps them until its input ends. */
const CONTENDER = `
  const { holdDataDir } = await import(process.argv[1]);
  process.stdin.once('data', () => {
    const got = process.argv.slice(2).filter((folder) => {
      try { holdDataDir(folder); return true; } catch (error) {
        if (!/is in use/.test(error.message)) throw error;
        return false;
      }
    });
    process.stdout.write(JSON.stringify(got) + '\\n');
    process.stdin.on('end', () => process.exit());
  });
  process.stdout.write('ready\\n');
`;

test('of those that find a stale lock at the same time, one holds the folder', async (t) => {
  const root = tempFolder(t);
  const folders = Array.from({ length: 300 }, (_, index) => join(root, String(index)));
  for (const folder of folders) {
    mkdirSync(folder);
    writeFileSync(join(folder, 'tocsin.pid'), '2147483646 1\n');
  }
  const module = join(import.meta.dirname, '../src/data-dir.js');
  const contenders = Array.from({ length: 4 }, () =>
    spawn(
      process.execPath,
      ['--input-type=module', '--eval', CONTENDER, '--', module, ...folders],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    ),
  );
  t.after(() => {
    for (const child of contenders) child.kill('SIGKILL');
  });
  await Promise.all(contenders.map((child) => once(child.stdout, 'data')));
  const answers = contenders.map(async (child) => {
    let text = '';
    child.stdin.write('go\n');
    for await (const chunk of child.stdout) {
      text += chunk;
      if (text.endsWith('\n')) break;
    }
    return JSON.parse(text) as string[];
  });
  const held = (await Promise.all(answers)).flat();
  for (const child of contenders) child.stdin.end();
  assert.deepEqual(held.sort(), folders.sort());
});

test('a lock is given back, and leaves nothing beside it', (t) => {
  const folder = tempFolder(t);
  const release = holdDataDir(folder);
  assert.deepEqual(readdirSync(folder), ['tocsin.pid']);
  release();
  assert.deepEqual(readdirSync(folder), []);
});

test('a key is written whole, private, or not at all', (t) => {
  const folder = tempFolder(t);
  const path = join(folder, 'key');
  writeWhole(path, 'content');
  assert.equal(readFileSync(path, 'utf8'), 'content');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.throws(() => writeWhole(join(folder, 'none', 'key'), 'content'), StartupError);
  mkdirSync(join(folder, 'taken'));
  assert.throws(() => writeWhole(join(folder, 'taken'), 'content'), StartupError);
  assert.deepEqual(readdirSync(folder).sort(), ['key', 'taken']);
});
