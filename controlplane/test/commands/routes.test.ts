import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { SettingsError } from '@tocsin/openapi';
import { Command } from 'commander';
import type { CommandContext } from '../../src/commands/context.ts';
import { routesCommand } from '../../src/commands/routes.ts';
import { tempFolder } from '../support/control-plane.ts';

/** Runs `tocsin routes …` with a configuration and input; returns the lines it wrote, and what it says of the input. */
async function run(t: TestContext, config: string, args: string[], input: string) {
  const file = join(tempFolder(t), 'tocsin.yaml');
  writeFileSync(file, config);
  let [out, err] = ['', ''];
  const context = {
    environment: {},
    in: Readable.from([input]),
    out: {
      write: (text: string) => {
        out += text;
        return true;
      },
    },
    err: { write: (text: string) => (err += text) },
  } as unknown as CommandContext;
  const program = new Command('tocsin').exitOverride();
  routesCommand(program, context);
  const failed = await program
    .parseAsync(['node', 'tocsin', 'routes', ...args, '--config', file])
    .then(
      () => undefined,
      (error: unknown) => error as Error,
    );
  return { lines: out.split('\n').slice(0, -1), err, failed };
}

async function routes(t: TestContext, config: string, args: string[], input = '') {
  const { lines, failed } = await run(t, config, args, input);
  if (failed) throw failed;
  return lines;
}

const CONFIG = `
route:
  receiver: notify-def
  group_by: [alertname, cluster]
  routes:
    - matchers: [ owner="team-A", 'env=~"produ.*"' ]
      receiver: team/A Pager
      continue: true
    - match: { code: 500 }
      group_by:
      group_wait: 0
      receiver: everything-else
      group_interval: 1m30s
      routes:
        - matchers: [priority >= critical]
          group_by: [...]
receivers:
  - name: notify-def
  - name: team/A Pager
    log: { send_resolved: false }
channels:
  - name: everything-else
    kind: log
    settings: {}
`;

test('match tells the routes of each line in tree order', async (t) => {
  const input = [
    { labels: { owner: 'team-A', env: 'production', alertname: 'X', code: '500' } },
    { labels: { owner: 'team-B' } },
    { labels: { code: '500', priority: 'Emergency' } },
  ];
  const lines = await routes(
    t,
    CONFIG,
    ['match'],
    input.map((one) => JSON.stringify(one)).join('\n'),
  );
  const [first, second, third] = lines.map((line) => JSON.parse(line));
  assert.deepEqual(first, {
    routes: [
      {
        id: '{}/{env=~"produ.*",owner="team-A"}/0',
        channel: 'team/A Pager',
        group_key: '{}/{env=~"produ.*",owner="team-A"}:{alertname="X"}',
        group_labels: { alertname: 'X' },
      },
      {
        id: '{}/{code="500"}/1',
        channel: 'everything-else',
        group_key: '{}/{code="500"}:{alertname="X"}',
        group_labels: { alertname: 'X' },
      },
    ],
  });
  assert.deepEqual(second.routes[0].group_labels, {});
  assert.equal(second.routes[0].channel, 'notify-def');
  assert.equal(
    third.routes[0].group_key,
    '{}/{code="500"}/{priority >= "critical"}:{code="500", priority="Emergency"}',
  );
});

test('matchers of old and truth values are read as Alertmanager reads them', async (t) => {
  const config = `
global:
route:
  receiver: d
  routes:
    - { match: { v: 1.50 }, receiver: r1, continue: yes }
    - { match_re: { v: 0x1. }, receiver: r2, continue: on }
    - { match: { v: True, w: }, receiver: r3 }
receivers: [{ name: d, log: {} }, { name: r1, log: {} }, { name: r2, log: {} }, { name: r3, log: {} }]
inhibit_rules:
time_intervals:
`;
  const values = ['1.50', '1.5', '0x1f', 'True', 'true'];
  const input = values.map((v) => JSON.stringify({ labels: { v } })).join('\n');
  const lines = await routes(t, config, ['match'], input);
  const channels = lines.map((line) => JSON.parse(line).routes[0].channel);
  assert.deepEqual(channels, ['r1', 'd', 'r2', 'r3', 'd']);
});

test('a bad line is answered with what is wrong with it, and the others are answered too', async (t) => {
  const input =
    '{"labels":{"a":1}}\nnonsense\n{}\n\n[]\n{"labels":{"__proto__":"x"}}\n{"labels":{}}\r\n';
  const { lines, err, failed } = await run(t, CONFIG, ['match'], input);
  const answers = lines.map((line) => JSON.parse(line));
  assert.equal(answers.length, 6);
  assert.deepEqual(err.match(/line \d+/g), ['line 1', 'line 2', 'line 3', 'line 5', 'line 6']);
  assert.match(String(failed?.message), /Bad lines of the input: 5/);
  for (const { error } of answers.slice(0, 5)) assert.equal(typeof error, 'string');
  assert.equal(answers[5].routes[0].id, '{}');
});

test('every mistake in the routing of a file is told with its line and column', async (t) => {
  const config = `
route:
  receiver: nobody
  group_by: [a, b, a]
  matchers: [a=b]
  mute_time_intervals: [night]
  continue: true
  routes:
    - group_by: ['...', a]
      group_interval: 0s
      repeat_interval: 0
      matchers:
        - 'a=~"("'
        - priority >= loud
      active_time_intervals: [never]
    - group_wait: soon
      recever: log
    - receiver: log
      flush_immediately: now
    - match_re: { a: "[" }
receivers:
  - name: log
    log: { send_resolved: maybe }
  - name: log
    slack_configs: [{ channel: x }]
  - name: twice
    log: {}
    none: {}
inhibit_rules:
  - source_matchers: ['a==']
    target_match_re: { b: "*" }
    equal_missing: perhaps
  - target_matchers: [c=d]
time_intervals:
  - name: night
    time_intervals:
      - times: [{ start_time: '22:00', end_time: '06:00' }]
        location: Nowhere
`;
  const problems = (text: string) =>
    routes(t, text, ['match']).then(
      () => assert.fail('it was taken'),
      (error: unknown) => {
        assert.ok(error instanceof SettingsError);
        return error.problems.map(
          ({ where, message }) => `${where.replace(/^.*tocsin\.yaml:/, '')} ${message}`,
        );
      },
    );
  const found = await problems(config.replace('equal_missing: perhaps', 'equal: [c]'));
  const wanted = [
    /^3:3 there is no receiver named 'nobody'/,
    /^4:3 the label 'a' is named twice/,
    /^5:3 the first route takes every alert/,
    /^6:3 the first route cannot have mute_time_intervals/,
    /^7:3 the first route has no siblings/,
    /^9:7 '...' is all labels/,
    /^10:7 group_interval cannot be zero/,
    /^11:7 repeat_interval cannot be zero/,
    /^13:11 not a matcher: "a" =~ "\("/,
    /^14:11 .*neither a priority nor a number/,
    /^15:31 there is no time interval 'never'/,
    /^16:7 route.routes.1.group_wait must be a duration/,
    /^17:7 unknown key 'recever'; known here: receiver/,
    /^19:7 not a matcher/,
    /^20:19 not a matcher: .*RE2/,
    /^23:12 .*send_resolved must be true or false/,
    /^24:5 two channels are named 'log'/,
    /^25:5 'slack_configs' is a key of Alertmanager: 'tocsin routes import'/,
    /^28:5 a channel has one kind/,
    /^31:24 not a matcher/,
    /^33:5 it has no source_matchers, and would fit every alert/,
    /^37:17 times: 22:00 is not before 06:00/,
    /^38:9 there is no time zone 'Nowhere'/,
  ];
  for (const message of wanted)
    assert.ok(
      found.some((one) => message.test(one)),
      `${message} among\n${found.join('\n')}`,
    );
  assert.ok(
    (await problems(config)).some((one) => /^32:5 .*must be one of match, no_match/.test(one)),
  );
  assert.ok(
    (await problems('route: {}\n')).some((one) => /^1:1 the first route must name/.test(one)),
  );
  assert.ok(
    (await problems('route: [1]\n')).some((one) => /^1:1 route must be a mapping/.test(one)),
  );
});

test('without a route there is nothing to match', async (t) => {
  await assert.rejects(routes(t, 'channels: []\n', ['match']), /has no 'route'/);
});
