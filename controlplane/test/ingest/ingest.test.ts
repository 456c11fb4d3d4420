import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anAlert, enroll } from '../support/agent.ts';
import { startTestControlPlane } from '../support/control-plane.ts';

test('stores a signed batch and lists it', async (t) => {
  const plane = await startTestControlPlane(t);
  const agent = await enroll(plane);
  const alert = anAlert();
  const answer = await agent.send([alert]);
  assert.deepEqual([answer.status, answer.body], [202, { alerts: 1, repeated: false }]);
  const list = await plane.call('GET', '/v1/alerts');
  assert.equal(list.status, 200, JSON.stringify(list.body));
  const { uuid, ...told } = alert;
  const [item] = list.body.items;
  assert.deepEqual(item, {
    id: uuid,
    ...told,
    fingerprint: item.fingerprint,
    agent: agent.id,
    count: 1,
    first_seen: '2026-11-23T10:00:00.123Z',
    last_seen: '2026-11-23T10:00:00.123Z',
  });
  assert.match(item.fingerprint, /^[0-9a-f]{32}$/);
  assert.equal(list.body.next, null);
});
