import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { apiDocumentOfRoutes } from '../../src/api/document.ts';
import { request, startTestControlPlane, type TestControlPlane } from '../support/control-plane.ts';

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly tags?: string[];
  readonly security?: Record<string, string[]>[];
  readonly responses?: Record<string, { description: string; content?: Record<string, object> }>;
}

describe('the HTTP API', () => {
  const cleanups: (() => unknown)[] = [];
  let plane: TestControlPlane;
  let operations: [method: string, path: string, operation: Operation][];

  before(async () => {
    plane = await startTestControlPlane({ after: (fn) => cleanups.push(fn) });
    const { body } = await request(`${plane.url}/openapi.json`, 'GET');
    operations = Object.entries(body.paths as Record<string, Record<string, Operation>>).flatMap(
      ([path, methods]) =>
        Object.entries(methods).map(([method, operation]): (typeof operations)[number] => [
          method,
          path,
          operation,
        ]),
    );
  });
  after(async () => {
    for (const cleanup of cleanups) await cleanup();
  });

  test('is described by the committed document', async () => {
    const committed = readFileSync(
      join(import.meta.dirname, '../../../../openapi/openapi.json'),
      'utf8',
    );
    assert.equal(await apiDocumentOfRoutes(), committed, 'run `make generate`');
    const served = await fetch(`${plane.url}/openapi.json`);
    assert.equal(await served.text(), committed);
    assert.equal(JSON.parse(committed).openapi, '3.1.0');
  });

  test('describes every operation in full', () => {
    assert.ok(operations.length >= 16, `${operations.length} operations`);
    const ids = operations.map(([, , { operationId }]) => operationId);
    assert.equal(new Set(ids).size, ids.length);
    for (const [method, path, operation] of operations) {
      const where = `${method} ${path}`;
      const { operationId, summary, tags, security, responses = {} } = operation;
      assert.ok(operationId && summary && tags?.length === 1 && security, where);
      const statuses = Object.keys(responses);
      assert.ok(
        statuses.some((status) => status.startsWith('2')),
        where,
      );
      assert.ok(statuses.includes('500') && statuses.includes('503'), where);
      if (security.length > 0) assert.ok(statuses.includes('401'), where);
      for (const [status, { description, content }] of Object.entries(responses)) {
        assert.notEqual(description, 'Default Response', `${where} ${status}`);
        if (status.startsWith('2')) continue;
        assert.deepEqual(
          Object.keys(content ?? {}),
          ['application/problem+json'],
          `${where} ${status}`,
        );
      }
    }
  });

  test('asks for a token wherever the document says so, and nowhere else', async () => {
    let guarded = 0;
    for (const [method, path, { security = [] }] of operations) {
      if (!security.some((scheme) => 'bearer' in scheme)) continue;
      guarded++;
      const url = plane.url + path.replace(/\{\w+\}/g, 'some');
      for (const headers of [
        {},
        { authorization: 'Bearer wrong' },
        { authorization: `Basic ${plane.adminToken}` },
      ]) {
        const answer = await request(
          url,
          method.toUpperCase(),
          undefined,
          headers as Record<string, string>,
        );
        assert.deepEqual(
          [answer.status, answer.body.code],
          [401, 'unauthorized'],
          `${method} ${path}`,
        );
      }
    }
    assert.equal(guarded, 49);
    for (const path of ['/', '/livez', '/readyz', '/metrics', '/openapi.json']) {
      assert.equal((await request(plane.url + path, 'GET')).status, 200, path);
    }
    for (const [path, text] of [
      ['/-/healthy', 'OK'],
      ['/-/ready', 'OK'],
      ['/ping', 'pong\n'],
      ['/healthz', { status: 'ok' }],
    ] as const) {
      assert.deepEqual((await request(plane.url + path, 'GET')).body, text);
    }
    assert.equal((await request(`${plane.url}/-/healthy`, 'HEAD')).status, 200);
    assert.equal((await request(`${plane.url}/-/reload`, 'POST')).status, 401);
  });

  test('answers problems for what it does not know', async () => {
    const { status, body, headers } = await plane.call('GET', '/v1/nothing?token=secret');
    assert.deepEqual([status, body.code], [404, 'not_found']);
    assert.ok(!JSON.stringify(body).includes('secret'));
    assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/);
    const odd = await plane.call('GET', '/v1/alerts/%zz');
    assert.deepEqual([odd.status, odd.body.code], [400, 'bad_request']);
  });

  test('answers a problem for a method that a path does not take, and for what is not HTTP', async () => {
    for (const [method, path, allow] of [
      ['PUT', '/v1/alerts', 'GET, HEAD, POST'],
      ['POST', '/livez', 'GET, HEAD'],
      ['PUT', '/v1/channels/some', 'GET, HEAD, PATCH, DELETE'],
      ['GET', '/v1/agents/enroll', 'DELETE, POST'],
    ] as const) {
      const { status, body, headers } = await request(plane.url + path, method);
      assert.deepEqual([status, body.code], [405, 'method_not_allowed'], path);
      const methods = headers.get('allow')?.split(', ').sort();
      assert.deepEqual(methods, allow.split(', ').sort());
    }
    const { port } = new URL(plane.url);
    for (const [sent, status, code] of [
      ['GET / HTTP/9\r\n\r\n', 400, 'bad_request'],
      [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`, 431, 'headers_too_large'],
    ] as const) {
      const socket = connect(Number(port), '127.0.0.1').setEncoding('utf8');
      socket.write(sent);
      const [head = '', body = ''] = (await socket.toArray()).join('').split('\r\n\r\n');
      assert.match(head, new RegExp(`^HTTP/1.1 ${status} .*application/problem\\+json`, 's'));
      assert.equal(JSON.parse(body).code, code);
    }
  });

  test('keeps the admin token to its owner, and only its digest in Redis', async () => {
    assert.equal(statSync(plane.adminTokenFile).mode & 0o777, 0o600);
    const dump = JSON.stringify(await plane.redis.hgetall('{tocsin}:tokens'));
    assert.ok(dump.includes('digest') && !dump.includes(plane.adminToken));
  });

  test('shows the ledger and the batches among the metrics', async () => {
    await request(`${plane.url}/v1/alerts`, 'POST', 'x', {
      'content-type': 'application/x-ndjson',
      'tocsin-signature': 'x',
    });
    const { body } = await request(`${plane.url}/metrics`, 'GET');
    assert.match(body, /^process_cpu_seconds_total /m);
    assert.match(body, /^# TYPE tocsin_alerts gauge/m);
    assert.match(body, /^tocsin_batches_total\{result="signature_invalid"\} 1$/m);
  });
});
