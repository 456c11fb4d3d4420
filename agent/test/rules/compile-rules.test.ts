import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileTemplate } from '../../src/rules/compile-condition.ts';
import { type CompileOptions, compileRules } from '../../src/rules/compile-rules.ts';
import type { FieldReference } from '../../src/rules/field.ts';
import { type LoadOptions, loadRules } from '../../src/rules/load-rules.ts';
import { type FieldMap, MapSource } from '../../src/rules/map-source.ts';
import { encodeJson } from '../../src/rules/output/encode-json.ts';
import { TemplateError } from '../../src/rules/output/template.ts';
import { withStaticFields } from '../../src/rules/static-fields.ts';

function event(fields: Record<string, unknown>): FieldMap {
  return new Map(Object.entries(fields));
}

interface Row {
  readonly name: string;
  readonly condition: string;
  readonly output?: string;
  readonly priority?: string;
}

function load(rows: readonly Row[], options: LoadOptions = {}) {
  const content = rows
    .map(
      ({ name, condition, output = 'x', priority = 'WARNING' }) =>
        `- rule: ${name}\n  desc: d\n  condition: ${condition}\n  output: ${JSON.stringify(output)}\n  priority: ${priority}\n  tags: [t]\n`,
    )
    .join('');
  const loaded = loadRules([{ name: 'r.yaml', content }], options);
  assert.ok(loaded.ok, JSON.stringify(loaded.files));
  return loaded;
}

function compile(rows: readonly Row[], options: Partial<CompileOptions> = {}) {
  return compileRules(load(rows), new MapSource(), { matching: 'all', ...options });
}

function names(matched: readonly { name: string }[]): string[] {
  return matched.map(({ name }) => name);
}

const OPEN = event({ 'evt.type': 'open', 'proc.name': 'cat', 'fd.name': '/dev/null' });

test('first takes the first rule in order, all takes every one', () => {
  const rows = [
    { name: 'a', condition: 'evt.type = open and proc.name = dog' },
    { name: 'b', condition: 'evt.type in (open, openat)' },
    { name: 'c', condition: 'proc.name = cat' },
  ];
  assert.deepEqual(names(compile(rows).match(OPEN)), ['b', 'c']);
  assert.deepEqual(names(compile(rows, { matching: 'first' }).match(OPEN)), ['b']);
});

test('rules that name no possible type are tried only when nothing else matched', () => {
  const rows = [
    { name: 'never', condition: 'evt.num = 0 or (evt.type = open and evt.type = close)' },
    { name: 'open', condition: 'evt.type = open' },
  ];
  const compiled = compile(rows);
  assert.deepEqual(names(compiled.match(OPEN)), ['open']);
  assert.deepEqual(compiled.match(event({ 'evt.type': 'close' })), []);
});

test('no match gives the same empty array every time', () => {
  const compiled = compile([{ name: 'a', condition: 'evt.type = execve' }]);
  assert.equal(compiled.match(OPEN), compiled.match(OPEN));
  assert.equal(compiled.match(OPEN).length, 0);
});

test('event types are those that some rule can match', () => {
  const compiled = compile([
    { name: 'a', condition: 'evt.type in (open, openat) and proc.name = x' },
    { name: 'b', condition: 'evt.type = connect' },
  ]);
  assert.deepEqual([...compiled.eventTypes].sort(), ['connect', 'open', 'openat']);
  assert.ok(compile([{ name: 'a', condition: 'proc.name = x' }]).eventTypes.size > 300);
});

test('failed calls are wanted unless every rule of the type rules them out', () => {
  const wants = (condition: string, type = 'openat') =>
    compile([
      { name: 'a', condition: `evt.type in (openat, connect) and ${condition}` },
    ]).wantsFailures(type);
  assert.equal(wants('proc.name = x'), true);
  assert.equal(wants('evt.rawres >= 0'), false);
  assert.equal(wants('not evt.rawres < 0'), false);
  assert.equal(wants('fd.num >= 0'), false);
  assert.equal(wants('fd.num >= 0', 'connect'), true);
  assert.equal(wants('evt.failed = false'), false);
  assert.equal(wants('evt.res = SUCCESS'), false);
  assert.equal(wants('(evt.rawres >= 0 or evt.res = EINPROGRESS)'), true);
  assert.equal(wants('proc.name = x', 'execve'), false);
});

test('fields a source cannot supply make a rule blind and count as missing', () => {
  class Narrow extends MapSource {
    override bind(field: FieldReference) {
      return field.definition.name.startsWith('k8s.') ? (undefined as never) : super.bind(field);
    }
  }
  const loaded = load([
    { name: 'a', condition: 'evt.type = open and k8s.ns.name = x' },
    { name: 'b', condition: 'evt.type = open and not k8s.ns.name = x' },
  ]);
  const compiled = compileRules(loaded, new Narrow(), { matching: 'all' });
  assert.deepEqual(
    compiled.rules.map(({ blind }) => blind),
    [['k8s.ns.name'], ['k8s.ns.name']],
  );
  assert.deepEqual(names(compiled.match(OPEN)), ['b']);
  assert.equal(compiled.usesField('k8s.ns.name'), true);
  assert.equal(compiled.usesField('proc.tty'), false);
});

test('a rule that chooses no types is tried for the usual ones only', () => {
  const usualTypes = new Set(['open', 'connect']);
  const typesOf = (...conditions: string[]) => {
    const rows = conditions.map((condition, index) => ({ name: `r${index}`, condition }));
    return [...compile(rows, { usualTypes }).eventTypes].sort();
  };
  assert.deepEqual(typesOf('proc.name = x'), ['connect', 'open']);
  assert.deepEqual(typesOf('evt.type != open'), ['connect']);
  assert.deepEqual(typesOf('evt.type = read', 'proc.name = x'), ['connect', 'open', 'read']);
});

test('a type may be named as the event or as the call', () => {
  const write = event({ 'evt.type': 'pwrite', 'syscall.type': 'pwrite64' });
  const wanted = ['evt.type = pwrite', 'evt.type = pwrite64', 'syscall.type in (read, pwrite)'];
  const compiled = compile(
    [...wanted, 'evt.type != pwrite64'].map((condition) => ({ name: condition, condition })),
  );
  assert.deepEqual(names(compiled.match(write)), wanted);
});

test('rules below the least priority are left out', () => {
  const rows = [
    { name: 'a', condition: 'evt.type = open', priority: 'INFO' },
    { name: 'b', condition: 'evt.type = open', priority: 'critical' },
  ];
  assert.deepEqual(names(compile(rows, { minimumPriority: 'Error' }).match(OPEN)), ['b']);
});

test('matches and errors are counted by rule, and one failing rule does not stop the others', () => {
  class Failing extends MapSource {
    override bind(field: FieldReference) {
      if (field.definition.name !== 'proc.exe') return super.bind(field);
      return () => {
        throw new Error('unreadable');
      };
    }
  }
  const loaded = load([
    { name: 'a', condition: 'evt.type = open and proc.exe = x' },
    { name: 'b', condition: 'evt.type = open and proc.name = cat' },
  ]);
  const compiled = compileRules(loaded, new Failing(), { matching: 'all' });
  assert.deepEqual(names(compiled.match(OPEN)), ['b']);
  assert.deepEqual(names(compiled.match(OPEN)), ['b']);
  assert.deepEqual(
    compiled.rules.map(({ counters: { matched, errors } }) => ({ matched, errors })),
    [
      { matched: 0, errors: 2 },
      { matched: 2, errors: 0 },
    ],
  );
});

test('a field is read at most once per event', () => {
  let reads = 0;
  class Counting extends MapSource {
    override bind(field: FieldReference) {
      const read = super.bind(field);
      return (of: FieldMap) => {
        if (field.definition.name === 'proc.name') reads += 1;
        return read(of);
      };
    }
  }
  const rows = ['x', 'y', 'z'].map((word) => ({
    name: word,
    condition: `evt.type = open and (proc.name = ${word} or proc.name contains ${word})`,
  }));
  const compiled = compileRules(load(rows), new Counting(), { matching: 'all' });
  compiled.match(OPEN);
  assert.equal(reads, 1);
  compiled.match(OPEN);
  assert.equal(reads, 2);
});

test('outputs show values as text and carry them typed', () => {
  const [rule] = compile([
    {
      name: 'a',
      condition: 'evt.type = open',
      output:
        'n=%proc.name u=%user.uid r=%evt.is_open_read m=%proc.pname s=%fd.sip i=%proc.exe_ino a=%proc.aname[2] w=[%6proc.name][%2proc.name] t=%toupper(proc.name) l=%fd.types x=%proc.name.more',
    },
  ]).match(
    event({
      'evt.type': 'open',
      'proc.name': 'cat',
      'user.uid': 0,
      'evt.is_open_read': true,
      'fd.sip': '2001:db8:0:0::1',
      'proc.exe_ino': '18446744073709551615',
      'proc.aname[2]': 'sshd',
      'fd.types': ['file', 'ipv4'],
    }),
  );
  const of = event({
    'proc.name': 'cat',
    'user.uid': 0,
    'evt.is_open_read': true,
    'fd.sip': '2001:db8:0:0::1',
    'proc.exe_ino': '9223372036854775807',
    'proc.aname[2]': 'sshd',
    'fd.types': ['file', 'ipv4'],
  });
  const rendered = rule?.render(of);
  assert.equal(
    rendered?.output,
    'n=cat u=0 r=true m=<NA> s=2001:db8::1 i=9223372036854775807 a=sshd w=[cat   ][ca] t=CAT l=(file,ipv4) x=cat.more',
  );
  assert.deepEqual(
    { ...rendered?.outputFields },
    {
      'proc.name': 'cat',
      'user.uid': 0,
      'evt.is_open_read': true,
      'proc.pname': null,
      'fd.sip': '2001:db8::1',
      'proc.exe_ino': 9223372036854775807n,
      'proc.aname[2]': 'sshd',
      'toupper(proc.name)': 'CAT',
      'fd.types': ['file', 'ipv4'],
    },
  );
  assert.match(encodeJson(rendered?.outputFields), /"proc\.exe_ino":9223372036854775807/);
});

test('bytes that are no UTF-8 are shown as U+FFFD', () => {
  class Raw extends MapSource {
    override bind() {
      return () => '/tmp/\xff\xc3\xa9';
    }
  }
  const render = compileTemplate('%fd.name', new Raw());
  assert.equal(render(new Map()).output, '/tmp/\ufffdé');
});

test('templates that cannot be read are refused', () => {
  const read = (template: string) => compileTemplate(template, new MapSource());
  const failsWith = (message: RegExp) => (error: unknown) =>
    error instanceof TemplateError && message.test(error.message);
  assert.throws(
    () => read('%not_a_real_field'),
    failsWith(/^invalid formatting token not_a_real_field/),
  );
  assert.throws(() => read('100%'), failsWith(/cannot end with a %/));
  assert.throws(() => read('%10'), failsWith(/cannot end with a number/));
  assert.throws(() => read('% x'), failsWith(/empty formatting token/));
  assert.throws(() => read('%evt.arg'), failsWith(/requires an argument/));
});

test('outputs are appended to by match', () => {
  const loaded = load([{ name: 'a', condition: 'evt.type = open', output: 'x' }], {
    appendOutput: [
      { suggestedOutput: true },
      { match: { rule: 'other' }, extraOutput: 'no' },
      {
        match: { tags: ['t'] },
        extraOutput: 'p=%proc.name',
        extraFields: ['user.uid', { key: 'k', format: '<%proc.name>' }],
      },
    ],
  });
  const [rule] = compileRules(loaded, new MapSource(), { matching: 'all' }).rules;
  const { output, outputFields } =
    rule?.render(event({ 'container.id': 'host', 'proc.name': 'cat', 'user.uid': 5 })) ?? {};
  assert.equal(
    output,
    'x container_id=host container_name=<NA> container_image_repository=<NA> container_image_tag=<NA> k8s_pod_name=<NA> k8s_ns_name=<NA> p=cat',
  );
  assert.equal(outputFields?.['user.uid'], 5);
  assert.deepEqual(Object.entries(outputFields ?? {}).at(-1), ['k', '<cat>']);
});

test('static fields are values of conditions, outputs and the suggested output', () => {
  const staticFields = { cluster: 'prod "é"', 'site.name': 'b' };
  const rows = [
    {
      name: 'a',
      condition: 'evt.type = open and static.cluster = \'prod "é"\'',
      output: '%static.site.name',
    },
    { name: 'b', condition: 'evt.type = open and static.site.name = c' },
  ];
  const loaded = load(rows, { staticFields, appendOutput: [{ suggestedOutput: true }] });
  const source = withStaticFields(new MapSource(), staticFields);
  const [rule, ...others] = compileRules(loaded, source, { matching: 'all' }).match(OPEN);
  assert.equal(others.length, 0);
  const { output, outputFields } = rule?.render(OPEN) ?? {};
  assert.match(output ?? '', /^b container_id=<NA> .* static_cluster=prod "é" static_site_name=b$/);
  assert.equal(outputFields?.['static.cluster'], 'prod "é"');
  const unknown = loadRules([
    {
      name: 'r.yaml',
      content: '- {rule: a, desc: d, condition: static.x = 1, output: o, priority: INFO}',
    },
  ]);
  assert.match(JSON.stringify(unknown.files), /nonexistent field static\.x/);
});

test('measuring adds the time of each rule that is tried, and counts nothing else', () => {
  const compiled = compile([
    { name: 'matches', condition: 'evt.type = open' },
    { name: 'does not', condition: 'evt.type = open and proc.name = dog' },
    { name: 'other type', condition: 'evt.type = connect' },
    { name: 'last resort', condition: 'evt.num = 0 or (evt.type = open and evt.type = close)' },
  ]);
  let clock = 0;
  // Each look at the clock takes 1 ms, and nothing else takes time: what is left is 0.
  compiled.measure(OPEN, 10, () => clock++);
  assert.deepEqual(
    compiled.rules.map(({ counters }) => counters.seconds),
    [0, 0, 0, 0],
  );
  // An empty look takes 1 ms, and those around a rule 3 ms.
  const looks = [0, 1, 1, 4, 4, 7, 7, 8, 8, 11];
  compiled.measure(OPEN, 10, () => looks.shift() ?? Number.NaN);
  assert.deepEqual(
    compiled.rules.map(({ counters }) => counters),
    [0.02, 0.02, 0, 0.02].map((seconds) => ({ matched: 0, errors: 0, seconds })),
  );
  assert.deepEqual(names(compiled.match(OPEN)), ['matches']);
  assert.equal(compiled.rules[0]?.counters.matched, 1);
});

test('a width pads, cuts or, when it is 0, does nothing; a transformer may have one', () => {
  const read = (template: string) => compileTemplate(template, new MapSource())(OPEN);
  assert.equal(read('%5proc.name|%2proc.name|%0proc.name|').output, 'cat  |ca|cat|');
  const { output, outputFields } = read('%6toupper(proc.name)|%6user.name|');
  assert.equal(output, 'CAT   |<NA>  |');
  assert.deepEqual({ ...outputFields }, { 'toupper(proc.name)': 'CAT', 'user.name': null });
});

test('an event waits for late fields only if they decide, or would be shown', () => {
  const lateFields = new Set(['container.name', 'container.image.repository']);
  const depends = (condition: string, output: string, fields: Record<string, unknown>) =>
    compile([{ name: 'r', condition, output }], { lateFields }).dependsOnLate(event(fields));
  const open = { 'evt.type': 'open', 'fd.name': '/etc/shadow', 'container.id': '1f' };
  const named = 'evt.type = open and fd.name = /etc/shadow and container.name = web';
  assert.equal(depends(named, 'x', open), true);
  assert.equal(
    depends(named, 'x', { ...open, 'fd.name': '/etc/hosts' }),
    false,
    'false either way',
  );
  assert.equal(depends(named, 'x', { ...open, 'evt.type': 'connect' }), false);
  const excepted = 'evt.type = open and not container.image.repository in (a, b)';
  assert.equal(depends(excepted, 'x', open), true);
  const either = 'evt.type = open and (fd.name = /etc/shadow or container.name = web)';
  assert.equal(depends(either, 'x', open), false, 'true either way');
  assert.equal(depends(either, '%container.name', open), true, 'but shown');
  assert.equal(depends(either, 'x', { ...open, 'fd.name': '/tmp' }), true);
  assert.equal(depends('evt.type = open', '%container.name', open), true);
  assert.equal(depends('evt.type = open', '%container.id', open), false);
  const both = 'evt.type = open and (container.name = a or container.name != a)';
  assert.equal(depends(both, 'x', open), true);
  assert.equal(compile([{ name: 'r', condition: named }]).dependsOnLate(event(open)), false);
});

test('what an event with late fields needs can be compiled before there is one', (context) => {
  const compiled = compile([{ name: 'r', condition: 'evt.type = open and container.name = web' }], {
    lateFields: new Set(['container.name']),
  });
  compiled.prepareLate();
  const made = context.mock.method(globalThis, 'Function');
  assert.equal(compiled.dependsOnLate(event({ 'evt.type': 'open' })), true);
  assert.equal(made.mock.callCount(), 0);
});
