import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RuleJudge, type RuleSettings } from '../../src/engine/rule-judge.ts';
import { kernelEventSource } from '../../src/events/fields/source.ts';
import { contextOf } from '../events/fields.ts';
import { eventOf, open } from '../events/records.ts';

const rule = (name: string, condition: string, tag = 't'): string =>
  `- {rule: ${name}, desc: d, condition: ${condition}, output: o, priority: INFO, tags: [${tag}]}\n`;

function judgeOf(content: string, settings: Partial<RuleSettings> = {}) {
  const rung: string[] = [];
  const judge = RuleJudge.compile(
    { files: [{ name: 'r.yaml', content }], matching: 'all', ...settings },
    kernelEventSource(contextOf()),
    () => undefined,
    ({ name }) => rung.push(name),
  );
  const counters = () =>
    new Map(judge.compiled.rules.map((each) => [each.name, { ...each.counters }]));
  return { judge, rung, counters };
}

const event = eventOf(open('/etc/shadow'));

describe('RuleJudge', () => {
  it('measures one event of so many, and counts and tells each match once all the same', () => {
    const content =
      rule('reads', 'evt.type=openat') + rule('never', 'evt.type=openat and fd.name=/x');
    for (const measureOneOf of [undefined, 1, 3]) {
      const { judge, rung, counters } = judgeOf(content, { measureOneOf });
      for (let n = 0; n < 300; n++) judge.judge(event);
      assert.equal(rung.length, 300, `every event rings once, measured one of ${measureOneOf}`);
      const { matched, errors, seconds } = counters().get('reads') ?? {};
      assert.deepEqual([matched, errors], [300, 0]);
      assert.equal((seconds ?? 0) > 0, measureOneOf !== undefined);
      assert.equal(counters().get('never')?.matched, 0);
    }
  });

  it('goes on counting for rules that a reload keeps, and forgets the others', () => {
    const before = judgeOf(rule('kept', 'evt.type=openat') + rule('gone', 'evt.type=openat'));
    before.judge.judge(event);
    const after = judgeOf(
      rule('kept', 'fd.name=/etc/shadow and evt.type=openat') + rule('new', 'evt.type=connect'),
    );
    after.judge.countOn(before.judge);
    after.judge.judge(event);
    assert.deepEqual(
      [...after.counters()].map(([name, { matched }]) => [name, matched]),
      [
        ['kept', 2],
        ['new', 0],
      ],
    );
  });

  it('takes selection, appended output and static fields', () => {
    const content =
      rule('one', 'evt.type=openat', 'a') + rule('two', 'evt.type=openat and static.env=prod', 'b');
    const { judge, rung } = judgeOf(content, {
      selection: [
        { action: 'disable', rule: '*' },
        { action: 'enable', tag: 'b' },
      ],
      staticFields: { env: 'prod' },
      appendOutput: [{ match: { tags: ['b'] }, extraOutput: 'in %static.env' }],
    });
    judge.judge(event);
    assert.deepEqual(rung, ['two']);
    assert.equal(judge.compiled.rules[0]?.render(event).output, 'o in prod');
  });
});
