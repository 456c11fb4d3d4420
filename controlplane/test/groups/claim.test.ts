import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Config, loadSettings } from '@tocsin/openapi';
import { type Grouping, groupingOf, type IncomingAlert } from '../../src/groups/grouping.ts';
import { GroupStore } from '../../src/store/groups.ts';
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
