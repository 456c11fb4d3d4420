import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { channelKeys } from '../../src/store/keys.ts';
import { LaneFixture, Receiver, TEST_TIMES, upTo } from './lane-fixture.ts';
import { waitFor } from './sample.ts';

describe('lanes of groups', () => {
  let fixture: LaneFixture;
  let receiver: Receiver;

  beforeEach(async () => {
    fixture = await LaneFixture.open();
    receiver = new Receiver();
    fixture.webhook('hook', await receiver.open());
  });
  afterEach(async () => {
    await receiver.close();
    await fixture.close();
  });

  const idle = () => waitFor(async () => (await fixture.outbox.lanesWithWork()).length === 0);
  const toldOf = (group: string) => receiver.told.filter((told) => told.group === group);

  it('let a group that fails and one that hangs delay no other of the channel', async () => {
    let mended = false;
    let hanging = () => {};
    receiver.answer = (response, { group }) => {
      if (group === 'hangs' && !mended) hanging = () => response.destroy();
      else if (group === 'fails' && !mended) response.writeHead(500).end();
      else response.end();
    };
    await fixture.update('hook', 'fails', 1);
    await fixture.update('hook', 'hangs', 1);
    await fixture.start();
    await waitFor(() => toldOf('hangs').length === 1 && toldOf('fails').length > 1);
    for (const number of upTo(20)) {
      await fixture.update('hook', 'works', number);
      await waitFor(() => toldOf('works').at(-1)?.numbers.at(-1) === number);
    }
    await fixture.update('hook', 'fails', 2);
    assert.deepEqual(new Set(toldOf('fails').flatMap(({ numbers }) => numbers)), new Set([1]));
    mended = true;
    hanging();
    await idle();
    assert.deepEqual(toldOf('fails').at(-1)?.numbers, [2]);
    const repeated = toldOf('hangs').map((told) => told.repeated);
    assert.deepEqual(repeated, [false, ...repeated.slice(1).map(() => true)]);
    const { pending, notified } = await fixture.ledger('hook');
    assert.deepEqual([pending, notified], ['0', '23']);
  });

  it('let one that waits long for its next attempt delay no other', async () => {
    receiver.answer = (response, { group }) =>
      group === 'fails' ? response.writeHead(500).end() : response.end();
    await fixture.update('hook', 'fails', 1);
    const retry = { firstMs: 3_600_000, mostMs: 3_600_000, patienceMs: 7_200_000 };
    await fixture.start({ times: { ...TEST_TIMES, retry, sweepMs: 3_600_000 } });
    await waitFor(() => toldOf('fails').length === 1);
    for (const number of upTo(5)) {
      await fixture.update('hook', 'works', number);
      await waitFor(() => toldOf('works').at(-1)?.numbers.at(-1) === number);
    }
    assert.equal(toldOf('fails').length, 1);
  });

  it('tell updates of a group that waited as one, and nothing of them is lost', async () => {
    for (const number of upTo(5)) await fixture.update('hook', 'a', number);
    await fixture.update('hook', 'b', 1);
    await fixture.start();
    await idle();
    assert.equal(receiver.told.length, 2);
    const [told] = toldOf('a');
    assert.deepEqual(told?.numbers, upTo(5));
    assert.equal(told?.id, 'a-1');
    assert.deepEqual(told?.waited, Array(4).fill('new alerts'));
    assert.equal(toldOf('b')[0]?.waited, undefined);
    assert.equal((await fixture.ledger('hook'))['notified'], '6');
  });

  it('all wait when the provider says when to come back', async () => {
    receiver.answer = (response, _told, nth) => {
      if (nth === 1) response.writeHead(429, { 'retry-after': '3600' }).end();
      else response.end();
    };
    await fixture.update('hook', 'a', 1);
    const delivery = await fixture.start();
    const quiet = () => fixture.redis.hget(channelKeys('hook').state, 'quiet_until');
    await waitFor(async () => (await quiet()) !== null);
    await fixture.update('hook', 'b', 1);
    await fixture.fill('hook', 1, 1);
    const other = new Receiver();
    fixture.webhook('other', await other.open());
    await fixture.update('other', 'a', 1);
    await waitFor(() => other.told.length === 1);
    await other.close();
    assert.equal(receiver.told.length, 1);
    await delivery.retryNow('hook');
    await idle();
    assert.equal(receiver.told.length, 4);
  });

  const times = { ...TEST_TIMES, attemptMs: 60_000 };
  /** Sends what 60 groups have to say to a receiver that keeps its answers. */
  const sendToOneThatWaits = async () => {
    const answers: ServerResponse[] = [];
    receiver.answer = (response) => answers.push(response);
    for (const number of upTo(60)) await fixture.update('hook', `group ${number}`, number);
    const delivery = await fixture.start({ times });
    await waitFor(() => answers.length === 15);
    return { answers, delivery };
  };

  it('beyond those that are sent wait their turn, and none is begun when the provider says so', async () => {
    const { answers, delivery } = await sendToOneThatWaits();
    await fixture.update('hook', 'fire', 0, true);
    await waitFor(() => answers.length === 16);
    assert.equal(receiver.told.at(-1)?.group, 'fire');
    answers[0]?.writeHead(429, { 'retry-after': '3600' }).end();
    const quiet = () => fixture.redis.hget(channelKeys('hook').state, 'quiet_until');
    await waitFor(async () => (await quiet()) !== null);
    for (const answer of answers.slice(1)) answer.end();
    const { ready } = channelKeys('hook');
    await waitFor(async () => (await fixture.redis.zcard(ready)) === 46);
    await waitFor(async () => (await fixture.redis.exists(channelKeys('hook').lease)) === 0);
    assert.equal(receiver.told.length, 16);
    receiver.answer = (response) => response.end();
    await delivery.retryNow('hook');
    await idle();
    assert.equal(receiver.told.length, 62);
    assert.ok(!receiver.told.some(({ repeated }) => repeated));
  });

  it('are marked as repeated only if they were begun, when the process ends', async () => {
    const { delivery } = await sendToOneThatWaits();
    await delivery.stop(0);
    receiver.answer = (response) => response.end();
    await fixture.start({ times });
    await idle();
    const begun = new Set(receiver.told.slice(0, 15).map(({ id }) => id));
    const later = receiver.told.slice(15);
    assert.equal(later.length, 60);
    for (const { id, repeated } of later) assert.equal(repeated, begun.has(id), id);
  });

  it('are not begun when the channel is paused', async () => {
    const { answers } = await sendToOneThatWaits();
    const { state, lease, ready } = channelKeys('hook');
    await fixture.redis.hset(state, 'paused_until', 'inf');
    const attempts = async () => {
      const keys = await fixture.redis.keys('*hook#group*:attempt');
      return keys.length > 0 ? fixture.redis.mget(keys) : [];
    };
    const sending = (text: string | null) => text?.includes('"sending":true');
    await waitFor(async () => (await attempts()).filter(sending).length === 15);
    // Nobody begins to lose patience with what was not tried.
    for (const text of await attempts()) assert.equal(text?.includes('"since"'), sending(text));
    for (const answer of answers) answer.end();
    await waitFor(async () => (await fixture.redis.exists(lease)) === 0);
    assert.equal(await fixture.redis.zcard(ready), 45);
    assert.equal(receiver.told.length, 15);
  });

  it('put what is urgent first', async () => {
    for (const number of upTo(30)) await fixture.update('hook', `group ${number}`, number);
    await fixture.update('hook', 'fire', 0, true);
    await fixture.start();
    await idle();
    // Sends go out together; what is urgent is among the first of them.
    const place = receiver.told.findIndex(({ group }) => group === 'fire');
    assert.ok(place >= 0 && place < 16, `it came as number ${place}`);
  });
});
