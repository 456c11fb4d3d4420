/** What README.md shows can be used as it stands there. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Config, loadSettings } from '@tocsin/openapi';
import { ROOT } from '../support/tocsin.ts';

const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
const examples = [...readme.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, text = '']) => text);
const exampleWith = (words: RegExp) => {
  const found = examples.find((text) => words.test(text));
  assert.ok(found, `README.md has an example with ${words}`);
  return found;
};

describe('examples of README.md', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-readme-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  const run = (args: string[], input = '') => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(ROOT, 'tocsin.js'), ...args],
      { cwd: folder, input, encoding: 'utf8' },
    );
    assert.equal(status, 0, `${args.join(' ')}: ${stdout}${stderr}`);
    return stdout;
  };
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

  test('the rule loads, and passes its test', () => {
    write('my-rules.yaml', exampleWith(/^# my-rules\.yaml$/m));
    write('my-tests.yaml', exampleWith(/^# my-tests\.yaml$/m));
    run(['rules', 'check', 'my-rules.yaml']);
    assert.equal(run(['rules', 'test', 'my-tests.yaml']), 'ok  my-tests.yaml: a secret is read\n');
  });

  test('the routes are a whole configuration', () => {
    write('tocsin.yaml', exampleWith(/^route:$/m));
    const labels = '{"labels":{"rule":"r","priority":"critical"}}\n';
    const answer = JSON.parse(run(['routes', 'match', '--config', 'tocsin.yaml'], labels));
    assert.equal(answer.routes[0].channel, 'oncall');
  });

  test('every other key of the configuration exists', () => {
    const others = examples.filter((text) => /^(agent|channels|intake):$/m.test(text));
    assert.equal(others.length, 3);
    for (const text of others) loadSettings(Config, { file: { name: 'README.md', text } });
  });
});
