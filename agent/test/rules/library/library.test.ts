import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { LIBRARY_FOLDER, readRuleFiles } from '../../../src/rule-files.ts';
import { loadRules } from '../../../src/rules/load-rules.ts';
import { readRuleTests, runRuleTests } from '../../../src/rules/rule-test.ts';

const tests = join(LIBRARY_FOLDER, 'tests');
const testFiles = readdirSync(tests).map((name) =>
  readRuleTests(name, readFileSync(join(tests, name), 'utf8')),
);
const loaded = loadRules(readRuleFiles([LIBRARY_FOLDER]));

describe('the rule library', () => {
  it('loads without errors', () => {
    assert.deepEqual(
      loaded.files.flatMap(({ errors }) => errors),
      [],
    );
    assert.ok(loaded.rules >= 60, `${loaded.rules} rules`);
  });

  for (const rule of loaded.ruleset.rules) {
    it(`is complete: ${rule.name}`, () => {
      assert.ok(rule.description.length > 20, 'has a description');
      assert.ok(
        rule.tags.some((tag) => /^T\d{4}/.test(tag)),
        'has an ATT&CK technique',
      );
      assert.ok(
        rule.tags.some((tag) => tag.startsWith('mitre_')),
        'has an ATT&CK tactic',
      );
      for (const field of ['user.name', 'proc.name', 'proc.pname', 'container.id']) {
        assert.ok(rule.output.includes(`%${field}`), `its output names ${field}`);
      }
      const cases = testFiles.flatMap((file) => file.tests);
      assert.ok(
        cases.some(({ name }) => name === `${rule.name} rings`),
        'has events that ring',
      );
      assert.ok(
        cases.some(({ name }) => name === `${rule.name} keeps quiet`),
        'has events that do not',
      );
    });
  }

  for (const file of testFiles) {
    const rules = loadRules(readRuleFiles(file.ruleFiles.map((name) => join(tests, name))));
    for (const result of runRuleTests(file, rules)) {
      it(result.name, () => assert.ok(result.ok, result.lines.join('\n')));
    }
  }
});
