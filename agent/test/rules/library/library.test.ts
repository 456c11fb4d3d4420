/** The rule packs that ship with Tocsin: they load, they say what they must, and their cases hold. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { loadRules, type RulesFile } from '../../../src/rules/load-rules.ts';
import { type RuleTestFile, readRuleTests, runRuleTests } from '../../../src/rules/rule-test.ts';

const LIBRARY = fileURLToPath(new URL('../../../../src/rules/library/', import.meta.url));
const CASES = join(LIBRARY, 'tests');
const SHARED = '_shared.yaml';

/** The calls that the probe tells of; `bpf` to `quotactl` by their result alone or with a few arguments. */
const SUPPLIED = new Set(
  `open openat openat2 creat unlink unlinkat rename renameat renameat2 mkdir mkdirat rmdir chmod fchmod fchmodat fchmodat2
   chown fchown lchown fchownat link linkat symlink symlinkat mknod mknodat mount umount2 move_mount pivot_root chdir fchdir
   chroot truncate ftruncate execve execveat clone procexit connect accept accept4 bind listen socket sendto sendmsg recvfrom recvmsg
   ptrace process_vm_writev setuid setgid setreuid setregid setresuid setresgid setns unshare bpf dup dup2 dup3 init_module
   finit_module delete_module memfd_create userfaultfd prctl capset setsid kexec_load kexec_file_load perf_event_open
   io_uring_setup pidfd_getfd swapon quotactl fsopen`.split(/\s+/),
);

interface WrittenRule {
  readonly rule: string;
  readonly desc: string;
  readonly output: string;
  readonly priority: string;
  readonly tags: readonly string[];
  readonly exceptions: readonly { readonly name: string; readonly fields: unknown }[];
}

function yamlFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .sort();
}

function read(name: string): RulesFile {
  return { name, content: readFileSync(join(LIBRARY, name), 'utf8') };
}

const packs = yamlFiles(LIBRARY).map(read);
const loaded = loadRules(packs);
const written = packs
  .flatMap(({ content }) => parse(content) as (WrittenRule | object)[])
  .filter((item): item is WrittenRule => 'rule' in item);
const caseFiles = yamlFiles(CASES).map((name): [string, RuleTestFile] => {
  const path = join(CASES, name);
  return [path, readRuleTests(path, readFileSync(path, 'utf8'))];
});

test('the packs load in alphabetical order without error', () => {
  assert.equal(packs[0]?.name, SHARED);
  const problems = loaded.files.flatMap(({ name, errors, warnings }) => [
    ...errors.map(({ message }) => `${name}: ${message}`),
    ...warnings.map(({ code, message }) => `${name}: ${code} ${message}`),
  ]);
  assert.deepEqual(problems, []);
  assert.ok(loaded.ok);
  assert.ok(loaded.rules >= 65, `${loaded.rules} rules`);
});

test('no rule is written twice', () => {
  assert.equal(new Set(written.map(({ rule }) => rule)).size, written.length);
  assert.equal(written.length, loaded.rules);
});

for (const rule of written) {
  test(`${rule.rule}: says what, why and who`, () => {
    assert.ok(rule.desc.trim().length > 40, 'a description of a sentence');
    assert.ok(
      rule.tags.some((tag) => /^T\d{4}(\.\d{3})?$/.test(tag)),
      'the id of a technique',
    );
    assert.ok(
      rule.tags.some((tag) => tag.startsWith('mitre_')),
      'the name of a tactic',
    );
    assert.ok(rule.exceptions.length > 0, 'a block of exceptions');
    for (const field of ['%user.name', '%proc.name', '%proc.cmdline', '%proc.pname']) {
      assert.ok(rule.output.includes(field), field);
    }
    assert.match(rule.output, /%container\.id/);
  });
}

test('every rule names event types, and only those the probe supplies', () => {
  for (const { name, eventTypes } of loaded.ruleset.rules) {
    assert.notEqual(eventTypes, 'all', name);
    const types = [...(eventTypes as ReadonlySet<string>)];
    assert.ok(types.length > 0, name);
    const unknown = types.filter((type) => !SUPPLIED.has(type));
    assert.deepEqual(unknown, [], name);
  }
});

test('every rule has a case that fires it and a near miss of its event types', () => {
  const cases = caseFiles.flatMap(([, file]) => file.tests);
  for (const { name, eventTypes } of loaded.ruleset.rules) {
    const fired = cases.some(({ expect }) => expect.some((alert) => alert.rule === name));
    assert.ok(fired, `no case fires '${name}'`);
    const quiet = cases.find((each) => each.name === `quiet: ${name}`);
    assert.ok(quiet, `no near miss of '${name}'`);
    assert.deepEqual(quiet.expect, []);
    const near = quiet.events.some((event) => {
      const type = String(event.get('evt.type'));
      return eventTypes === 'all' || eventTypes.has(type);
    });
    assert.ok(near, `the near miss of '${name}' is an event it never sees`);
  }
});

for (const [path, file] of caseFiles) {
  test(`cases of ${path.slice(CASES.length + 1)}`, async () => {
    const files = file.ruleFiles.map((name) => resolve(dirname(path), name));
    for (const name of files) assert.ok(existsSync(name), name);
    const rules = loadRules(files.map((name) => ({ name, content: readFileSync(name, 'utf8') })));
    const results = await runRuleTests(file, rules, () => assert.fail('no case has a capture'));
    const failed = results.filter(({ ok }) => !ok);
    assert.deepEqual(
      failed.map(({ name, lines }) => [name, ...lines]),
      [],
    );
  });
}

test('the ordinary host is held against all packs', () => {
  const ordinary = caseFiles.find(([path]) => path.endsWith('ordinary-host.yaml'))?.[1];
  assert.deepEqual(
    ordinary?.ruleFiles.map((name) => name.replace('../', '')),
    packs.map(({ name }) => name),
  );
});
