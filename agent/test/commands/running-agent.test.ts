import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runningAgentFindings } from '../../src/doctor/running-agent.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { TocsinProcess } from '../support/tocsin-process.ts';

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

describe('the list of rules', () => {
  const folder = temporaryFolder();
  const rules = join(folder, 'rules.yaml');
  const names = ['whole', 'partly "seen"', 'not running'];
  writeFileSync(
    rules,
    JSON.stringify(
      names.map((rule) => ({
        rule,
        desc: 'd',
        condition: 'evt.type = openat',
        output: 'o',
        priority: 'INFO',
      })),
    ),
  );
  const list = async (...flags: string[]) => {
    const tocsin = new TocsinProcess(['rules', 'list', rules, ...flags]);
    const code = await tocsin.exit();
    return { code, stdout: tocsin.stdout, stderr: tocsin.stderr };
  };

  it('shows what the running agent saw of the events of each', async (t) => {
    const server = createServer((_request, response) =>
      response.end(
        'tocsin_rule_coverage_ratio{rule="whole"} 1\n' +
          'tocsin_rule_coverage_ratio{rule="partly \\"seen\\""} 0.999999\n' +
          'tocsin_rule_coverage_ratio{rule="not running"} NaN\n',
      ),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const config = join(folder, 'tocsin.yaml');
    const { port } = server.address() as AddressInfo;
    writeFileSync(config, `agent: { metrics: "127.0.0.1:${port}" }\n`);
    const json = JSON.parse((await list('--json', '--config', config)).stdout);
    assert.deepEqual(
      json.map(({ coverage }: { coverage: number }) => coverage),
      [1, 0.999999, null],
    );
    const { stdout } = await list('--config', config);
    assert.deepEqual(stdout.match(/running agent: .*/g), [
      'running agent: 100.00 % seen',
      'running agent: 99.99 % seen',
    ]);
  });

  it('is there without an agent, and refuses a configuration that is wrong', async () => {
    const config = join(folder, 'wrong.yaml');
    writeFileSync(config, 'agent: { metrics: nowhere }\n');
    const { code, stderr } = await list('--config', config);
    assert.equal(code, 78);
    assert.match(stderr, /agent\.metrics must be host:port/);
    assert.doesNotMatch((await list()).stdout, /running agent/);
  });
});
