import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { channelKeys, heldDueKey, laneKeys } from '../../src/store/keys.ts';
import { LaneFixture, Receiver, TEST_TIMES, upTo } from './lane-fixture.ts';
import { briefly, waitFor } from './sample.ts';

describe('delivery through lanes', () => {
  let fixture: LaneFixture;
  let receiver: Receiver;
  let url: string;

  beforeEach(async () => {
    fixture = await LaneFixture.open();
    receiver = new Receiver();
    url = await receiver.open();
    fixture.webhook('hook', url);
  });
  afterEach(async () => {
    await receiver.close();
    await fixture.close();
  });

  /** A worker in a process of its own. */
  const startChild = (errors: 'inherit' | 'ignore' = 'inherit') => {
    const script = join(import.meta.dirname, 'lane-worker.js');
    return spawn(process.execPath, [script, fixture.socket, url], {
      stdio: ['ignore', 'pipe', errors],
    });
  };
  const isEmpty = (channel: string) => async () => (await fixture.depth(channel)) === 0;

  it('tells everything in order, several alerts at once, and accounts for it', async () => {
    await fixture.fill('hook', 1, 50);
    await fixture.start();
    await waitFor(isEmpty('hook'));
    assert.deepEqual(receiver.numbers, upTo(50));
    assert.deepEqual(
      receiver.told.map(({ numbers }) => numbers.length),
      [20, 20, 10],
    );
    assert.deepEqual(await fixture.ledger('hook'), { pending: '0', notified: '50', digested: '0' });
    const metrics = await fixture.metrics.metrics();
    assert.match(metrics, /attempts_total\{kind="webhook",result="ok",reason=""\} 3/);
  });

  it('keeps the order across failures and Retry-After, with one id a notification', async () => {
    receiver.answer = (response, _told, nth) => {
      if (nth === 1) response.writeHead(500).end();
      else if (nth === 2) response.writeHead(429, { 'retry-after': '0' }).end();
      else if (nth === 3) response.destroy();
      else response.end();
    };
    await fixture.fill('hook', 1, 3);
    await fixture.start();
    await waitFor(() => receiver.told.length >= 1);
    await fixture.fill('hook', 4, 30);
    await waitFor(isEmpty('hook'));
    const firsts = receiver.told.slice(0, 4);
    assert.equal(new Set(firsts.map(({ id }) => id)).size, 1);
    for (const { numbers } of firsts)
      assert.deepEqual(numbers, firsts[0]?.numbers, 'the same is told again');
    assert.deepEqual(
      firsts.map(({ repeated }) => repeated),
      [false, false, false, true],
    );
    const last = new Map(receiver.told.map(({ id, numbers }) => [id, numbers]));
    assert.deepEqual([...last.values()].flat(), upTo(30));
  });

  it('gives up what is refused for good, says why, and goes on', async () => {
    receiver.answer = (response, _told, nth) =>
      nth === 1 ? response.writeHead(404).end('gone') : response.end();
    await fixture.enqueue('hook', 1);
    await fixture.start();
    await waitFor(isEmpty('hook'));
    await fixture.enqueue('hook', 2);
    await waitFor(isEmpty('hook'));
    assert.deepEqual(receiver.numbers, [1, 2]);
    const [letter] = await fixture.deadLetters('hook', 10);
    assert.equal(letter?.lane, 'hook');
    assert.equal(letter?.reason, 'client_error');
    assert.equal(letter?.detail, 'HTTP 404: gone');
    const lines = fixture.problems.map((line) => JSON.stringify(line));
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? '', /"channel":"hook".*"result":"permanent".*HTTP 404/);
    const { dead_lettered, notified, pending } = await fixture.ledger('hook');
    assert.deepEqual([dead_lettered, notified, pending], ['1', '1', '0']);
  });

  it('tells fewer at once when that is too much, and gives up only what is too large alone', async () => {
    receiver.answer = (response, { numbers }) =>
      numbers.length > 4 || numbers.includes(7) ? response.writeHead(413).end() : response.end();
    await fixture.fill('hook', 1, 20);
    await fixture.start();
    await waitFor(isEmpty('hook'));
    const { notified, dead_lettered } = await fixture.ledger('hook');
    assert.deepEqual([notified, dead_lettered], ['19', '1']);
    const [letter] = await fixture.deadLetters('hook', 10);
    assert.match(letter?.entry.alert ?? '', /0007$/);
  });

  for (const step of ['a change', 'a test'] as const)
    it(`waits for a person to mend the channel, and goes on at once after ${step}`, async () => {
      receiver.answer = (response) => response.writeHead(401).end('who are you?');
      await fixture.enqueue('hook', 1);
      const delivery = await fixture.start({
        times: { retry: { firstMs: 60_000, mostMs: 60_000, patienceMs: 3_600_000 }, sweepMs: 50 },
      });
      await waitFor(() => receiver.told.length === 1);
      receiver.answer = (response) => response.end();
      await waitFor(
        async () =>
          (await fixture.redis.get(laneKeys('hook').attempt))?.includes('"sending":false') ?? false,
      );
      if (step === 'a test') {
        const channel = fixture.channels.get('hook');
        assert.ok(channel);
        const { result } = await delivery.testSend(channel, AbortSignal.timeout(60_000));
        assert.equal(result, 'ok');
      } else await delivery.retryNow('hook');
      await waitFor(isEmpty('hook'));
      assert.deepEqual(
        receiver.numbers.filter((number) => number === 1),
        [1, 1],
      );
      assert.equal((await fixture.deadLetters('hook', 1)).length, 0);
    });

  it('is patient for a bounded time', async () => {
    receiver.answer = (response) => response.writeHead(500).end('broken');
    await fixture.enqueue('hook', 1);
    const retry = { firstMs: 20, mostMs: 20, patienceMs: 2000 };
    await fixture.start({ times: { retry, sweepMs: 50 } });
    await waitFor(isEmpty('hook'));
    const [letter] = await fixture.deadLetters('hook', 1);
    assert.equal(letter?.reason, 'server_error');
    assert.match(letter?.detail ?? '', /^given up after .*HTTP 500: broken/);
    assert.ok(receiver.told.length > 1);
  });

  it('lets a channel that hangs, one that is dead and one that is broken delay no other', async () => {
    const hanging = new Receiver();
    hanging.answer = () => {};
    fixture.webhook('hanging', await hanging.open());
    fixture.webhook('dead', 'http://127.0.0.1:1/');
    fixture.channels.set('broken', {
      name: 'broken',
      kind: 'slack',
      minimum_priority: 'debug',
      settings: { token: { env: 'NOT_SET' }, channel: '#x' },
    });
    for (const name of ['hanging', 'dead', 'broken']) await fixture.fill(name, 1, 5);
    await fixture.start();
    await waitFor(() => hanging.told.length > 0);
    for (let number = 1; number <= 30; number++) {
      await fixture.enqueue('hook', number);
      await waitFor(isEmpty('hook'));
    }
    assert.deepEqual(receiver.numbers, upTo(30));
    assert.equal(hanging.told.length, 1, 'the attempt that hangs still does');
    for (const name of ['hanging', 'dead', 'broken']) assert.equal(await fixture.depth(name), 5);
    await hanging.close();
  });

  it('shares lanes between workers without telling anything twice or out of order', async () => {
    for (let worker = 0; worker < 3; worker++) await fixture.start();
    for (const name of ['hook', 'hook2', 'hook3']) fixture.webhook(name, url);
    await Promise.all(['hook', 'hook2', 'hook3'].map((name) => fixture.fill(name, 1, 60)));
    await waitFor(async () => (await fixture.outbox.lanesWithWork()).length === 0);
    for (const name of ['hook', 'hook2', 'hook3']) {
      const own = receiver.told.filter(({ id }) => id.endsWith(`-${name}`));
      assert.deepEqual(
        own.flatMap(({ numbers }) => numbers),
        upTo(60),
        name,
      );
    }
  });

  it('loses nothing when a worker is killed in mid-send, and marks the repeat', async () => {
    let child: ReturnType<typeof startChild> | undefined;
    receiver.answer = (response, _told, nth) => {
      // The receiver has it, and the worker never learns.
      if (nth <= 3) child?.kill('SIGKILL');
      else response.end();
    };
    await fixture.fill('hook', 1, 25);
    for (let round = 1; round <= 3; round++) {
      child = startChild();
      await waitFor(() => receiver.told.length >= round, 60_000);
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
    child = startChild();
    await waitFor(isEmpty('hook'), 60_000);
    child.kill('SIGKILL');
    const [first, ...others] = receiver.told;
    assert.equal(first?.repeated, false);
    const again = others.filter(({ id }) => id === first?.id);
    assert.equal(again.length, 3);
    for (const { numbers, repeated } of again) {
      assert.equal(repeated, true);
      assert.deepEqual(numbers, first?.numbers);
    }
    assert.deepEqual([...new Set(receiver.numbers)], upTo(25));
    assert.equal(receiver.told.length, 5);
    assert.deepEqual(await fixture.ledger('hook'), { pending: '0', notified: '25', digested: '0' });
  });

  it('tells what the throttle held back once that is due', async () => {
    const { held, ledger } = channelKeys('hook');
    await fixture.redis.hset(held, { 'Shell in container': 30, 'Read sensitive file': 7 });
    await fixture.redis.hset(ledger, { held: 37 });
    await fixture.redis.zadd(heldDueKey, Date.now() + 300, 'hook');
    await fixture.start();
    await waitFor(() => receiver.told.length === 1);
    assert.deepEqual(receiver.told[0]?.held, {
      count: 37,
      by_rule: [
        { rule: 'Shell in container', count: 30 },
        { rule: 'Read sensitive file', count: 7 },
      ],
    });
    await waitFor(isEmpty('hook'));
    const { digested, pending, held: left } = await fixture.ledger('hook');
    assert.deepEqual([digested, pending, left], ['37', '0', '0']);
  });

  it('counts alerts that are no longer stored, and goes on', async () => {
    await fixture.enqueue('hook', 1);
    await fixture.redis.del('{tocsin}:alerts:record');
    await fixture.enqueue('hook', 2);
    await fixture.start();
    await waitFor(isEmpty('hook'));
    assert.deepEqual(receiver.numbers, [2]);
  });

  it('keeps the entries of a channel it does not know', async () => {
    await fixture.fill('ghost', 1, 2);
    await fixture.fill('hook', 1, 1);
    await fixture.start();
    await waitFor(isEmpty('hook'));
    assert.equal(await fixture.depth('ghost'), 2);
    assert.match(await fixture.metrics.metrics(), /tocsin_lane_depth\{channel="ghost"\} 2/);
    fixture.webhook('ghost', url);
    await waitFor(isEmpty('ghost'));
  });

  it('lets the send in flight end when it stops', async () => {
    let respond = () => {};
    receiver.answer = (response) => {
      respond = () => response.end();
    };
    await fixture.fill('hook', 1, 1);
    const delivery = await fixture.start();
    await waitFor(() => receiver.told.length === 1);
    await fixture.fill('hook', 2, 2);
    const stopped = delivery.stop(10_000);
    respond();
    await stopped;
    assert.equal(await fixture.depth('hook'), 1);
    const { notified } = await fixture.ledger('hook');
    assert.equal(notified, '1');
  });

  it('ends a send that takes too long when it stops, and the next worker repeats it, marked', async () => {
    receiver.answer = () => {};
    await fixture.fill('hook', 1, 1);
    const delivery = await fixture.start();
    await waitFor(() => receiver.told.length === 1);
    await delivery.stop(100);
    assert.equal(await fixture.depth('hook'), 1);
    receiver.answer = (response) => response.end();
    await fixture.start();
    await waitFor(isEmpty('hook'));
    assert.equal(receiver.told[1]?.id, receiver.told[0]?.id);
    assert.equal(receiver.told[1]?.repeated, true);
  });

  it('stops in bounded time when Redis is away', async () => {
    const child = startChild('ignore');
    await once(child.stdout, 'data');
    await fixture.fill('hook', 1, 1);
    await waitFor(isEmpty('hook'));
    await fixture.stopRedis();
    child.kill('SIGTERM');
    const [status] = await once(child, 'exit');
    assert.equal(status, 0);
  });

  it('ends its sends when Redis says nothing for longer than the lease lives', async () => {
    // It is sent again when Redis answers again.
    let ended = 0;
    receiver.answer = (response) => response.once('close', () => ended++);
    fixture.webhook('hook', url, { timeout: '30s' });
    await fixture.fill('hook', 1, 1);
    await fixture.start({ times: { ...TEST_TIMES, attemptMs: 600_000 } });
    await waitFor(() => receiver.told.length === 1);
    // Longer than the lease lives: another worker may have taken over.
    await fixture.redis.client('PAUSE', 4000, 'ALL');
    await waitFor(() => ended > 0);
  });

  it('makes a test notification at once, and returns what the provider said', async () => {
    const delivery = await fixture.start();
    const signal = new AbortController().signal;
    const send = (name: string) => {
      const channel = fixture.channels.get(name);
      assert.ok(channel);
      return delivery.testSend(channel, signal);
    };
    receiver.answer = (response) => response.writeHead(418).end('a teapot');
    const refused = await send('hook');
    assert.equal(briefly(refused), 'permanent client_error');
    assert.equal(refused.detail, 'HTTP 418: a teapot');
    fixture.channels.set('none', {
      name: 'none',
      kind: 'pigeon',
      minimum_priority: 'debug',
      settings: {},
    });
    const unknown = await send('none');
    assert.equal(unknown.detail, "there is no channel kind 'pigeon'.");
  });
});
