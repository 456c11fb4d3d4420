import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Config, loadSettings } from '@tocsin/openapi';
import { type Grouping, groupingOf, type IncomingAlert } from '../../src/groups/grouping.ts';
import { GroupStore } from '../../src/store/groups.ts';
import { activeKeys } from '../../src/store/keys.ts';
import { openRedis } from '../support/redis.ts';

const route = {
  receiver: 'log',
  group_by: ['rule'],
  group_wait: '1s',
  flush_immediately: 'priority >= critical',
};
const text = JSON.stringify({ route, channels: [{ name: 'log', kind: 'log', settings: {} }] });
const config = loadSettings(Config, { file: { name: 'test.yaml', text } });
const START = Date.UTC(2026, 0, 5);

const incoming = (rule: string, priority: string): IncomingAlert => ({
  labels: { rule, priority },
  ...{ startsAt: START, endsAt: undefined, occurrences: 1 },
  ...{ seen: undefined, sample: undefined, agent: undefined },
});

test('a group that something critical does not wait in is claimed before those that were due earlier', async (t) => {
  const redis = await openRedis(t);
  const store = new GroupStore(redis);
  const grouping = groupingOf(config) as Grouping;
  const noise = Array.from({ length: 50 }, (_none, number) => incoming(`r${number}`, 'Debug'));
  await store.admit(grouping.request(noise, START));
  await store.admit(grouping.request([incoming('worst', 'Critical')], START + 5000));
  assert.deepEqual(await store.claim(START + 500, 5000, 5), [], 'none is due yet');
  const [first, ...others] = await store.claim(START + 5000, 5000, 5);
  assert.equal(first?.definition.l['rule'], 'worst');
  assert.equal(first?.tick, START + 5000);
  assert.equal(others.length, 4);
  const rest = await store.claim(START + 5000, 5000, 100);
  assert.equal(rest.length, 46, 'each is claimed once');
});

test('times of an alert that comes again are merged as in Alertmanager', async (t) => {
  const redis = await openRedis(t);
  const store = new GroupStore(redis);
  const grouping = groupingOf(config) as Grouping;
  // Minutes from now: start, end, and 1 when the end is only a guess. The first is older.
  type Times = readonly [starts: number, ends: number, guess: 0 | 1];
  const cases: readonly (readonly [Times, Times, Times])[] = [
    [
      [-2, 2, 1],
      [-1, 3, 1],
      [-2, 3, 1],
    ],
    [
      [-1, 3, 1],
      [0, 2, 0],
      [-1, 2, 0],
    ],
    [
      [-1, 3, 0],
      [0, 2, 1],
      [-1, 3, 1],
    ],
    [
      [-1, 3, 0],
      [0, 2, 0],
      [-1, 3, 0],
    ],
    [
      [-1, 3, 0],
      [-1, 4, 0],
      [-1, 4, 0],
    ],
    [
      [-3, -1, 0],
      [-2, 1, 0],
      [-3, 1, 0],
    ],
    [
      [-2, 3, 0],
      [-2, 0, 0],
      [-2, 0, 0],
    ],
    [
      [-3, -1, 0],
      [-4, -2, 0],
      [-4, -1, 0],
    ],
    // What does not touch the other is another incident.
    [
      [-5, -3, 0],
      [-2, 1, 0],
      [-2, 1, 0],
    ],
  ];
  const minutes = (count: number) => count * 60_000;
  for (const [index, [older, newer, wanted]] of cases.entries()) {
    const admit = async ([starts, ends, guess]: Times) => {
      const alert = { ...incoming(`merge ${index}`, 'Debug'), startsAt: START + minutes(starts) };
      const request = grouping.request([alert], START);
      const [row = []] = request.alerts;
      const end = guess === 1 ? minutes(ends) : START + minutes(ends);
      const whole = [...row.slice(0, 3), end, guess, ...row.slice(5)];
      await store.admit({ ...request, alerts: [whole] });
      return String(row[0]);
    };
    await admit(older);
    const text = await redis.hget(activeKeys.record, await admit(newer));
    const [starts, ends, , guess] = (text ?? '').split(' ').map(Number) as number[];
    const offset = (time = 0) => (time - START) / minutes(1);
    assert.deepEqual([offset(starts), offset(ends), guess], wanted, `case ${index}`);
  }
});
