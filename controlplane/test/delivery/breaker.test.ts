import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type Breaker, CLOSED, judge } from '../../src/delivery/breaker.ts';
import type { Outcome } from '../../src/delivery/channel.ts';
import { ambiguous, ok, permanent, retry } from '../../src/delivery/outcome.ts';
import { readChannelState } from '../../src/store/channel-state.ts';
import { LaneFixture, Receiver, TEST_TIMES, upTo } from './lane-fixture.ts';
import { waitFor } from './sample.ts';

describe('what attempts mean for their channel', () => {
  const policy = { failures: 3, firstMs: 1000, mostMs: 4000 };
  const after = (breaker: Breaker, outcome: Outcome, now = 0) =>
    judge(breaker, outcome, policy, now, () => 1);
  const failed = ambiguous('timeout', '');

  it('opens after failures in a row, and pauses longer with each probe that fails', () => {
    const one = after(CLOSED, failed);
    const two = after(one, retry('connection', ''));
    assert.deepEqual(two, { failures: 2, opens: 0, openUntil: 0 });
    const open = after(two, failed);
    assert.deepEqual(open, { failures: 3, opens: 1, openUntil: 1000 });
    assert.equal(after(open, failed, 500), open, 'begun before it was opened');
    const again = after(open, failed, 1000);
    assert.deepEqual(again, { failures: 4, opens: 2, openUntil: 3000 });
    const often = after({ failures: 50, opens: 40, openUntil: 0 }, failed);
    assert.equal(often.openUntil, 4000);
  });

  it('closes with the first answer, and takes neither refusals nor pauses for failures', () => {
    assert.deepEqual(after({ failures: 9, opens: 4, openUntil: 0 }, ok('')), CLOSED);
    const one = after(CLOSED, failed);
    assert.deepEqual(after(one, permanent('client_error', '')), CLOSED);
    assert.equal(after(one, retry('rate_limited', '')), one);
    assert.equal(after(one, retry('server_error', '', 1000)), one);
    assert.equal(after(one, ambiguous('aborted', '')), one);
    assert.equal(after(CLOSED, ok('')), CLOSED);
  });

  it('opens at once for what a person must mend', () => {
    assert.equal(after(CLOSED, permanent('auth', '')).opens, 1);
    assert.equal(after(CLOSED, permanent('configuration', '')).opens, 1);
  });
});

describe('a broken channel', () => {
  let fixture: LaneFixture;
  let broken: Receiver;
  let other: Receiver;

  beforeEach(async () => {
    fixture = await LaneFixture.open();
    broken = new Receiver();
    other = new Receiver();
    fixture.webhook('broken', await broken.open());
    fixture.webhook('other', await other.open());
  });
  afterEach(async () => {
    await broken.close();
    await other.close();
    await fixture.close();
  });
  const state = () => readChannelState(fixture.redis, 'broken');
  const idle = () => waitFor(async () => (await fixture.outbox.lanesWithWork()).length === 0);

  it('is told on another channel when its token is refused, and when it works again', async () => {
    broken.answer = (response) => response.writeHead(401).end('who are you?');
    for (const group of ['a', 'b', 'c']) await fixture.update('broken', group, 1);
    await fixture.start();
    await waitFor(() => other.told.length === 1);
    assert.equal(
      other.outputs[0],
      'Nothing can be told on the channel broken: auth: HTTP 401: who are you? It is tried again; what waits is kept.',
    );
    const { broken: known } = await state();
    assert.deepEqual([known?.reason, known?.toldAt], ['auth', 'other']);
    const metrics = await fixture.metrics.metrics();
    assert.match(metrics, /tocsin_channel_broken\{channel="broken",reason="auth"\} 1/);
    assert.match(metrics, /tocsin_channel_broken_total\{kind="webhook",reason="auth"\} 1/);
    broken.answer = (response) => response.end();
    await idle();
    await waitFor(() => other.told.length === 2);
    assert.equal(other.outputs[1], 'The channel broken works again.');
    assert.equal((await state()).broken, undefined);
    assert.equal((await fixture.ledger('broken'))['notified'], '3');
  });

  it('is tried by one send at a time', async () => {
    broken.answer = () => {};
    const breaker = { failures: 1, firstMs: 20, mostMs: 20 };
    await fixture.start({ times: { ...TEST_TIMES, attemptMs: 300, breaker } });
    await fixture.update('broken', 'first', 1);
    await waitFor(async () => (await state()).broken !== undefined);
    for (const number of upTo(20)) await fixture.update('broken', `group ${number}`, number);
    let most = 0;
    let open = 0;
    broken.answer = (response) => {
      most = Math.max(most, ++open);
      response.on('close', () => open--);
    };
    const known = broken.told.length;
    await waitFor(() => broken.told.length >= known + 4);
    assert.equal(most, 1);
    broken.answer = (response) => response.end();
    await idle();
    assert.equal((await fixture.ledger('broken'))['notified'], '21');
  });

  it('has what it cannot tell told by its fallback, in order, and goes on when it works', async () => {
    const channel = fixture.channels.get('broken');
    assert.ok(channel);
    fixture.channels.set('broken', { ...channel, fallback: 'other' });
    // Two may stand in for each other.
    const standIn = fixture.channels.get('other');
    assert.ok(standIn);
    fixture.channels.set('other', { ...standIn, fallback: 'broken' });
    broken.answer = (response) => response.writeHead(500).end();
    for (const number of upTo(3)) await fixture.update('broken', 'a', number);
    await fixture.fill('broken', 1, 30);
    await fixture.start();
    const numbersOf = (group?: string) =>
      other.told.filter((told) => told.group === group && told.numbers.length > 0);
    await waitFor(() => numbersOf().flatMap(({ numbers }) => numbers).length === 30);
    await waitFor(() => numbersOf('a').length === 1);
    assert.deepEqual(
      numbersOf().flatMap(({ numbers }) => numbers),
      upTo(30),
    );
    assert.deepEqual(numbersOf('a')[0]?.numbers, upTo(3));
    await idle();
    const { pending, rerouted } = await fixture.ledger('broken');
    assert.deepEqual([pending, rerouted], ['0', '33']);
    assert.equal((await fixture.ledger('other'))['pending'], '0');
    broken.answer = (response) => response.end();
    await waitFor(async () => {
      // What comes while it is taken for broken still goes to the fallback.
      await fixture.update('broken', 'b', Date.now());
      await idle();
      return broken.told.at(-1)?.group === 'b';
    });
    await waitFor(async () => (await state()).broken === undefined);
  });
});
