import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { Command } from 'commander';
import type { CommandContext } from '../../src/commands/context.ts';
import { routesCommand } from '../../src/commands/routes.ts';
import { StartupError } from '../../src/errors.ts';
import { tempFolder } from '../support/control-plane.ts';
import { CASES, type Said } from './cases.ts';

interface Output {
  readonly at: string;
  readonly channel: string;
  readonly group_labels: Readonly<Record<string, string>>;
  readonly firing: readonly Readonly<Record<string, string>>[];
  readonly resolved: readonly Readonly<Record<string, string>>[];
  readonly counts: Readonly<Record<string, number>>;
  readonly reason: string;
}

let complaints = '';

async function simulate(file: string, input: string, ...args: string[]): Promise<Output[]> {
  let out = '';
  complaints = '';
  const context = {
    environment: {},
    in: Readable.from([input]),
    out: {
      write: (text: string) => {
        out += text;
        return true;
      },
    },
    err: {
      write: (text: string) => {
        complaints += text;
        return true;
      },
    },
  } as unknown as CommandContext;
  const program = new Command('tocsin').exitOverride();
  routesCommand(program, context);
  await program.parseAsync(['node', 'tocsin', 'routes', 'simulate', '--config', file, ...args]);
  return out
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Output);
}

const shown = ({ at, channel, firing, resolved, reason }: Output): Said => {
  const [, seconds = 0, ms = 0] = /^(?:(\d+)s)?(?:(\d+)ms)?$/.exec(at) ?? [];
  const names = (labels: Output['firing'] = []) => labels.map((one) => one['n']).join(' ');
  return [Number(seconds) + Number(ms) / 1000, channel, names(firing), names(resolved), reason];
};

const sorted = (names: string) => names.split(' ').sort().join(' ');

test('the clock of a simulation', { concurrency: 4 }, async (t) => {
  await Promise.all(
    CASES.map((one) =>
      t.test(one.name, async (t) => {
        const folder = tempFolder(t);
        const file = join(folder, 'tocsin.yaml');
        writeFileSync(file, one.config);
        for (const [name, text] of Object.entries(one.configs ?? {})) {
          writeFileSync(join(folder, name), text);
        }
        const lines = one.steps.map(([at, what]) => {
          const reload = what['reload'];
          const step = reload === undefined ? what : { reload: join(folder, String(reload)) };
          return JSON.stringify({ at: `${Math.round(at * 1000)}ms`, ...step });
        });
        const until = `${Math.round(one.until * 1000)}ms`;
        const said = await simulate(file, lines.join('\n'), '--until', until);
        const inOrder = ([at, channel, firing, resolved, reason]: Said) => [
          ...[at, channel, sorted(firing), sorted(resolved), reason],
        ];
        assert.deepEqual(said.map(shown).map(inOrder), one.said.map(inOrder));
      }),
    ),
  );
});

const file = (t: TestContext, config: string) => {
  const name = join(tempFolder(t), 'tocsin.yaml');
  writeFileSync(name, config);
  return name;
};
const PLAIN = 'route: {receiver: d, group_by: [n]}\nreceivers: [{name: d, log: {}}]\n';

test('tells labels, counts and group, and stops by itself when it is quiet', async (t) => {
  const labels = { n: '1', b: 'ü' };
  const input = `${JSON.stringify({ at: '1s', alert: { labels } })}\n\n${JSON.stringify({ at: '2s', alert: { labels } })}\n`;
  const said = await simulate(file(t, PLAIN), input);
  assert.deepEqual(said, [
    {
      at: '31s',
      channel: 'd',
      group_labels: { n: '1' },
      firing: [labels],
      resolved: [],
      counts: { firing: 1, resolved: 0, held: 0, seen: 2 },
      reason: 'first notification',
    },
    {
      at: '331s',
      channel: 'd',
      group_labels: { n: '1' },
      firing: [],
      resolved: [labels],
      counts: { firing: 0, resolved: 1, held: 0, seen: 2 },
      reason: 'resolved',
    },
  ]);
});

test('chosen output fields are labels, and a broken reload leaves what is', async (t) => {
  const name = file(t, `labels: {output_fields: [proc.name, n]}\n${PLAIN}`);
  const broken = file(t, PLAIN.replace('receiver: d', 'receiver: nobody'));
  const fields = { 'proc.name': 'sh', n: 7, 'fd.name': 'x' };
  const lines = [
    { at: '0s', alert: { labels: { a: 'b' }, fields } },
    { at: '0s', alert: { labels: { n: '8' }, fields } },
    { at: '1s', reload: broken },
  ].map((line) => JSON.stringify(line));
  const said = await simulate(name, lines.join('\n\n'), '--until', '1m');
  assert.deepEqual(
    said.flatMap(({ firing }) => firing),
    [
      { a: 'b', n: '7', 'proc.name': 'sh' },
      { n: '8', 'proc.name': 'sh' },
    ],
  );
  assert.match(complaints, /line 5: the reload is refused.*no receiver named 'nobody'/);
});

test('says which line of the input is wrong and why', async (t) => {
  const name = file(t, PLAIN);
  const rows = [
    ['{', /Line 1 of the input: .*JSON/],
    ['{"at":"1s"}', /must have one of alert, silence, reload and restart/],
    ['{"alert":{"labels":{"a":"b"}}}', /at is missing/],
    ['{"at":"soon","alert":{"labels":{"a":"b"}}}', /at must be a duration/],
    ['{"at":"1s","alert":{"labels":{}}}', /no label/],
    ['{"at":"1s","alert":{"labels":{"__proto__":"b"}}}', /__proto__/],
    ['{"at":"1s","alert":{"labels":{"a":1}}}', /label "a" is not a text/],
    ['{"at":"1s","alert":{"labels":{"a":"b"},"starts_at":"5s","ends_at":"2s"}}', /before/],
    ['{"at":"1s","silence":{"matchers":[],"ends_at":"9s"}}', /matchers must be a list/],
    ['{"at":"1s","silence":{"matchers":["a=~\\"(\\""],"ends_at":"9s"}}', /Line 1/],
    ['{"at":"1s","silence":{"matchers":["a=b"]}}', /ends_at is missing/],
    ['{"at":"1s","alert":{"labels":{"a":"b"}},"restart":true}', /not several/],
    [`\n{"at":"1s","reload":"${name}.none"}`, /Line 2 of the input: .*no such file/],
  ] as const;
  for (const [line, message] of rows) {
    await assert.rejects(simulate(name, line), (error: Error) => {
      assert.ok(error instanceof StartupError, error.stack);
      assert.match(error.message, message, line);
      return true;
    });
  }
  await assert.rejects(simulate(file(t, 'channels: []\n'), ''), /no 'route'/);
  const typo = '{"at":"1s","alert":{"labels":{"a":"b"},"start_at":"0s"}}';
  assert.equal((await simulate(name, typo, '--until', '1m')).length, 1);
  assert.match(complaints, /line 1: alert\.start_at is not known/);
});
