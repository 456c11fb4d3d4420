import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { build, parseMatchers } from '../../src/routing/matcher.ts';
import { routingText } from '../../src/routing/text.ts';

const documentOf = (route: object, more: object = {}) => ({
  ...{ global: { resolve_timeout: '5m' }, route, inhibit_rules: [], time_intervals: [] },
  ...more,
});

test('what has a regular expression is told with one that means the same', () => {
  const values = {
    priority: ['', 'Emergency', 'warning', 'NOTICE', 'Debug', '5', 'xWarning'],
    tags: ['', 'a', 'mitre_x', 'a, mitre_x', 'mitre_x,b', 'b,xmitre', 'a\nb, mitre_', 'a.b', 'axb'],
    image: ['', 'nginx:latest', 'nginx:latestx', 'a+b:latest', 'a\nb:latest', 'ab:latest'],
  };
  const texts = {
    priority: ['priority >= warning', 'priority < error', 'priority > emergency', 'priority <= 5'],
    tags: ['tags has mitre_*', 'tags not has mitre_x', 'tag has a.b', 'tags has "a?b"'],
    image: ['image glob "*:latest"', 'image glob "a+?:*"', 'image not glob "n*"'],
  };
  for (const [name, all] of Object.entries(texts)) {
    for (const text of all) {
      const shown = parse(
        routingText(documentOf({ receiver: 'x', routes: [{ matchers: [text] }] }), []),
      );
      const [told = ''] = shown.route.routes[0].matchers;
      const [mine, theirs] = [parseMatchers(text)[0], parseMatchers(told)[0]];
      if (text === 'priority > emergency' || text === 'priority <= 5') {
        assert.deepEqual([theirs?.name, theirs?.value], ['tocsin', String(mine)], text);
        continue;
      }
      assert.match(told, /^\w+[=!]~"/);
      for (const value of values[name as keyof typeof values]) {
        const labels = { [name]: value };
        assert.equal(
          theirs?.matches(labels),
          mine?.matches(labels),
          `${text} as ${told}: ${value}`,
        );
      }
    }
  }
});

test('keys that only we have are left out, and names are those of Alertmanager', () => {
  const route = {
    ...{ receiver: 'a', group_by: ['proc.name', 'proc_name', '1x'], flush_immediately: 'a=b' },
    routes: [
      {
        ...{ match: { env: 1 }, match_re: { team: 'a|b' }, group_wait: 0, throttle: null },
        ...{ matchers: ['"k8s.ns.name"="ü\\n"', 'src in 10.0.0.0/8'], routes: null },
        ...{ dedupe: { window: '1m' }, resolve_after: '1h', mute_time_intervals: ['night'] },
      },
    ],
  };
  const times = [{ start_time: '22:00', end_time: '24:00' }];
  const text = routingText(
    documentOf(route, {
      inhibit_rules: [
        {
          ...{ name: 'x', equal_missing: 'match', equal: ['k8s.ns.name'] },
          ...{ source_match: { a: 'b' }, target_matchers: ['c != d'] },
        },
      ],
      time_intervals: [{ name: 'night', time_intervals: [{ times }] }],
    }),
    [{ name: 'a', minimum_priority: 'debug' }],
  );
  assert.doesNotMatch(text, /^%|: 22:00/m);
  assert.deepEqual(parse(text), {
    global: { resolve_timeout: '5m' },
    route: {
      receiver: 'a',
      group_by: ['proc_name', '_1x'],
      routes: [
        {
          ...{ group_wait: 0, mute_time_intervals: ['night'] },
          matchers: [
            'env="1"',
            'k8s_ns_name="ü\\n"',
            'tocsin="src in \\"10.0.0.0/8\\""',
            'team=~"^(?:a|b)$"',
          ],
        },
      ],
    },
    receivers: [{ name: 'a' }],
    inhibit_rules: [
      { source_matchers: ['a="b"'], target_matchers: ['c!="d"'], equal: ['k8s_ns_name'] },
    ],
    time_intervals: [{ name: 'night', time_intervals: [{ times }] }],
  });
});

test('without a route every channel is one', () => {
  const { route, ...document } = documentOf({});
  const { route: told, receivers } = parse(
    routingText(document, [
      { name: 'all', minimum_priority: 'debug' },
      { name: 'few', minimum_priority: 'alert' },
    ]),
  );
  assert.deepEqual(receivers.at(-1).name, told.receiver);
  assert.deepEqual(told.routes, [
    { receiver: 'all', continue: true },
    { receiver: 'few', continue: true, matchers: ['priority=~"(?i)Emergency|Alert"'] },
  ]);
  assert.deepEqual(route, {});
  assert.equal(build('priority', '=~', '(?i)Emergency|Alert').matches({ priority: 'alert' }), true);
});
