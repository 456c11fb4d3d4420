import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  compareMembers,
  decideFlush,
  type FlushInput,
  type Hold,
  type Member,
  needsUpdate,
  tickFrom,
} from '../../src/routing/flush.ts';

const MINUTE = 60_000;
const NOW = 100 * MINUTE;
const set = (...numbers: number[]) => new Set(numbers.map(String));
const entry = (firing: Set<string>, resolved: Set<string>, ageMinutes: number) => ({
  at: NOW - ageMinutes * MINUTE,
  firing,
  resolved,
});

test('says what Alertmanager says, and when', () => {
  const rows = [
    [set(2, 3, 4), set(), undefined, true, 'first notification'],
    [set(), set(2, 3, 4), undefined, true, undefined],
    [set(2, 3, 4), set(), entry(set(1, 2, 3), set(), 0), true, 'new alerts'],
    [set(1, 2, 3), set(), { ...entry(set(1, 2, 3), set(), 0), at: 0 }, true, 'repeat'],
    [set(1, 2, 3), set(), entry(set(1, 2, 3), set(), 9), true, undefined],
    [set(1, 2, 3), set(), entry(set(1, 2, 3), set(), 10), true, undefined],
    [set(1, 2, 3), set(), entry(set(1, 2, 3), set(), 11), true, 'repeat'],
    [set(), set(3, 4, 5), entry(set(), set(1, 2, 3), 11), true, undefined],
    [set(1), set(2, 3), entry(set(1, 2), set(3), 9), false, undefined],
    [set(1), set(2, 3), entry(set(1, 2), set(3), 9), true, 'resolved'],
    [set(), set(1, 2, 3), entry(set(1, 2), set(3), 9), false, 'resolved'],
    [set(), set(1, 2, 3), entry(set(1, 2), set(3), 9), true, 'resolved'],
    [set(7), set(), entry(set(), set(3), 9), true, 'first notification'],
  ] as const;
  for (const [index, [firing, resolved, before, sendResolved, reason]] of rows.entries()) {
    const policy = { sendResolved, repeatIntervalMs: 10 * MINUTE, now: NOW };
    assert.equal(needsUpdate(firing, resolved, before, policy), reason, `row ${index}`);
  }
});

const member = (fingerprint: string, more: Partial<Member> = {}): Member => ({
  fingerprint,
  labels: { name: fingerprint },
  startsAt: 0,
  endsAt: Number.POSITIVE_INFINITY,
  told: false,
  wasHeld: false,
  ...more,
});
const silence: Hold = { kind: 'silenced', by: 's' };
const flushOf = (members: Member[], more: Partial<FlushInput> = {}) =>
  decideFlush({
    route: { groupWaitMs: 30_000, groupIntervalMs: 5 * MINUTE, repeatIntervalMs: 60 * MINUTE },
    members,
    entry: undefined,
    sendResolved: true,
    now: NOW,
    flushedAt: 0,
    holdOf: () => undefined,
    ...more,
  });
const names = (members: readonly Member[]) => members.map(({ fingerprint }) => fingerprint);

test('who was told that it fires is told that it ended, whatever holds it back', () => {
  const told = member('a', { told: true, endsAt: NOW });
  const flush = flushOf([told, member('b', { told: true })], {
    entry: entry(new Set(['a', 'b']), new Set(), 5),
    holdOf: () => silence,
  });
  assert.equal(flush.reason, 'resolved');
  assert.deepEqual(names(flush.resolved), ['a']);
  assert.deepEqual(names(flush.firing), []);
  // The other end is owed too, although the log no longer knows that it fires.
  const later = flushOf([member('b', { told: true, endsAt: NOW })], { entry: flush.entry });
  assert.equal(later.reason, 'resolved');
});

test('who was held back and never told is not told that it ended', () => {
  const held = member('a', { wasHeld: true, endsAt: NOW });
  const source = member('b', { told: true, endsAt: NOW });
  const flush = flushOf([held, source], { entry: entry(new Set(['b']), new Set(), 5) });
  assert.deepEqual(names(flush.resolved), ['b']);
  assert.deepEqual(names(flush.ended), ['a', 'b']);
  assert.equal(flush.next, undefined);
});

test('what has ended since a flush that is late was due is told, unless it was held back', () => {
  const late = [
    member('a', { endsAt: NOW - 1 }),
    member('b', { endsAt: NOW - 9 }),
    member('c', { endsAt: NOW - 1, wasHeld: true }),
  ];
  const flush = flushOf(late, { owedSince: NOW - 5 });
  assert.equal(flush.reason, 'first notification');
  assert.deepEqual([names(flush.firing), names(flush.resolved)], [[], ['a', 'b']]);
  const told = flushOf(late, { owedSince: NOW - 5, sendResolved: false });
  assert.deepEqual([told.send, names(told.firing), names(told.resolved)], [true, ['a'], []]);
  assert.equal(flushOf(late).send, false);
});

test('what came and went between two flushes is told with the others', () => {
  const flush = flushOf([member('a', { told: true }), member('b', { endsAt: NOW - 1 })], {
    entry: entry(new Set(['a']), new Set(), 5),
  });
  assert.deepEqual([names(flush.firing), names(flush.resolved)], [['a'], ['b']]);
});

test('a channel that is not told of ends has its log cleared', () => {
  const flush = flushOf([member('a', { told: true, endsAt: NOW })], {
    sendResolved: false,
    entry: entry(new Set(['a']), new Set(), 5),
  });
  assert.equal(flush.send, false);
  assert.deepEqual(flush.entry?.firing, new Set());
});

test('is looked at again when there can be something to say', () => {
  const interval = 5 * MINUTE;
  assert.equal(flushOf([member('a')]).next, NOW + 65 * MINUTE);
  assert.equal(flushOf([member('a', { endsAt: NOW + interval })]).next, NOW + interval);
  assert.equal(flushOf([member('a', { endsAt: NOW + interval + 1 })]).next, NOW + 2 * interval);
  assert.equal(flushOf([member('a')], { holdOf: () => silence }).next, NOW + interval);
  assert.equal(flushOf([member('a', { endsAt: NOW })]).next, undefined);
});

test('a look between ticks that says nothing leaves the ticks as they are', () => {
  const flush = flushOf([member('a')], { flushedAt: NOW - MINUTE, holdOf: () => silence });
  assert.deepEqual([flush.flushedAt, flush.next], [NOW - MINUTE, NOW + 4 * MINUTE]);
  const said = flushOf([member('a')], { flushedAt: NOW - MINUTE });
  assert.equal(said.flushedAt, NOW);
});

test('ticks are counted from the last flush and never are that flush', () => {
  assert.deepEqual(
    [100, 101, 109, 110, 111].map((at) => tickFrom(at, 100, 10)),
    [110, 110, 110, 110, 120],
  );
});

test('tells alerts in the order of Alertmanager', () => {
  const labels = [
    { b: '1' },
    { a: '1', b: '2' },
    { a: '1', b: '10' },
    { job: 'x', a: '1' },
    { job: 'a', z: '1' },
    { instance: 'i', z: '1' },
    { a: '1' },
    { z: '\u{1f514}' },
    { z: '\uff5e' },
  ];
  const sorted = labels.map((one) => ({ labels: one })).sort(compareMembers);
  assert.deepEqual(
    sorted.map((one) => one.labels),
    [
      { job: 'a', z: '1' },
      { job: 'x', a: '1' },
      { instance: 'i', z: '1' },
      { z: '\uff5e' },
      { z: '\u{1f514}' },
      { b: '1' },
      { a: '1' },
      { a: '1', b: '10' },
      { a: '1', b: '2' },
    ],
  );
});
