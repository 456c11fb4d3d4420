import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { parseRetryAfter, Transport } from '../../src/uplink/transport.ts';

describe('parseRetryAfter', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');
  const cases: [string | undefined, number | undefined][] = [
    [undefined, undefined],
    ['', undefined],
    ['soon', undefined],
    ['0', 0],
    ['7', 7000],
    ['86400', 300_000],
    ['Sun, 01 Mar 2026 12:00:30 GMT', 30_000],
    ['Sun, 01 Mar 2026 11:00:00 GMT', 0],
  ];
  for (const [header, expected] of cases) {
    it(`reads ${JSON.stringify(header)} as ${expected} ms`, () =>
      assert.equal(parseRetryAfter(header, now), expected));
  }
});

describe('Transport', () => {
  it('tells why nothing was heard', async () => {
    const transport = new Transport('http://127.0.0.1:1');
    const answer = await transport.post({ path: '/', headers: {}, body: '' });
    await transport.close();
    assert.equal(answer.kind, 'unreachable');
    assert.match((answer as { detail: string }).detail, /ECONNREFUSED/);
  });

  it('tells what a problem says is wrong with the body', async (t) => {
    const server = createServer((_request, response) => {
      const errors = [{ pointer: '/join_token', message: 'join_token is too short' }, null];
      response.writeHead(400).end(JSON.stringify({ detail: 'It does not fit.', errors }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const transport = new Transport(`http://127.0.0.1:${port}`);
    t.after(async () => {
      await transport.close();
      server.close();
    });
    const answer = await transport.post({ path: '/', headers: {}, body: '' });
    assert.equal((answer as { detail: string }).detail, 'It does not fit. join_token is too short');
  });
});
