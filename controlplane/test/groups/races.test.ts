import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Channel, Config, loadSettings } from '@tocsin/openapi';
import { Flusher } from '../../src/groups/flusher.ts';
import { type Grouping, groupingOf } from '../../src/groups/grouping.ts';
import { rehome } from '../../src/groups/rehome.ts';
import type { GroupStore } from '../../src/store/groups.ts';
import { SilenceStore } from '../../src/store/silences.ts';
import { openRedis } from '../support/redis.ts';
import { Interleaved } from './interleaved.ts';

const CONFIG = `
route: {receiver: d, group_by: [], group_wait: 1s, group_interval: 10s}
receivers: [{name: d, log: {}}]`;
const START = Date.parse('2026-01-05T00:00:00Z');
const HOUR = 3_600_000;

async function groups(t: TestContext) {
  const redis = await openRedis(t);
  const store = new Interleaved(redis);
  const grouping = groupingOf(
    loadSettings(Config, { file: { name: 'test.yaml', text: CONFIG } }),
  ) as Grouping;
  const flusherOf = (from: GroupStore) =>
    new Flusher({
      store: from,
      silences: new SilenceStore(redis),
      channels: { get: (name) => ({ name }) as Channel },
      grouping: () => grouping,
    });
  const push = (n: string, at: number, endsAt = at + HOUR / 1000) =>
    store.admit(
      grouping.request(
        [
          {
            labels: { n },
            ...{ startsAt: START + at * 1000, endsAt: START + endsAt * 1000 },
            ...{ occurrences: 1, seen: undefined, sample: undefined, agent: undefined },
          },
        ],
        START + at * 1000,
      ),
    );
  /** What is said by a look at a time, in seconds. */
  const look = async (at: number, flusher = flusherOf(store)) => {
    const said: string[] = [];
    const now = START + at * 1000;
    for (const group of await flusher.claim(now, 10)) {
      const flushed = await flusher.flush(group, now);
      const told = flushed?.entries[0]?.group;
      const names = (alerts: readonly { labels: { readonly [name: string]: string } }[] = []) =>
        alerts.map(({ labels }) => labels['n']).join(' ');
      if (told) said.push(`${told.reason}: ${names(told.firing)} / ${names(told.resolved)}`);
      else if (flushed) said.push(flushed.outcome.status);
    }
    return said;
  };
  return { store, grouping, push, look, flusher: flusherOf(store) };
}

test('what fires again while its end is being told is told again, and not lost', async (t) => {
  const { store, push, look } = await groups(t);
  await push('a', 0);
  assert.deepEqual(await look(1), ['first notification: a / ']);
  await push('a', 5, 5);
  store.meanwhile = () => push('a', 11.5);
  assert.deepEqual(await look(11), ['resolved:  / a']);
  assert.deepEqual(await look(20), []);
  assert.deepEqual(await look(21), ['first notification: a / ']);
});

test('what comes while its group ends is told, by that group or by a new one', async (t) => {
  const { store, push, look } = await groups(t);
  await push('a', 0);
  await look(1);
  await push('a', 5, 5);
  store.meanwhile = () => push('b', 11.5);
  assert.deepEqual(await look(11), ['resolved:  / a']);
  assert.deepEqual(await look(21), ['first notification: b / ']);
  await push('b', 25, 25);
  assert.deepEqual(await look(31), ['resolved:  / b']);
  assert.equal(await store.size(), 0);
  await push('c', 31.5);
  assert.deepEqual(await look(32), []);
  assert.deepEqual(await look(32.5), ['first notification: c / ']);
});

test('what comes while a changed configuration is laid down stays in its group', async (t) => {
  const { store, grouping, push, look } = await groups(t);
  await push('a', 0);
  await look(1);
  const { firing } = store;
  store.firing = async function* (...args) {
    yield* firing.apply(store, args);
    await push('b', 2);
  };
  await rehome(store, grouping, START + 2000);
  assert.deepEqual(await look(11), ['new alerts: a b / ']);
});

test('who stood still longer than its claim lasts says nothing when it goes on', async (t) => {
  const { push, look, flusher } = await groups(t);
  await push('a', 0);
  const [group] = await flusher.claim(START + 1000, 10);
  assert.ok(group);
  assert.deepEqual(await look(2), []);
  assert.deepEqual(await look(21), ['first notification: a / ']);
  const late = await flusher.flush(group, START + 22_000);
  assert.deepEqual([late?.outcome.status, late?.entries], ['lost', []]);
  assert.deepEqual(await look(40), []);
});
