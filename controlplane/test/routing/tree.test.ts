import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RouteConfig } from '@tocsin/openapi';
import fc from 'fast-check';
import { compileTree, groupKey, groupLabels, matchersOf } from '../../src/routing/tree.ts';
import type { Labels, Route } from '../../src/routing/types.ts';

const labels = (given: Record<string, string>): Labels => Object.assign(Object.create(null), given);

const SIX: RouteConfig = {
  receiver: 'notify-def',
  routes: [
    {
      match: { owner: 'team-A' },
      receiver: 'notify-A',
      routes: [
        { match: { env: 'testing' }, receiver: 'notify-testing', group_by: ['...'] },
        {
          match: { env: 'production' },
          receiver: 'notify-productionA',
          group_wait: '1m',
          continue: true,
        },
        {
          matchers: ['env=~"produ.*"', 'job=~".*"'],
          receiver: 'notify-productionB',
          group_wait: '30s',
          group_interval: '5m',
          repeat_interval: '1h',
          group_by: ['job'],
        },
      ],
    },
    {
      match_re: { owner: 'team-(B|C)' },
      receiver: 'notify-BC',
      group_by: ['foo', 'bar'],
      group_wait: '2m',
    },
    {
      match: { group_by: 'role' },
      group_by: ['role'],
      routes: [
        {
          match: { env: 'testing' },
          receiver: 'notify-testing',
          routes: [{ match: { wait: 'long' }, group_wait: '2m' }],
        },
      ],
    },
  ],
};

test('alerts find their routes, with what those inherit', () => {
  const tree = compileTree(SIX);
  const found = (given: Record<string, string>) =>
    tree
      .match(labels(given))
      .map((route: Route) => [
        route.channel,
        route.groupBy,
        route.groupWaitMs / 1000,
        route.repeatIntervalMs / 60_000,
        route.key,
      ]);
  const A = '{}/{owner="team-A"}';
  assert.deepEqual(found({ owner: 'team-A' }), [['notify-A', [], 30, 240, A]]);
  assert.deepEqual(found({ owner: 'team-A', env: 'unset' }), [['notify-A', [], 30, 240, A]]);
  assert.deepEqual(found({ owner: 'team-C' }), [
    ['notify-BC', ['foo', 'bar'], 120, 240, '{}/{owner=~"^(?:team-(B|C))$"}'],
  ]);
  assert.deepEqual(found({ owner: 'team-A', env: 'testing' }), [
    ['notify-testing', 'all', 30, 240, `${A}/{env="testing"}`],
  ]);
  assert.deepEqual(found({ owner: 'team-A', env: 'production' }), [
    ['notify-productionA', [], 60, 240, `${A}/{env="production"}`],
    ['notify-productionB', ['job'], 30, 60, `${A}/{env=~"produ.*",job=~".*"}`],
  ]);
  assert.deepEqual(found({ group_by: 'role', env: 'testing', wait: 'long' }), [
    ['notify-testing', ['role'], 120, 240, '{}/{group_by="role"}/{env="testing"}/{wait="long"}'],
  ]);
  assert.deepEqual(found({}), [['notify-def', [], 30, 240, '{}']]);
});

test('continue lets siblings see the alert, and never adds the parent', () => {
  const tree = compileTree({
    receiver: 'default',
    group_by: ['...'],
    continue: false,
    routes: [
      { matchers: ['n=~"1|2"'], receiver: 'one', continue: true, group_by: [] },
      { matchers: ['n=2'], receiver: 'two' },
    ],
  });
  const channels = (n: string) => tree.match(labels({ n })).map(({ channel }) => channel);
  assert.deepEqual(channels('1'), ['one']);
  assert.deepEqual(channels('2'), ['one', 'two']);
  assert.deepEqual(channels('3'), ['default']);
  assert.deepEqual(
    tree.routes.map(({ groupBy }) => groupBy),
    ['all', [], 'all'],
  );
});

test('what belongs to one route alone is not inherited, ours is', () => {
  const [root, child] = compileTree({
    receiver: 'r',
    resolve_after: '10m',
    flush_immediately: 'priority >= critical',
    throttle: { per_minute: 6, burst: 2 },
    dedupe: { window: '1m', identity: ['rule'] },
    routes: [{ matchers: ['a=b'], mute_time_intervals: ['night'], routes: [{}] }],
  }).routes.filter((_, index) => index !== 1);
  assert.deepEqual(child?.muteTimeIntervals, []);
  assert.equal(child?.resolveAfterMs, 600_000);
  assert.deepEqual(child?.throttle, { perMinute: 6, burst: 2 });
  assert.deepEqual(child?.dedupe, { windowMs: 60_000, identity: ['rule'] });
  assert.equal(child?.flushImmediately?.matches(labels({ priority: 'Alert' })), true);
  assert.equal(root?.flushImmediately?.matches(labels({ priority: 'Error' })), false);
});

test('ids are unique where keys are not, and keys are those of Alertmanager', () => {
  const tree = compileTree({
    receiver: 'r',
    routes: [
      { match: { b: '2', a: '1' }, continue: true, routes: [{ matchers: ['c=3'] }] },
      { match: { b: '2', a: '1' }, routes: [{ matchers: ['c=3'] }] },
    ],
  });
  const ids = tree.routes.map(({ id }) => id);
  assert.equal(new Set(ids).size, 5);
  assert.equal(ids[2], '{}/{a="1",b="2"}/0/{c="3"}/0');
  assert.equal(tree.routes[2]?.key, '{}/{a="1",b="2"}/{c="3"}');
  assert.equal(tree.routes[4]?.key, tree.routes[2]?.key);
  const anchored = compileTree({
    receiver: 'r',
    routes: [{ match_re: { env: 'a|b' }, matchers: ['job=~"a|b"'] }],
  });
  assert.equal(anchored.routes[1]?.key, '{}/{env=~"^(?:a|b)$",job=~"a|b"}');
  assert.equal(anchored.match(labels({ env: 'b', job: 'b' }))[0], anchored.routes[1]);
  assert.equal(anchored.match(labels({ env: 'ab', job: 'b' }))[0], anchored.routes[0]);
});

test('groups are named by their labels; missing ones are left out', () => {
  const route = { key: '{}/{env="prod"}', groupBy: ['cluster', 'alertname', 'nothing'] };
  const alert = labels({ cluster: 'a"b\n', alertname: 'High', service: 'x' });
  assert.deepEqual({ ...groupLabels(route, alert) }, { cluster: 'a"b\n', alertname: 'High' });
  assert.equal(groupKey(route, alert), '{}/{env="prod"}:{alertname="High", cluster="a\\"b\\n"}');
  assert.equal(groupKey({ key: '{}', groupBy: [] }, alert), '{}:{}');
  assert.equal(
    groupKey({ key: '{}', groupBy: 'all' }, labels({ b: '\u0001é', 'a b': '\u200b' })),
    '{}:{"a b"="\\u200b", b="\\x01é"}',
  );
});

/** The definition, without an index. */
function naive(node: RouteConfig, given: Labels, path: string): string[] {
  if (!matchersOf(node).every((condition) => condition.matches(given))) return [];
  const found: string[] = [];
  for (const [position, child] of (node.routes ?? []).entries()) {
    const matched = naive(child, given, `${path}/${position}`);
    found.push(...matched);
    if (matched.length > 0 && !child.continue) break;
  }
  return found.length > 0 ? found : [path];
}

/** Positions of each route in the order of the tree. */
const pathsOf = (node: RouteConfig, path: string): string[] => [
  path,
  ...(node.routes ?? []).flatMap((child, position) => pathsOf(child, `${path}/${position}`)),
];

test('the index finds what the definition finds', () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const value = fc.constantFrom('', 'x', 'y', 'z');
  const operator = fc.constantFrom('=', '!=', '=~', '!~');
  const matcher = fc
    .tuple(name, operator, fc.oneof(value, fc.constantFrom('x|y', 'y|z', '.+', '.*', 'x?')))
    .map(([label, symbol, text]) => `${label}${symbol}"${text}"`);
  const { node } = fc.letrec<{ node: RouteConfig }>((tie) => ({
    node: fc.record({
      matchers: fc.array(matcher, { maxLength: 3 }),
      continue: fc.boolean(),
      routes: fc.oneof(
        { depthSize: 'small' },
        fc.constant<RouteConfig[]>([]),
        fc.array(tie('node'), { maxLength: 5 }),
      ),
    }),
  }));
  const alert = fc.dictionary(name, value.filter(Boolean), { noNullPrototype: false });
  fc.assert(
    fc.property(
      fc.array(node, { maxLength: 6 }),
      fc.array(alert, { minLength: 1 }),
      (routes, all) => {
        const root = { receiver: 'r', routes };
        const tree = compileTree(root);
        const paths = pathsOf(root, '');
        for (const one of all) {
          const given = labels(one);
          assert.deepEqual(
            tree.match(given).map(({ order }) => paths[order]),
            naive(root, given, ''),
          );
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('ten thousand siblings are not asked one by one', () => {
  let asked = 0;
  const routes = Array.from({ length: 10_000 }, (_, index) => ({
    matchers: [`team="t${index}"`, 'env=~"prod|test"', `x!="${index}"`],
    continue: true,
  }));
  const tree = compileTree({ receiver: 'r', routes });
  const counting = new Proxy(labels({ team: 't77', env: 'prod' }), {
    get(target, key) {
      asked++;
      return Reflect.get(target, key);
    },
  });
  assert.equal(tree.match(counting).length, 1);
  assert.ok(asked < 20, `${asked} labels were read`);
});
