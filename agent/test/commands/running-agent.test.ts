import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { runningAgentFindings } from '../../src/doctor/running-agent.ts';

describe('what the doctor learns of a running agent', () => {
  it('is which rules did not see all of their events', async () => {
    let text = 'tocsin_rule_coverage_ratio{rule="a"} 1\n';
    const server = createServer((_request, response) => response.end(text));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const at = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const [well] = await runningAgentFindings(at);
    assert.equal(well?.status, 'ok');
    text += 'tocsin_rule_coverage_ratio{rule="say \\"b\\""} 0.5\nother 0.1\n';
    const [partly] = await runningAgentFindings(at);
    assert.equal(partly?.status, 'warning');
    assert.match(partly?.detail ?? '', /^1 of its 2 rules/);
    assert.deepEqual(partly?.lines, ['say "b": 50.00 % seen']);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    const [none] = await runningAgentFindings(at);
    assert.match(none?.detail ?? '', /none answers/);
    assert.deepEqual(await runningAgentFindings(undefined), []);
  });
});
