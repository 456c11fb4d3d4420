import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  fieldRows,
  fieldsAsMarkdown,
  fieldsAsText,
  isSupported,
} from '../../src/commands/field-reference.ts';
import { kernelEventFields } from '../../src/events/fields/source.ts';
import { fieldsOf, leavesOf } from '../../src/rules/condition/condition.ts';
import { loadRules, type RulesFile } from '../../src/rules/load-rules.ts';

const LIBRARY = new URL('../../../src/rules/library/', import.meta.url);
const OFFICIAL = new URL('../../../../../shared/falco-rules/', import.meta.url);

/** Every field with its argument that a condition or output of these files names and no event can have. */
function unsupplied(folder: URL): string[] {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name): RulesFile => ({ name, content: readFileSync(new URL(name, folder), 'utf8') }));
  const { rules } = loadRules(files).ruleset;
  assert.ok(rules.length > 0);
  const used = rules.flatMap(({ condition, outputParts }) => [
    ...[...leavesOf(condition)].flatMap(({ left, right, domain }) =>
      domain ? [domain.address] : [...fieldsOf(left), ...(right ? fieldsOf(right) : [])],
    ),
    ...outputParts.flatMap((part) => (typeof part === 'string' ? [] : fieldsOf(part.operand))),
  ]);
  assert.ok(used.length > rules.length);
  const blind = used.filter(
    ({ reference }) => !kernelEventFields.bind(reference) || !isSupported(reference.definition),
  );
  return [...new Set(blind.map(({ text }) => text))];
}

test('every field that our packs read or show is supplied', () => {
  assert.deepEqual(unsupplied(LIBRARY), []);
});

test('every field that the official rules read or show is supplied', {
  skip: !existsSync(OFFICIAL) && 'the official rule files are not here',
}, () => {
  assert.deepEqual(unsupplied(OFFICIAL), []);
});

test('the reference tells type, argument and support of every field', () => {
  const rows = fieldRows('proc.aname');
  assert.equal(rows.length, 1);
  assert.equal(rows[0]?.name, 'proc.aname[[index]]');
  assert.equal(rows[0]?.support, 'supported');
  assert.equal(fieldRows('container.mount.dest')[0]?.name, 'container.mount.dest[index|key]');
  assert.equal(fieldRows('thread.cpu.user')[0]?.support, 'blind');
  assert.equal(fieldRows('evt.latency')[0]?.support, 'blind', 'a field without any value ever');
  assert.ok(fieldRows().length > 250);
  assert.deepEqual(fieldRows('no.such'), []);
});

test('it prints as columns and as a table for each class', () => {
  const rows = fieldRows('container.');
  const markdown = fieldsAsMarkdown(rows);
  assert.match(markdown, /^## container\n\nName \| Type \| Description \| Support\n/);
  assert.match(markdown, /\n`container\.id` \| string \| [^|\n]+ \| supported\n/);
  assert.match(markdown, /`container\.mount\[index\\\|key\]`/);
  const lines = markdown.split('\n').filter((line) => line.startsWith('`container'));
  assert.equal(lines.length, rows.length);
  assert.match(fieldsAsText(fieldRows('fd.net')), /^fd\.net {2}.+ \(network, conditions only\)\n$/);
  assert.equal(fieldsAsText([]), '');
});
