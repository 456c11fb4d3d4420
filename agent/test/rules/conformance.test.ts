import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compileRules } from '../../src/rules/compile-rules.ts';
import { EVENT_TYPES } from '../../src/rules/event-types.ts';
import { loadRules } from '../../src/rules/load-rules.ts';
import { MapSource } from '../../src/rules/map-source.ts';

const FOLDER = new URL('../../../../../shared/falco-rules/', import.meta.url);
const NAMES = ['falco_rules.yaml', 'falco-incubating_rules.yaml', 'falco-sandbox_rules.yaml'];
const skip = existsSync(FOLDER) ? false : `the official rule files are not at ${FOLDER.pathname}`;

function readFiles() {
  return NAMES.map((name) => ({ name, content: readFileSync(new URL(name, FOLDER), 'utf8') }));
}

test('the official rule files load together and alone without a problem', { skip }, () => {
  const files = readFiles();
  const sets = [files, ...files.map((file) => [file])];
  for (const set of sets) {
    const result = loadRules(set);
    const found = result.files.flatMap(({ errors, warnings }) => [...errors, ...warnings]);
    assert.deepEqual(found, []);
  }
  const { rules, ruleset } = loadRules(files);
  assert.equal(rules, 93);
  assert.equal(ruleset.rules.length, 93);
  assert.equal(ruleset.enabled.length, 81);
});

test('every official rule has event types, and together they are the known ones', { skip }, () => {
  const types = new Set<string>();
  for (const rule of loadRules(readFiles()).ruleset.rules) {
    assert.ok(rule.eventTypes !== 'all' && rule.eventTypes.size > 0, rule.name);
    for (const type of rule.eventTypes) types.add(type);
  }
  assert.equal(types.size, 41);
  assert.ok([...types].every((type) => EVENT_TYPES.has(type)));
});

test('official rules decide about events as their authors meant', { skip }, () => {
  const rules = compileRules(loadRules(readFiles()), new MapSource(), { matching: 'all' });
  const names = (fields: Record<string, unknown>) =>
    rules.match(new Map(Object.entries({ 'evt.num': 1, ...fields }))).map(({ name }) => name);
  const shadow = {
    'evt.type': 'openat',
    'evt.is_open_read': true,
    'evt.is_open_write': false,
    'fd.typechar': 'f',
    'fd.num': 3,
    'fd.name': '/etc/shadow',
    'fd.nameraw': '/etc/shadow',
    'fd.directory': '/etc',
    'fd.filename': 'shadow',
    'proc.name': 'cat',
    'proc.cmdline': 'cat /etc/shadow',
    'proc.pname': 'bash',
    'container.id': 'host',
    'user.uid': 0,
  };
  assert.deepEqual(names(shadow), ['Read sensitive file untrusted']);
  assert.deepEqual(names({ ...shadow, 'proc.name': 'sshd' }), []);
  assert.deepEqual(names({ ...shadow, 'fd.name': '/etc/hosts', 'fd.filename': 'hosts' }), []);
  const memfd = {
    'evt.type': 'execve',
    'proc.is_exe_from_memfd': true,
    'proc.name': '3',
    'proc.exepath': 'memfd:x',
    'container.id': 'host',
  };
  assert.deepEqual(names(memfd), ['Fileless execution via memfd_create']);
});
