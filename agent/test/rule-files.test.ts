import assert from 'node:assert/strict';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { RuleFileError, readRuleFiles, watchRuleFiles } from '../src/rule-files.ts';
import { temporaryFolder } from './support/temporary-folder.ts';
import { waitFor } from './support/wait.ts';

describe('readRuleFiles', () => {
  it('keeps the order of files and reads folders by name', () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'd'));
    for (const name of ['z.yaml', 'd/b.yml', 'd/a.yaml', 'd/notes.txt'])
      writeFileSync(join(folder, name), name);
    const files = readRuleFiles([join(folder, 'z.yaml'), join(folder, 'd')]);
    assert.deepEqual(
      files.map(({ content }) => content),
      ['z.yaml', 'd/a.yaml', 'd/b.yml'],
    );
  });

  it('says which path is missing or empty', () => {
    const folder = temporaryFolder();
    assert.throws(
      () => readRuleFiles([join(folder, 'no.yaml')]),
      /no\.yaml: there is no such file/,
    );
    assert.throws(() => readRuleFiles([folder]), RuleFileError);
  });
});

describe('watchRuleFiles', () => {
  it('calls back when a file is replaced, as editors do', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'a.yaml');
    writeFileSync(path, '1');
    let calls = 0;
    const stop = watchRuleFiles([path], () => calls++);
    writeFileSync(`${path}.new`, '2');
    renameSync(`${path}.new`, path);
    await waitFor('the change', () => calls === 1);
    stop();
  });
});
