import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LabelsError, labelsOf, labelsSource, readLabels } from '../../src/routing/labels.ts';

test('labels are texts; empty ones are missing ones', () => {
  assert.deepEqual({ ...readLabels({ a: '', b: 'x', 'λ🙂': 'y' }) }, { b: 'x', 'λ🙂': 'y' });
  assert.deepEqual({ ...readLabels({ tags: ['b', 'a'] }) }, { tags: 'b,a' });
  assert.equal(Object.getPrototypeOf(readLabels({})), null);
});

test('hostile labels are refused with their name', () => {
  const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`l${i}`, 'x']));
  const wrong: [unknown, RegExp][] = [
    [JSON.parse('{"__proto__":"x"}'), /__proto__/],
    [{ '': 'x' }, /no name/],
    [{ a: 1 }, /"a" is not a text/],
    [{ a: ['x'] }, /"a" is not a text/],
    [{ a: null }, /"a" is not a text/],
    [{ a: 'x'.repeat(1 << 20) }, /"a" is longer/],
    [{ ['n'.repeat(1 << 20)]: 'x' }, /is longer than 256/],
    [{ a: 'x\u0000' }, /"a" has control characters/],
    [{ a: '\u001b[31m' }, /control/],
    [{ a: '\ud800' }, /control/],
    [{ 'a\nb': 'x' }, /name "a\\nb" of a label has control/],
    [many, /10000 labels/],
    [[], /mapping/],
    ['x', /mapping/],
    [null, /mapping/],
  ];
  for (const [given, message] of wrong)
    assert.throws(
      () => readLabels(given),
      (error) => {
        assert.ok(error instanceof LabelsError);
        assert.match(error.message, message);
        assert.ok(error.message.length < 200);
        return true;
      },
    );
});

test('an alert has the labels that people route by', () => {
  const labels = labelsOf(
    {
      rule: 'Shell',
      priority: 'Warning',
      source: 'syscall',
      hostname: 'web-1',
      tags: ['shell', 'container'],
      output_fields: {
        'container.name': 'web',
        'container.image.repository': 'nginx',
        'k8s.ns.name': null,
        'k8s.pod.name': 'web-0',
        'user.uid': 0,
        'proc.name': 'bash',
      },
    },
    'a1',
    ['user.uid', 'k8s.ns.name', '__proto__', 'constructor'],
  );
  assert.deepEqual(
    { ...labels },
    {
      rule: 'Shell',
      alertname: 'Shell',
      priority: 'Warning',
      severity: 'warning',
      source: 'syscall',
      hostname: 'web-1',
      agent: 'a1',
      tags: 'container,shell',
      container: 'web',
      image: 'nginx',
      pod: 'web-0',
      'user.uid': '0',
    },
  );
});

test('what has other labels is made of something else, however the parts are cut', () => {
  const word = fc.constantFrom('', '1', '1:', ',1:', ';', 'a', ';1:a', '\0', '-', 'é');
  const fields = ['x', 'constructor'];
  const alert = fc.record({
    ...{ rule: word, source: word, hostname: word, tags: fc.array(word, { maxLength: 3 }) },
    priority: fc.constantFrom('Warning' as const, 'Debug' as const),
    output_fields: fc.dictionary(
      fc.constantFrom('container.name', 'container.id', 'k8s.pod.name', 'x'),
      fc.oneof(word, fc.constantFrom(1, true, null, ['a'])),
    ),
  });
  fc.assert(
    fc.property(alert, alert, (a, b) => {
      if (labelsSource(a, 'a1', fields) !== labelsSource(b, 'a1', fields)) return;
      assert.deepEqual(labelsOf(a, 'a1', fields), labelsOf(b, 'a1', fields));
    }),
    { numRuns: 20_000 },
  );
  const cut = (tags: string[]) =>
    labelsSource(
      { rule: 'r', source: 's', hostname: 'h', tags, priority: 'Debug', output_fields: {} },
      'a1',
    );
  assert.notEqual(cut(['a', 'b']), cut(['a,1:b']));
});
