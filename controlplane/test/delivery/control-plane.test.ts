import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it, type TestContext } from 'node:test';
import { startDelivery } from '../../src/delivery/delivery.ts';
import { alertKeys } from '../../src/store/keys.ts';
import { anAlert, enroll } from '../support/agent.ts';
import { startTestControlPlane, tempFolder } from '../support/control-plane.ts';
import { channelLedgerOf } from '../support/state.ts';
import { Receiver, upTo } from './lane-fixture.ts';
import { waitFor } from './sample.ts';

/** Alerts that are not folded into each other. */
const numbered = (from: number, to: number) =>
  upTo(to)
    .slice(from - 1)
    .map((number) =>
      anAlert({
        uuid: randomUUID(),
        output: `number ${number}`,
        output_fields: { 'fd.name': `/etc/${number}`, 'proc.name': 'cat' },
      }),
    );

describe('from a signed batch to the channels', () => {
  let receiver: Receiver;
  let url: string;

  beforeEach(async () => {
    receiver = new Receiver();
    url = await receiver.open();
  });
  afterEach(() => receiver.close());

  const start = async (t: TestContext, channels: object[]) => {
    const plane = await startTestControlPlane(t, { channels }, startDelivery);
    return { plane, agent: await enroll(plane) };
  };
  const webhook = (more: object = {}) => ({
    name: 'hook',
    kind: 'webhook',
    settings: { url, secret: { value: 'secret' }, allow_private_addresses: true },
    ...more,
  });

  it('tells every alert once and in order', async (t) => {
    const folder = tempFolder(t);
    const [log, program] = [join(folder, 'log'), join(folder, 'program')];
    const { agent } = await start(t, [
      webhook(),
      { name: 'log', kind: 'log', settings: { path: log } },
      { name: 'program', kind: 'program', settings: { argv: ['/usr/bin/tee', '-a', program] } },
    ]);
    for (let batch = 0; batch < 5; batch++)
      assert.equal((await agent.send(numbered(batch * 20 + 1, batch * 20 + 20))).status, 202);
    await waitFor(() => receiver.numbers.length >= 100);
    assert.deepEqual(receiver.numbers, upTo(100));
    const count = async (path: string, word: RegExp) =>
      (await readFile(path, 'utf8').catch(() => '')).match(word)?.length ?? 0;
    await waitFor(async () => (await count(log, /^\{"uuid"/gm)) === 100);
    await waitFor(async () => (await count(program, /"output":"number \d+"/g)) === 100);
  });

  it('tells what the throttle held back, and the sum is what was sent', async (t) => {
    const { plane, agent } = await start(t, [webhook({ throttle: { per_minute: 60, burst: 2 } })]);
    assert.equal((await agent.send(numbered(1, 30))).status, 202);
    const accounted = () =>
      receiver.told.reduce((sum, { numbers, held }) => sum + numbers.length + held.count, 0);
    await waitFor(() => accounted() === 30);
    assert.deepEqual(receiver.numbers, [1, 2]);
    const digest = receiver.told.find(({ held }) => held.count > 0);
    assert.deepEqual(digest?.held, {
      count: 28,
      by_rule: [{ rule: 'Read sensitive file untrusted', count: 28 }],
    });
    const metrics = await fetch(`${plane.url}/metrics`, {
      headers: { authorization: `Bearer ${plane.adminToken}` },
    });
    assert.match(await metrics.text(), /attempts_total\{kind="webhook",result="ok",reason=""\}/);
  });

  it('does not take what is told to a deleted channel for the telling of a new one of its name', async (t) => {
    const { plane, agent } = await start(t, []);
    const answers: (() => void)[] = [];
    receiver.answer = (response) => answers.push(() => response.end());
    const channel = webhook();
    await plane.call('POST', '/v1/channels', channel);
    await agent.send([anAlert({ rule: 'first', output: 'number 1' })]);
    await waitFor(() => receiver.told.length === 1);
    await plane.call('DELETE', '/v1/channels/hook');
    await plane.call('POST', '/v1/channels', channel);
    await agent.send([anAlert({ rule: 'second', output: 'number 2' })]);
    receiver.answer = (response) => response.end();
    answers[0]?.();
    await waitFor(async () => (await plane.outbox.lanesWithWork()).length === 0);
    assert.deepEqual(receiver.numbers, [1, 2]);
  });

  it('tells what was dropped for room before its turn came as a number', async (t) => {
    const { plane, agent } = await start(t, [webhook()]);
    receiver.answer = (response, _told, nth) => {
      response.statusCode = nth === 1 ? 500 : 200;
      response.end();
    };
    const alerts = numbered(1, 5);
    await agent.send(alerts);
    await waitFor(() => receiver.told.length === 1);
    await plane.redis.hdel(alertKeys.record, ...alerts.slice(1).map(({ uuid }) => uuid));
    await waitFor(async () => (await plane.outbox.lanesWithWork()).length === 0);
    const last = receiver.told.at(-1);
    const { notified, digested, pending } = await channelLedgerOf(plane.redis, 'hook');
    assert.deepEqual([last?.numbers, last?.held.count], [[1], 4]);
    assert.deepEqual([notified, digested, pending], [1, 4, 0]);
  });
});
