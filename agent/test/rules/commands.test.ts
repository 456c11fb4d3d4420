import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { capture, PROCESS } from '../capture/captures.ts';
import { exec } from '../events/records.ts';

const ENTRY = fileURLToPath(new URL('entry.js', import.meta.url));
let folder = '';

const GOOD = `- list: shells
  items: [bash, sh]
- macro: spawned
  condition: evt.type in (execve, execveat)
- rule: Shell
  desc: A shell was started.
  condition: spawned and proc.name in (shells) and not proc.pname exists
  output: shell %proc.name by %proc.pname
  priority: NOTICE
  tags: [b, a]
- rule: Off
  desc: d
  condition: spawned
  output: x
  priority: DEBUG
  enabled: false
`;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'tocsin-rules-'));
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
});

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function run(args: readonly string[], input = '') {
  const { status, stdout, stderr } = spawnSync(process.execPath, [ENTRY, ...args], {
    encoding: 'utf8',
    input,
  });
  return { status, stdout, stderr };
}

test('check tells counts and problems as JSON and by its exit code', () => {
  const good = file('good.yaml', GOOD);
  const bad = file(
    'bad.yaml',
    '- rule: R\n  desc: d\n  condition: evt.typo = x\n  output: y\n  priority: INFO\n',
  );
  const fine = run(['rules', 'check', '--json', good]);
  assert.equal(fine.status, 0);
  assert.deepEqual(JSON.parse(fine.stdout), {
    ok: true,
    rules: 2,
    macros: 1,
    lists: 1,
    files: [{ name: good, ok: true, errors: [], warnings: [] }],
  });
  const failed = run(['rules', 'check', '--json', good, bad]);
  assert.equal(failed.status, 1);
  const result = JSON.parse(failed.stdout);
  assert.equal(result.ok, false);
  assert.deepEqual(result.files[1], {
    name: bad,
    ok: false,
    errors: [
      {
        code: 'LOAD_ERR_COMPILE_CONDITION',
        message: "filter_check called with nonexistent field evt.typo (did you mean 'evt.type'?)",
        item: 'R',
        line: 3,
        column: 14,
      },
    ],
    warnings: [],
  });
});

test('check shows people the place with a caret', () => {
  const bad = file(
    'caret.yaml',
    '- macro: m\n  condition: a andb\n- list: \u001b[31m\n  items: x\n',
  );
  const { status, stdout } = run(['rules', 'check', bad]);
  assert.equal(status, 1);
  assert.match(stdout, /caret\.yaml:2:19: error: macro 'm': expected blank or '\(' after 'and'/);
  assert.match(stdout, /\n {2}2 \| {3}condition: a andb\n {4}\| {19}\^\n/);
  assert.ok(!stdout.includes('\u001b'), 'control characters do not reach the terminal');
});

test('check goes through a file once, from its top', () => {
  const bad = file(
    'order.yaml',
    `${GOOD.replace('spawned and', 'spawnt and').replace('tags:', 'tgas:')}- rule: None\n  desc: d\n  output: x\n  priority: INFO\n`,
  );
  const { stdout } = run(['rules', 'check', bad]);
  const found = [...stdout.matchAll(/^\S+order\.yaml:(\d+):\d+: (\w+)/gm)].map(
    ([, line, kind]) => `${line} ${kind}`,
  );
  assert.deepEqual(found, ['7 error', '10 warning', '17 error']);
});

test('check tells of files that cannot be read', () => {
  const { status, stdout } = run(['rules', 'check', '--json', join(folder, 'absent.yaml')]);
  assert.equal(status, 1);
  assert.equal(JSON.parse(stdout).files[0].errors[0].code, 'LOAD_ERR_FILE_READ');
});

test('check refuses what is not UTF-8', () => {
  const path = join(folder, 'latin1.yaml');
  writeFileSync(path, Buffer.from('- list: a\n  items: [caf\xe9]\n', 'latin1'));
  const { status, stdout } = run(['rules', 'check', '--json', path]);
  assert.equal(status, 1);
  const [error] = JSON.parse(stdout).files[0].errors;
  assert.equal(error.code, 'LOAD_ERR_FILE_READ');
  assert.match(error.message, /latin1\.yaml: line 2 is not UTF-8 text/);
});

test('a folder stands for its rule files, and what cannot be read is told in its place', () => {
  mkdirSync(join(folder, 'pack'));
  const [first, second] = ['pack/1.yaml', 'pack/2.yml'].map((name) => file(name, GOOD));
  file('pack/readme.md', 'no rules');
  const absent = join(folder, 'absent.yaml');
  const { stdout } = run(['rules', 'check', '--json', absent, join(folder, 'pack')]);
  const names = JSON.parse(stdout).files.map((each: { name: string }) => each.name);
  assert.deepEqual(names, [absent, first, second]);
});

test('list shows resolved rules', () => {
  const { status, stdout } = run(['rules', 'list', '--json', file('list.yaml', GOOD)]);
  assert.equal(status, 0);
  const [shell, off] = JSON.parse(stdout);
  assert.deepEqual(shell, {
    name: 'Shell',
    source: 'syscall',
    priority: 'Notice',
    tags: ['a', 'b'],
    enabled: true,
    condition:
      '(evt.type in (execve, execveat) and proc.name in (bash, sh) and not proc.pname exists)',
    output: 'shell %proc.name by %proc.pname',
    event_types: ['execve', 'execveat'],
    blind: [],
    kernel: [{ events: ['execve', 'execveat'], failed: true }],
    coverage: null,
  });
  assert.equal(off.enabled, false);
});

test('list shows what a rule costs the kernel', () => {
  const OPENED = 'evt.type in (openat, openat2) and fd.num >= 0 and';
  const rules = [
    [
      'written',
      `${OPENED} evt.is_open_write = true and fd.typechar = f and fd.name startswith /etc`,
    ],
    ['anywhere', `${OPENED} proc.name = cat`],
    ['contained', `${OPENED} container.id != host and proc.name = cat`],
    [
      'never',
      'evt.type = openat and evt.is_open_read = true and evt.is_open_write = true and fd.num < 0 and fd.num > 0',
    ],
  ].map(([rule, condition]) => ({ rule, desc: 'd', condition, output: 'o', priority: 'INFO' }));
  const path = file('cost.yaml', JSON.stringify(rules));
  const [written, anywhere, contained, never] = JSON.parse(
    run(['rules', 'list', '--json', path]).stdout,
  ).map(({ kernel }: { kernel: unknown }) => kernel);
  const opens = ['write', 'create', 'temporary'];
  assert.deepEqual(written, [
    { events: ['openat'], failed: false, opens, paths: 'learnt' },
    { events: ['openat2'], failed: false },
  ]);
  assert.equal(contained[0].paths, 'host');
  assert.deepEqual(anywhere, [
    {
      events: ['openat'],
      failed: false,
      opens: ['read', 'write', 'create', 'directory', 'temporary'],
      paths: 'all',
    },
    { events: ['openat2'], failed: false },
  ]);
  assert.deepEqual(never, [{ events: ['openat'], failed: false, opens: [] }]);
  assert.match(
    run(['rules', 'list', path]).stdout,
    / {2}kernel: openat; write, create, temporary; succeeded; hot paths learnt\n {2}kernel: openat2; succeeded\n/,
  );
});

test('list shows what the probe can never tell', () => {
  const rules = [
    ['a', 'evt.type = switch'],
    ['b', 'evt.type in (vfork, open) and thread.exectime = 1'],
    ['c', 'proc.name = x'],
  ].map(([rule, condition]) => ({ rule, desc: 'd', condition, output: 'o', priority: 'INFO' }));
  const path = file('blind.yaml', JSON.stringify(rules));
  const { stdout } = run(['rules', 'list', '--json', path]);
  assert.deepEqual(
    JSON.parse(stdout).map(({ blind }: { blind: string[] }) => blind),
    [['evt.type'], ['thread.exectime'], []],
  );
  const text = run(['rules', 'list', path]).stdout;
  assert.match(text, /event types: switch\n {2}blind: evt\.type/);
  assert.match(text, /c\n.*\n {2}event types: all\n/);
  const [, , any] = JSON.parse(stdout);
  assert.ok(any.event_types.includes('openat'), 'a rule without event types can match each');
});

test('eval answers line by line', () => {
  const lines = [
    { condition: 'proc.name = cat', fields: { 'proc.name': 'cat' } },
    { condition: 'not proc.name = cat', fields: {} },
    {
      condition: 'm and fd.name in (l)',
      fields: { 'fd.name': 'x' },
      macros: { m: 'evt.num > 0' },
      lists: { l: ['x'] },
    },
    {
      condition: 'proc.aname[2] = a and evt.arg.flags contains X',
      fields: { 'proc.aname[2]': 'a', 'evt.arg.flags': 'O_X' },
    },
    {
      condition: 'fd.sip = 10.0.0.1 and evt.rawres > 9007199254740992',
      fields: { 'fd.sip': '10.0.0.1', 'evt.rawres': '9007199254740993' },
    },
    { condition: 'proc.name = é', fields: { 'proc.name': 'é' } },
    { condition: 'proc.nam = x', fields: {} },
    { condition: 'evt.num > 0 and\n  nosuch', fields: {} },
    { condition: 'proc.name = "a\u2028b"', fields: { 'proc.name': 'a\u2028b' } },
    { fields: {} },
  ];
  const exact =
    '{"condition":"evt.rawtime = 1470327477881781397","fields":{"evt.rawtime":1470327477881781397,"proc.name":"12345678901234567"}}';
  const nested =
    '{"condition":"proc.name in (b)","lists":{"a":["x"],"b":["a"]},"fields":{"proc.name":"x"}}';
  const texts = lines.map((line) => JSON.stringify(line));
  const input = `${texts.join('\n')}\n{not json\n\n${exact}\r\n${nested}`;
  const { status, stdout } = run(['rules', 'eval'], input);
  assert.equal(status, 0);
  const answers = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(answers.slice(0, 6), [
    { match: true },
    { match: true },
    { match: false },
    { match: true },
    { match: true },
    { match: true },
  ]);
  assert.deepEqual(answers[6], {
    error: {
      code: 'LOAD_ERR_COMPILE_CONDITION',
      message: "filter_check called with nonexistent field proc.nam (did you mean 'proc.name'?)",
      column: 1,
    },
  });
  assert.deepEqual(answers[7], {
    error: {
      code: 'LOAD_ERR_VALIDATE',
      message: "Undefined macro 'nosuch' used in filter.",
      column: 3,
    },
  });
  assert.deepEqual(answers[8], { match: true });
  assert.equal(answers[9].error.code, 'INVALID_REQUEST');
  assert.equal(answers[10].error.code, 'INVALID_REQUEST');
  assert.deepEqual(answers.slice(11), [{ match: true }, { match: true }]);
});

test('eval answers each line before the next one is sent', async () => {
  const child = spawn(process.execPath, [ENTRY, 'rules', 'eval'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  for (const name of ['cat', 'dog']) {
    child.stdin.write(
      `${JSON.stringify({ condition: 'proc.name = cat', fields: { 'proc.name': name } })}\n`,
    );
    assert.deepEqual((await answers.next()).value, JSON.stringify({ match: name === 'cat' }));
  }
  const closed = new Promise((done) => child.once('close', done));
  child.stdin.end();
  assert.equal(await closed, 0);
});

test('explain tells of what is no field, which no rule can see', () => {
  const event = JSON.stringify({ 'evt.typ': 'execve', 'proc.aname[1]': 'x', 'evt.arg.flags': 1 });
  const rules = file('slip.yaml', GOOD);
  const { status, stderr } = run(['rules', 'explain', 'Shell', '--event', '-', rules], event);
  assert.equal(status, 0);
  assert.equal(stderr, "-: there is no field evt.typ (did you mean 'evt.type'?)\n");
});

test('fields tells that none begins so', () => {
  const { status, stdout, stderr } = run(['fields', 'fd.nme']);
  assert.deepEqual([status, stdout], [1, '']);
  assert.equal(stderr, "tocsin: no field begins with 'fd.nme' (did you mean 'fd.name'?)\n");
});

test('explain shows each check with what it saw', () => {
  const event = file('event.json', JSON.stringify({ 'evt.type': 'execve', 'proc.name': 'zsh' }));
  const { status, stdout } = run([
    'rules',
    'explain',
    'Shell',
    '--event',
    event,
    file('explain.yaml', GOOD),
  ]);
  assert.equal(status, 0);
  assert.deepEqual(stdout.trimEnd().split('\n'), [
    'no  and',
    'yes   evt.type in (execve, execveat)   [evt.type = "execve"]',
    'no    proc.name in (bash, sh)   [proc.name = "zsh"]',
    'yes   not',
    'no      proc.pname exists   [proc.pname = (missing)]',
  ]);
  const unknown = run(['rules', 'explain', 'Shel', '--event', event, file('explain.yaml', GOOD)]);
  assert.equal(unknown.status, 1);
  assert.match(unknown.stderr, /did you mean 'Shell'/);
});

test('test runs cases and shows what differs', () => {
  file('cases-rules.yaml', GOOD);
  const tests = (expected: string) => `rule_files: [cases-rules.yaml]
tests:
  - name: a shell
    events:
      - {evt.type: execve, proc.name: bash}
      - {evt.type: execve, proc.name: cat}
    expect: ${expected}
`;
  const good = file('good-cases.yaml', tests('[{rule: Shell, output: shell bash by <NA>}]'));
  assert.deepEqual(run(['rules', 'test', good]), {
    status: 0,
    stdout: `ok  ${good}: a shell\n`,
    stderr: '',
  });
  const bad = file('bad-cases.yaml', tests('[{rule: Shell, output: shell sh}, Off]'));
  const failed = run(['rules', 'test', bad]);
  assert.equal(failed.status, 1);
  assert.match(failed.stdout, /^FAILED/);
  assert.match(failed.stdout, / {2}- Shell: shell sh\n {2}\+ Shell: shell bash by <NA>\n/);
  assert.match(failed.stdout, /expected rule 'Off' is not loaded or not enabled/);
  const typo = file('typo-cases.yaml', tests('[]').replace('proc.name: bash', 'proc.nmae: bash'));
  assert.match(run(['rules', 'test', typo]).stdout, /nonexistent field proc\.nmae/);
  const broken = run(['rules', 'test', file('broken-cases.yaml', 'tests: x\nrule_file: y')]);
  assert.equal(broken.status, 1);
  assert.match(broken.stderr, /broken-cases\.yaml:2:12: unknown key 'rule_file'/);
});

test('test runs cases of captures', async () => {
  // Whoever started it is not in the capture: a process of which nothing is known, not none.
  file('cases-rules.yaml', GOOD.replace(' and not proc.pname exists', ''));
  const bytes = await capture([
    { kind: 'process', facts: PROCESS },
    exec({ tgid: 100, start: 476, ppid: 1 }, { exePath: '/bin/sh', argv: ['sh'] }, 'sh'),
    exec({ tgid: 100, start: 476, ppid: 1 }, { exePath: '/bin/cat', argv: ['cat'] }, 'cat'),
  ]);
  writeFileSync(join(folder, 'events.capture'), bytes);
  writeFileSync(join(folder, 'cut.capture'), bytes.subarray(0, -9));
  const tests = (path: string, expected: string) => `rule_files: [cases-rules.yaml]
tests: [{name: recorded, capture: ${path}, expect: ${expected}}]
`;
  const good = tests('events.capture', '[{rule: Shell, output: shell sh by <NA>}]');
  const passed = run(['rules', 'test', file('captured.yaml', good)]);
  assert.equal(passed.status, 0, passed.stdout + passed.stderr);
  for (const [content, message] of [
    [tests('events.capture', '[]'), /\+ Shell/],
    [tests('none.capture', '[Shell]'), /capture 'none\.capture': ENOENT/],
    [tests('cut.capture', '[Shell]'), /capture 'cut\.capture': the capture was cut off/],
    [good.replace('capture:', 'events: [], capture:'), /not both/],
  ] as const) {
    const { status, stdout, stderr } = run(['rules', 'test', file('bad.yaml', content)]);
    assert.equal(status, 1);
    assert.match(stdout + stderr, message);
  }
});

test('fields prints the reference', () => {
  const { status, stdout } = run(['fields', 'fd.sip', '--json']);
  assert.equal(status, 0);
  assert.deepEqual(
    JSON.parse(stdout).map(({ name }: { name: string }) => name),
    ['fd.sip', 'fd.sip.name'],
  );
  assert.match(run(['fields', 'proc.aname']).stdout, /^proc\.aname\[\[index\]\] {2}/);
});
