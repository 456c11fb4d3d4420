import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Notification } from '../../src/delivery/channel.ts';
import { batchSize, compose, MAX_BATCH } from '../../src/delivery/compose.ts';
import { describeHeld, toldAlerts } from '../../src/delivery/digest.ts';
import { summaryOf } from '../../src/delivery/presentation.ts';
import { sampleAlert } from './sample.ts';

const entry = (id: string, more: object = {}) => ({ id, time: 1_795_168_800_000, ...more });

describe('composing a notification', () => {
  it('tells several entries in one, under the id of the first, and sums what was held back', () => {
    const entries = [
      entry('a', { alert: 'a', held: [['Rule A', 3]] }),
      entry('b', { alert: 'b' }),
      entry('c', {
        held: [
          ['Rule B', 5],
          ['Rule A', 1],
        ],
      }),
    ];
    const told = compose(
      'ops',
      entries,
      [sampleAlert(), sampleAlert({ rule: 'B' }), undefined],
      false,
    );
    assert.equal(told?.id, 'a');
    assert.equal(told?.time, '2026-11-20T10:00:00.000Z');
    assert.deepEqual(
      told?.alerts.map(({ rule }) => rule),
      [sampleAlert().rule, 'B'],
    );
    assert.deepEqual(told?.held, {
      count: 9,
      byRule: [
        { rule: 'Rule B', count: 5 },
        { rule: 'Rule A', count: 4 },
      ],
    });
    assert.equal(told !== undefined && 'repeated' in told, false);
  });

  it('tells alerts that are not stored any more as a number, with what was held back', () => {
    const entries = [
      entry('a', { alert: 'a', rule: 'R', held: [['R', 2]] }),
      entry('b', { alert: 'b', rule: 'S' }),
    ];
    const told = compose('ops', entries, [undefined, undefined], true);
    assert.deepEqual(told?.alerts, []);
    assert.deepEqual(told?.held, {
      count: 4,
      byRule: [
        { rule: 'R', count: 3 },
        { rule: 'S', count: 1 },
      ],
    });
    assert.equal(told?.repeated, true);
    assert.equal(compose('ops', [entry('a')], [undefined], false), undefined);
  });

  it('bounds a notification by number and by size, but always tells one', () => {
    assert.equal(batchSize(Array.from({ length: 99 }, () => sampleAlert())), MAX_BATCH);
    const large = sampleAlert({ output: 'x'.repeat(100_000) });
    assert.equal(batchSize([large, large, large, large]), 2);
    assert.equal(batchSize([sampleAlert({ output: 'x'.repeat(1_000_000) }), large]), 1);
  });

  it('tells a digest alone, with what ended', () => {
    const digest = entry('d', { held: [['A', 3]], ended: 2, digest: true });
    const told = compose('ops', [digest], [undefined], false);
    assert.deepEqual(told?.held, {
      ...{ count: 3, byRule: [{ rule: 'A', count: 3 }], digest: true, ended: 2 },
    });
    assert.equal(summaryOf(told as Notification, 100), 'Digest of 3 alerts, 2 ended: A');
    const ended = compose('ops', [entry('e', { ended: 2, digest: true })], [undefined], false);
    assert.equal(describeHeld((ended as Notification).held), 'Digest of what ended: 2');
    assert.equal(toldAlerts(ended as Notification)[0]?.rule, 'Digest');
  });
});
