/**
 * Falco's official rules, unchanged, on this kernel: every one is set off by its own act, and stays silent at a similar one. The rules are
 * data beside the repository (`shared/falco-rules`), never part of it.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { probeCapabilities } from '@tocsin/native';
import type { Alert } from '@tocsin/openapi';
import { type Docker, dockerMissing, startDocker } from '../support/docker.ts';
import { ROOT, type Running, tocsin } from '../support/tocsin.ts';
import { waitFor } from '../support/wait.ts';
import { type Case, HOSTS, SITE } from './case.ts';
import { INCUBATING } from './incubating-rules.ts';
import { OTHER_CALLS } from './other-calls.ts';
import { SANDBOX } from './sandbox-rules.ts';
import { STABLE } from './stable-rules.ts';
import { Stage } from './stage.ts';

const FOLDER = join(ROOT, '..', 'shared', 'falco-rules');
const FILES = ['falco_rules.yaml', 'falco-incubating_rules.yaml', 'falco-sandbox_rules.yaml'].map(
  (name) => join(FOLDER, name),
);
const CONCURRENT_ACTS = 4;
const CASES = [...STABLE, ...INCUBATING, ...SANDBOX, ...OTHER_CALLS];

interface ListedRule {
  readonly name: string;
  readonly blind: readonly unknown[];
}

function missing(): string | false {
  if (!FILES.every(existsSync)) return `needs Falco's rule files in ${FOLDER}`;
  const { problems } = probeCapabilities();
  if (problems.length > 0) return problems.map(({ what }) => what).join('; ');
  return dockerMissing() ?? false;
}

describe('the official rules', { skip: missing() }, () => {
  let stage: Stage;
  let docker: Docker;
  let agent: Running;
  const broken = new Map<string, Error>();
  const names = (entry: Case) => {
    const name = `case-${CASES.indexOf(entry)}`;
    return { loud: name, quiet: `${name}-quiet` };
  };

  before(async () => {
    stage = new Stage();
    docker = await startDocker();
    agent = await startAgent(stage, docker);
    await playAll();
  });

  after(async () => {
    await agent?.stop();
    await docker?.stop();
    stage?.remove();
  });

  /**
   * Every act, a few at a time; then one whose alert says that all before it were read. Events of containers may wait for facts even so:
   * those of real ones come first, and the agent judges what waits when it ends.
   */
  async function playAll(): Promise<void> {
    const isReal = ({ where }: Case) => typeof where === 'object';
    const inOrder = [...CASES.filter(isReal), ...CASES.filter((entry) => !isReal(entry))];
    const acts = inOrder.flatMap((entry) => {
      const { loud, quiet } = names(entry);
      const play = (name: string, act: string) => () =>
        stage.play(name, entry, act, docker).catch((error) => broken.set(name, error));
      return entry.quiet === undefined
        ? [play(loud, entry.act)]
        : [play(loud, entry.act), play(quiet, entry.quiet)];
    });
    await Promise.all(
      Array.from({ length: CONCURRENT_ACTS }, async () => {
        for (let act = acts.shift(); act !== undefined; act = acts.shift()) await act();
      }),
    );
    const [last] = CASES.filter(({ rule }) => rule === 'Known Cryptominer Process Executed');
    if (last === undefined) throw new Error('no case to end with');
    await stage.play('last', last, last.act, docker);
    await waitFor('the last alert', () => agent.stdout().includes(join(stage.folder, 'last')));
    const closed = once(agent.process, 'close');
    await agent.stop();
    await closed;
  }

  let read = { length: -1, alerts: [] as Alert[] };
  function alerts(): Alert[] {
    const text = agent.stdout();
    if (text.length !== read.length) {
      const lines = text.slice(0, text.lastIndexOf('\n')).split('\n');
      read = { length: text.length, alerts: lines.map((line) => JSON.parse(line)) };
    }
    return read.alerts;
  }

  /** Alerts of a rule about what happened in the folder of an act. */
  function alertsOf(rule: string, name: string): Alert[] {
    const inside = new RegExp(`${join(stage.folder, name)}(?:[/ ]|$)`);
    const isInside = (text: unknown) => inside.test(String(text));
    return alerts().filter(
      (alert) =>
        alert.rule === rule &&
        (isInside(alert.output_fields['proc.exepath']) ||
          isInside(alert.output_fields['proc.cmdline'])),
    );
  }

  for (const entry of CASES) {
    const variant = entry.fields['evt.type'];
    test(variant === undefined ? entry.rule : `${entry.rule} (${variant})`, () => {
      const { loud, quiet } = names(entry);
      assert.ifError(broken.get(loud) ?? broken.get(quiet));
      const found = alertsOf(entry.rule, loud);
      assert.ok(found.length > 0, `no alert; others of this act: ${othersOf(loud)}`);
      const id =
        entry.where === undefined
          ? 'host'
          : entry.where === 'container'
            ? stage.containerId
            : /^[0-9a-f]{12}$/;
      const expected = { 'container.id': id, ...entry.fields };
      const wrong = found.map(({ output_fields }) => differences(expected, output_fields, loud));
      assert.ok(
        wrong.some((one) => one.length === 0),
        `fields differ: ${JSON.stringify(wrong, null, 1)}`,
      );
      if (entry.quiet !== undefined) {
        const told = alertsOf(entry.rule, quiet).map(({ output }) => output);
        assert.deepEqual(told, [], 'silent at what only looks alike');
      }
    });
  }

  function differences(expected: Case['fields'], fields: Alert['output_fields'], name: string) {
    return Object.entries(expected).flatMap(([field, want]) => {
      const value = fields[field];
      if (want instanceof RegExp)
        return want.test(String(value)) ? [] : [{ field, value, want: String(want) }];
      const wanted = typeof want === 'string' ? stage.expand(name, want) : want;
      return value === wanted ? [] : [{ field, value, want: wanted }];
    });
  }

  const othersOf = (name: string) =>
    [...new Set(alerts().map(({ rule }) => rule))]
      .filter((rule) => alertsOf(rule, name).length > 0)
      .join(', ') || 'none';

  test('every rule has an act, and no rule is blind', () => {
    const text = execFileSync(
      process.execPath,
      [join(ROOT, 'tocsin.js'), 'rules', 'list', '--json', ...FILES],
      { maxBuffer: 1 << 26 },
    );
    const listed: ListedRule[] = JSON.parse(String(text));
    assert.deepEqual(
      listed.map(({ name }) => name).sort(),
      [...new Set(CASES.map(({ rule }) => rule))].sort(),
    );
    assert.deepEqual(
      listed.filter(({ blind }) => blind.length > 0),
      [],
    );
  });
});

/** One agent with the three files, all rules enabled, and a resolver that knows the names of HOSTS. */
async function startAgent(stage: Stage, { socket }: Docker): Promise<Running> {
  const site = join(stage.folder, 'site.yaml');
  const hosts = join(stage.folder, 'hosts');
  writeFileSync(site, SITE + CASES.map(siteRule).join(''));
  writeFileSync(
    hosts,
    Object.entries(HOSTS)
      .map(([name, address]) => `${address} ${name}\n`)
      .join(''),
  );
  const rules = [...FILES, site].flatMap((file) => ['--rules', file]);
  const outside = [
    'unshare',
    '--mount',
    '--propagation',
    'slave',
    'sh',
    '-c',
    `mount --bind ${hosts} /etc/hosts && exec "$@"`,
    'sh',
  ];
  const agent = tocsin(
    [
      'agent',
      ...rules,
      '--rule-matching',
      'all',
      '--output',
      'stdout-json',
      '--data-dir',
      join(stage.folder, 'data'),
    ],
    { DOCKER_HOST: `unix://${socket}` },
    outside,
  );
  await agent.line(/^ready$/m, 60_000);
  return agent;
}

/** Turns a rule on, and makes its output show what the case looks at. */
function siteRule({ rule, fields }: Case): string {
  const shown = ['proc.exepath', 'proc.cmdline', ...Object.keys(fields)];
  const output = shown.map((field) => ` %${field}`).join('');
  return `- rule: ${rule}\n  enabled: true\n  output: "${output}"\n  override: {enabled: replace, output: append}\n`;
}
