import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { signBatch } from '@tocsin/openapi';
import { anAlert, bodyOf, enroll, newIdentity, post, TestAgent } from '../support/agent.ts';
import {
  type Answer,
  request,
  startTestControlPlane,
  type TestControlPlane,
} from '../support/control-plane.ts';
import { snapshot } from '../support/state.ts';

describe('a batch that is refused', () => {
  const cleanups: (() => unknown)[] = [];
  let plane: TestControlPlane;
  let agent: TestAgent;

  before(async () => {
    plane = await startTestControlPlane({ after: (fn) => cleanups.push(fn) });
    agent = await enroll(plane);
    assert.equal((await agent.send([anAlert()])).status, 202);
  });
  after(async () => {
    for (const cleanup of cleanups) await cleanup();
  });

  /** Sends what must be refused, and proves that nothing changed. */
  async function refused(
    send: () => Promise<Answer>,
    status: number,
    code: string,
  ): Promise<Answer> {
    const known = await snapshot(plane.redis);
    const answer = await send();
    assert.deepEqual(
      [answer.status, answer.body.code],
      [status, code],
      JSON.stringify(answer.body),
    );
    assert.equal(answer.headers.get('content-type')?.split(';')[0], 'application/problem+json');
    assert.equal(typeof answer.body.request_id, 'string');
    assert.equal(answer.body.status, status);
    assert.deepEqual(await snapshot(plane.redis), known);
    return answer;
  }

  const now = () => Math.floor(Date.now() / 1000);

  test('has no signature', async () => {
    await refused(() => post(plane.url, bodyOf([anAlert()]), {}), 401, 'signature_missing');
  });

  test('has a signature that cannot be read', async () => {
    for (const signature of [
      'x',
      'a.b.c',
      '..',
      `${'a'.repeat(5000)}..b`,
      'eyJhbGciOiJub25lIn0..AA',
    ]) {
      const send = () => post(plane.url, bodyOf([anAlert()]), { 'tocsin-signature': signature });
      await refused(send, 401, 'signature_invalid');
    }
  });

  test('was tampered with', async () => {
    const signature = await signBatch(bodyOf([anAlert()]), agent.claims(), agent.key);
    const send = () => post(plane.url, bodyOf([anAlert()]), { 'tocsin-signature': signature });
    await refused(send, 401, 'signature_invalid');
  });

  test('is signed by another key under the id of the agent', async () => {
    const { privateKey } = await newIdentity();
    const impostor = new TestAgent(
      plane.url,
      { agent: agent.id, kid: agent.kid, audience: agent.audience },
      privateKey,
    );
    impostor.seq = 900;
    await refused(() => impostor.send([anAlert()]), 401, 'signature_invalid');
  });

  test('comes from an unknown agent or key', async () => {
    await refused(() => agent.send([anAlert()], { kid: 'unknown' }), 401, 'agent_unknown');
    await refused(() => agent.send([anAlert()], { agent: 'unknown' }), 401, 'agent_unknown');
    // Not a key of Redis that holds something else.
    const key = { agent: `${agent.id}:sequences` };
    await refused(() => agent.send([anAlert()], key), 401, 'agent_unknown');
  });

  test('was signed too long ago or in the future', async () => {
    await refused(() => agent.send([anAlert()], { iat: now() - 301 }), 401, 'batch_stale');
    await refused(() => agent.send([anAlert()], { iat: now() + 302 }), 401, 'batch_stale');
  });

  test('was signed for another control plane', async () => {
    await refused(() => agent.send([anAlert()], { aud: 'elsewhere' }), 401, 'audience_mismatch');
  });

  test('reuses a sequence number for another body', async () => {
    await refused(() => agent.send([anAlert()], { seq: 1 }), 409, 'sequence_conflict');
  });

  test('has a sequence number far behind', async () => {
    assert.equal((await agent.send([], { seq: 5000 })).status, 202);
    agent.seq = 5000;
    await refused(() => agent.send([anAlert()], { seq: 4900 }), 409, 'sequence_stale');
    await refused(() => agent.send([anAlert()], { seq: 1 }), 409, 'sequence_stale');
    assert.equal((await agent.send([], { seq: 4901 })).status, 202, 'late but remembered');
  });

  test('holds a line that is not a valid alert: every place is named and nothing is stored', async () => {
    const good = anAlert();
    const { rule: _rule, ...noRule } = anAlert();
    const bad: [unknown, string][] = [
      [noRule, '/1'],
      [{ ...good, rule: '' }, '/1/rule'],
      [{ ...good, priority: 'Bad' }, '/1/priority'],
      [{ ...good, time: 'yesterday' }, '/1/time'],
      [{ ...good, time: '2026-13-45T10:00:00Z' }, '/1/time'],
      [{ ...good, uuid: '1' }, '/1/uuid'],
      [{ ...good, tags: 'x' }, '/1/tags'],
      [{ ...good, extra: 1 }, '/1/extra'],
      [{ ...good, output_fields: [] }, '/1/output_fields'],
      [[], '/1'],
      [null, '/1'],
    ];
    for (const [line, pointer] of bad) {
      const answer = await refused(() => agent.send([good, line]), 400, 'alert_invalid');
      assert.deepEqual(
        answer.body.errors.map((error: { pointer: string }) => error.pointer),
        [pointer],
        JSON.stringify(answer.body),
      );
    }
    const text = Buffer.from(`${JSON.stringify(good)}\n{"rule": \n`);
    const answer = await refused(() => agent.sendBody(text), 400, 'alert_invalid');
    assert.equal(answer.body.errors[0].pointer, '/1');
  });

  test('is not UTF-8, or its compression is broken', async () => {
    await refused(() => agent.sendBody(Buffer.from([0xff, 0xfe, 0x0a])), 400, 'batch_unreadable');
    const gzip = { 'content-encoding': 'gzip' };
    await refused(() => agent.sendBody(Buffer.from('no gzip'), {}, gzip), 400, 'batch_unreadable');
    const cut = gzipSync(bodyOf([anAlert()])).subarray(0, 40);
    await refused(() => agent.sendBody(cut, {}, gzip), 400, 'batch_unreadable');
  });

  test('has a content type or encoding that is not taken', async () => {
    const body = bodyOf([anAlert()]);
    const json = { 'content-type': 'application/json' };
    await refused(() => agent.sendBody(body, {}, json), 415, 'media_type_unsupported');
    const brotli = { 'content-encoding': 'br' };
    await refused(() => agent.sendBody(body, {}, brotli), 415, 'media_type_unsupported');
  });

  test('is too large: as sent, unpacked, or in lines', async () => {
    const large = Buffer.alloc(4 * 1024 * 1024 + 1, 0x20);
    await refused(() => agent.sendBody(large), 413, 'body_too_large');
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    await refused(
      () => agent.sendBody(bomb, {}, { 'content-encoding': 'gzip' }),
      413,
      'body_too_large',
    );
    await refused(() => agent.sendBody(Buffer.from('{}\n'.repeat(1001))), 413, 'body_too_large');
  });

  test('comes from an agent that was revoked: at once, though its key is cached', async () => {
    const doomed = await enroll(plane, 'web-2');
    assert.equal((await doomed.send([anAlert()])).status, 202);
    // As if another replica had revoked it: the key stays in the cache of this one.
    await plane.redis.hset(`{tocsin}:agent:${doomed.id}`, 'revoked', 1);
    await refused(() => doomed.send([anAlert()]), 403, 'agent_revoked');

    const other = await enroll(plane, 'web-3');
    assert.equal((await plane.call('DELETE', `/v1/agents/${other.id}`)).status, 204);
    await refused(() => other.send([anAlert()]), 403, 'agent_revoked');
    await refused(() => plane.call('DELETE', '/v1/agents/none'), 404, 'not_found');
  });

  test('is an enrolment with a join token that is no good', async () => {
    const made = await plane.call('POST', '/v1/join-tokens', { ttl: '5m' });
    const { join_token } = made.body;
    const url = `${plane.url}/v1/agents/enroll`;
    const first = await newIdentity();
    const enrolled = await request(url, 'POST', { ...first.body, join_token });
    assert.equal(enrolled.status, 201);
    const again = await request(url, 'POST', { ...first.body, join_token });
    assert.deepEqual(
      [again.status, again.body],
      [201, enrolled.body],
      'a lost answer can be asked for again',
    );
    const { body } = await newIdentity();
    await refused(() => request(url, 'POST', { ...body, join_token }), 401, 'join_token_invalid');
    const unknown = { ...body, join_token: 'tocsin-join-unknown-token' };
    await refused(() => request(url, 'POST', unknown), 401, 'join_token_invalid');
    const expired = (await plane.call('POST', '/v1/join-tokens', { ttl: '1ms' })).body.join_token;
    await new Promise((resolve) => setTimeout(resolve, 5));
    await refused(
      () => request(url, 'POST', { ...body, join_token: expired }),
      401,
      'join_token_invalid',
    );
    const unsound = { ...body, join_token, public_key: { ...body.public_key, x: 'short' } };
    const answer = await refused(() => request(url, 'POST', unsound), 400, 'validation_failed');
    assert.equal(answer.body.errors[0].pointer, '/public_key/x');
  });
});
