import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
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

  it('is neither called nor held off by what else changes in the folder', async () => {
    const folder = temporaryFolder();
    const [path, log] = [join(folder, 'a.yaml'), join(folder, 'alerts.json')];
    writeFileSync(path, '1');
    let calls = 0;
    const stop = watchRuleFiles([path], () => calls++);
    const busy = setInterval(() => appendFileSync(log, 'x'), 1);
    await waitFor('the log to grow', () => existsSync(log) && statSync(log).size > 100);
    assert.equal(calls, 0);
    writeFileSync(path, '2');
    await waitFor('the change', () => calls > 0);
    clearInterval(busy);
    stop();
  });

  it('follows the links of a mounted configuration map', async () => {
    const folder = temporaryFolder();
    for (const version of ['..1', '..2']) {
      mkdirSync(join(folder, version));
      writeFileSync(join(folder, version, 'a.yaml'), version);
    }
    symlinkSync('..1', join(folder, '..data'));
    symlinkSync('..data/a.yaml', join(folder, 'a.yaml'));
    let calls = 0;
    const stop = watchRuleFiles([join(folder, 'a.yaml')], () => calls++);
    symlinkSync('..2', join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    await waitFor('the change', () => calls > 0);
    assert.equal(readRuleFiles([join(folder, 'a.yaml')])[0]?.content, '..2');
    stop();
  });
});
