/** Rules are reloaded again and again while files are made: every file rings exactly once. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { probeCapabilities } from '@tocsin/native';
import { tocsin } from '../support/tocsin.ts';
import { waitFor } from '../support/wait.ts';

const { problems } = probeCapabilities();
const noProbe = problems.length > 0 ? problems.map(({ what }) => what).join('; ') : false;
const RELOADS = 20;

/** As editors do: nobody reads half of it. */
function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

describe('reloads while events go on', { skip: noProbe }, () => {
  const home = mkdtempSync(join(tmpdir(), 'tocsin-reload-'));
  const made = join(home, 'made');
  const rules = join(home, 'rules.yaml');
  const config = join(home, 'tocsin.yaml');
  const ruleText = (name: string, condition: string) =>
    `- {rule: ${name}, desc: d, condition: ${JSON.stringify(condition)}, output: '%fd.name', priority: NOTICE}\n`;
  /** The rule that must ring always, and another one that changes what the probe watches. */
  const writeRules = (turn: number) =>
    replaceFile(
      rules,
      ruleText(
        'made',
        `evt.type in (open, openat) and evt.is_open_write=true and fd.name startswith ${made}/`,
      ) +
        ruleText(
          `turn ${turn}`,
          turn % 2 ? 'evt.type=connect and proc.name=none' : 'evt.type=unlink and proc.name=none',
        ),
    );
  const writeConfig = (turn: number) =>
    replaceFile(
      config,
      `data_dir: ${home}/data\nagent:\n  rules: [${rules}]\n  static_fields: {turn: "${turn}"}\n` +
        '  append_output: [{extra_output: "in turn %static.turn"}]\n',
    );
  after(() => rmSync(home, { recursive: true, force: true }));

  test('every file rings exactly once', async () => {
    mkdirSync(made);
    writeRules(0);
    writeConfig(0);
    const agent = tocsin(['agent', '--config', config]);
    try {
      await agent.line(/^ready$/m);
      const reloads = () => agent.stderr().split('rules reloaded\n').length - 1;
      let files = 0;
      for (let turn = 1; turn <= RELOADS; turn++) {
        if (turn % 2) writeRules(turn);
        else writeConfig(turn);
        agent.process.kill('SIGHUP');
        const end = Date.now() + 30_000;
        while (reloads() < turn) {
          writeFileSync(join(made, String(files++)), '');
          await setImmediate();
          assert.ok(Date.now() < end, `reload ${turn} never came: ${agent.stderr()}`);
        }
      }
      writeFileSync(join(made, String(files++)), '');
      const rung = () =>
        [...agent.stdout().matchAll(/"fd\.name":"[^"]*\/made\/(\d+)"/g)].map(([, file]) =>
          Number(file),
        );
      await waitFor('every file to ring', () => rung().length >= files);
      assert.equal(await agent.stop(), 0);
      const numbers = Array.from({ length: files }, (_, file) => file);
      assert.deepEqual(rung(), numbers, 'once each, in order');
      assert.ok(
        agent.stdout().includes(`in turn ${RELOADS}"`),
        'the last configuration is in force',
      );
      assert.equal(reloads(), RELOADS);
      assert.doesNotMatch(agent.stdout() + agent.stderr(), /lost|stay in force/);
    } finally {
      await agent.stop('SIGKILL');
    }
  });
});
