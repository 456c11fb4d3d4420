/**
 * Random configurations, alerts and silences, given to `tocsin routes match` and `tocsin routes simulate` and to a real Alertmanager:
 * which matchers are taken and what they mean, which receivers an alert goes to with which keys of groups and in which order, and what
 * is told in which order over time, and what both answer over `/api/v2`. Left out of the configurations is only where Tocsin means to differ.
 * SEED repeats a run, ROUNDS makes it longer.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual, promisify } from 'node:util';
import { debianAlertmanager } from '../support/amtool.ts';
import { startTestControlPlane } from '../support/control-plane.ts';
import { type ApiAnswer, RealAlertmanager, type Receiver } from './alertmanager.ts';
import {
  labelsFrom,
  matchersFrom,
  matcherText,
  maybeMatcher,
  NAMES,
  Random,
  receiversFrom,
  routeFrom,
} from './generate.ts';
import { mutedScenarioFrom, type Scenario, type Step, scenarioFrom } from './scenario.ts';

type Labels = Readonly<Record<string, string>>;

const { SEED = String(Date.now() % 1_000_000), ROUNDS = '6', ONLY = '' } = process.env;
const rounds = Number(ROUNDS);
const AT_ONCE = 12;
const TOCSIN = join(import.meta.dirname, '../../../../tocsin.js');
const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'tocsin-fuzz-'));
let files = 0;

const tell = (text: string) => process.stdout.write(`${text}\n`);

/** The same configuration with receivers that only record, and with what Alertmanager does about labels that both lack. */
function ours(config: object, receivers: readonly Receiver[]): object {
  const rules = (config as { inhibit_rules?: object[] }).inhibit_rules ?? [];
  return {
    ...config,
    inhibit_rules: rules.map((rule) => ({ ...rule, equal_missing: 'match' })),
    receivers: receivers.map(({ name, sendResolved }) => ({
      name,
      log: { send_resolved: sendResolved },
    })),
  };
}

function fileOf(content: object): string {
  const file = join(folder, `${++files}.json`);
  writeFileSync(file, JSON.stringify(content));
  return file;
}

/** Runs `tocsin routes …` with lines of JSON, and answers with those that it writes. */
async function tocsin<T>(args: readonly string[], lines: readonly object[]): Promise<T[]> {
  const options = { maxBuffer: 1 << 28 };
  const running = run(process.execPath, [TOCSIN, 'routes', ...args], options);
  running.child.stdin?.end(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const { stdout } = await running;
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

interface Matched {
  readonly routes: readonly {
    readonly channel: string;
    readonly group_key: string;
    readonly group_labels: Labels;
  }[];
}

const sortedLabels = (labels: Labels) =>
  JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));

/** Compares where alerts go: receivers, keys and labels of groups. */
async function compareRouting(server: string, amtool: string, config: object, alerts: Labels[]) {
  const receivers = receiversFrom(new Random(1)).map((one) => ({ ...one, sendResolved: true }));
  const file = fileOf(ours(config, receivers));
  const matched = await tocsin<Matched>(
    ['match', '--config', file],
    alerts.map((labels) => ({ labels })),
  );
  const expected = new Set<string>();
  for (const [index, { routes }] of matched.entries()) {
    for (const { channel, group_key, group_labels } of routes) {
      const alert = sortedLabels(alerts[index] as Labels);
      expected.add([channel, group_key, sortedLabels(group_labels), alert].join('\n  '));
    }
  }
  const real = await RealAlertmanager.start(server, config, receivers);
  try {
    await real.post(
      'alerts',
      alerts.map((labels) => ({ labels })),
    );
    // What came too late for the first flush of its group is told by the next, a second later.
    const seen = () =>
      new Set(
        real.told.flatMap(({ receiver, groupKey, groupLabels, firing }) =>
          firing.map((labels) =>
            [receiver, groupKey, sortedLabels(groupLabels), sortedLabels(labels)].join('\n  '),
          ),
        ),
      );
    for (let waits = 0; waits < 80 && !isDeepStrictEqual(seen(), expected); waits++)
      await sleep(100);
    const [missing, extra] = [new Set(seen()), new Set(expected)];
    for (const one of expected) missing.delete(one);
    for (const one of seen()) extra.delete(one);
    assert.deepEqual(
      { onlyAlertmanager: [...missing], onlyTocsin: [...extra] },
      { onlyAlertmanager: [], onlyTocsin: [] },
      JSON.stringify(config),
    );
  } finally {
    await real.stop();
  }
  // Neither tells the order of the routes but amtool.
  const plain = fileOf({ ...config, receivers: receivers.map(({ name }) => ({ name })) });
  for (const [index, labels] of alerts.slice(0, 5).entries()) {
    const pairs = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
    const args = ['config', 'routes', 'test', `--config.file=${plain}`, ...pairs];
    const { stdout } = await run(amtool, args);
    const channels = matched[index]?.routes.map(({ channel }) => channel).join(',');
    assert.equal(channels, stdout.trim(), `${JSON.stringify(labels)} in ${JSON.stringify(config)}`);
  }
}

const FAST = { group_wait: '300ms', group_interval: '1s', repeat_interval: '1h' };

async function matchers(random: Random, server: string, amtool: string): Promise<void> {
  const texts = new Set(Array.from({ length: 100 * rounds }, () => maybeMatcher(random)));
  const taken: string[] = [];
  for (const text of texts) {
    const file = fileOf({
      route: { receiver: 'one', routes: [{ matchers: [text] }] },
      receivers: [{ name: 'one' }],
    });
    await run(amtool, ['check-config', file]).then(
      () => taken.push(text),
      () => undefined,
    );
  }
  // What it refuses Tocsin may take: the UTF-8 notation, and operators of its own.
  const routes = taken.map((text) => ({ matchers: [text], continue: true }));
  const config = { route: { receiver: 'one', group_by: ['...'], ...FAST, routes } };
  await compareRouting(server, amtool, config, alertsFrom(random, 30));
  tell(`matchers: ${taken.length} mean the same, of ${texts.size} texts that may be some`);
}

function alertsFrom(random: Random, count: number): Labels[] {
  const alerts = new Map<string, Labels>();
  while (alerts.size < count) {
    const labels = labelsFrom(random);
    alerts.set(sortedLabels(labels), labels);
  }
  return [...alerts.values()];
}

async function routing(random: Random, server: string, amtool: string): Promise<void> {
  let routes = 0;
  for (let round = 0; round < rounds; round++) {
    await Promise.all(
      Array.from({ length: AT_ONCE / 2 }, async () => {
        const route = routeFrom(random, {
          depth: 4,
          times: (_, isRoot) => (isRoot ? FAST : {}),
          groupBy: [[], ['...'], ['alertname'], ['env', 'team'], ['x_y', 'job', 'nobody']],
        });
        routes += JSON.stringify(route).split('"receiver"').length - 1;
        const rules = Array.from({ length: random.below(2) }, () => ({
          ...matchersFrom(random, 'source_'),
          target_matchers: ['nobody=here'],
        }));
        const config = { route, inhibit_rules: rules };
        await compareRouting(server, amtool, config, alertsFrom(random, 40));
      }),
    );
  }
  tell(`routing: ${rounds * 4} trees with some ${routes} routes take 40 alerts each the same way`);
}

interface Said {
  readonly at: number;
  readonly receiver: string;
  readonly group: string;
  readonly firing: string;
  readonly resolved: string;
}

interface Simulated {
  readonly at: string;
  readonly channel: string;
  readonly group_labels: Labels;
  readonly firing: readonly Labels[];
  readonly resolved: readonly Labels[];
}

/** Alerts are told apart by their label n. */
const names = (alerts: readonly Labels[]) =>
  alerts
    .map(({ n }) => n)
    .sort()
    .join(' ');

/** Two routes may have the same receiver and labels: what they tell at one moment has no order. */
const byTime = (a: Said, b: Said) =>
  Math.round(a.at / 250) - Math.round(b.at / 250) || (a.firing < b.firing ? -1 : 1);

const inGroups = (said: readonly Said[]) => {
  const groups = new Map<string, string[]>();
  for (const { receiver, group, firing, resolved } of [...said].sort(byTime)) {
    const key = `${receiver} ${group}`;
    groups.set(key, [...(groups.get(key) ?? []), `firing ${firing} / resolved ${resolved}`]);
  }
  return Object.fromEntries([...groups].sort(([a], [b]) => (a < b ? -1 : 1)));
};

/** A step that came later than this, ms, shows the load of the machine and not what Alertmanager does. */
const LATE_MS = 180;

const MINUTE_MS = 60_000;

/** Makes a story that begins in a minute of the day; but for that, the same seed makes the same one. */
type Story = (random: Random, minute: number) => Scenario;

/** One scenario; undefined when the machine was too slow for the real clock. */
async function compareTimes(
  seed: number,
  server: string,
  story: Story,
): Promise<number | undefined> {
  const made = (minute: number) => {
    const random = new Random(seed);
    return { receivers: receiversFrom(random), ...story(random, minute) };
  };
  const { receivers, config, steps: given, untilMs, startsAt: offset } = made(0);
  const steps = given.map((step) => later(step, offset ?? 0));
  const file = fileOf(ours(config, receivers));
  const lines = steps.map(({ at, alert, silence }) => ({
    at: `${at}ms`,
    ...(alert && {
      alert: {
        labels: alert.labels,
        ...(alert.startsAt !== undefined && { starts_at: ms(alert.startsAt) }),
        ...(alert.endsAt !== undefined && { ends_at: ms(alert.endsAt) }),
      },
    }),
    ...(silence && {
      silence: {
        matchers: silence.matchers.map(({ name, value, isRegex, isEqual }) => {
          const operator = `${isEqual ? (isRegex ? '' : '') : '!'}${isRegex ? (isEqual ? '=~' : '~') : '='}`;
          return `${name}${operator}"${value}"`;
        }),
        starts_at: ms(silence.startsAt),
        ends_at: ms(silence.endsAt),
      },
    }),
  }));
  const simulated = await tocsin<Simulated>(
    ['simulate', '--config', file, '--until', `${untilMs + (offset ?? 0)}ms`],
    lines,
  );
  const mine = simulated.map(({ at, channel, group_labels, firing, resolved }) => ({
    at: timeOf(at) - (offset ?? 0),
    receiver: channel,
    group: sortedLabels(group_labels),
    firing: names(firing),
    resolved: names(resolved),
  }));

  const soon = Date.now() + (offset === undefined ? 200 : 3000);
  const start = offset === undefined ? soon : nextAfter(soon, offset);
  const real = await RealAlertmanager.start(
    server,
    made(Math.floor(start / MINUTE_MS) % 1440).config,
    receivers,
  );
  try {
    const iso = (at: number) => new Date(start + at).toISOString();
    for (const { at, alert, silence } of given) {
      await sleep(Math.max(0, start + at - Date.now()));
      if (alert) {
        const { labels, startsAt, endsAt } = alert;
        const times = {
          ...(startsAt !== undefined && { startsAt: iso(startsAt) }),
          ...(endsAt !== undefined && { endsAt: iso(endsAt) }),
        };
        await real.post('alerts', [{ labels, ...times }]);
      }
      if (silence) {
        const { matchers, startsAt, endsAt } = silence;
        const rest = { createdBy: 'fuzz', comment: 'fuzz' };
        const body = { matchers, startsAt: iso(startsAt), endsAt: iso(endsAt), ...rest };
        await real.post('silences', body);
      }
      if (Date.now() - start - at > LATE_MS) return undefined;
    }
    // Nothing is due soon after the end.
    await sleep(Math.max(0, start + untilMs + 400 - Date.now()));
    const theirs = real.told.map(({ at, receiver, groupLabels, firing, resolved }) => ({
      at: at - start,
      receiver,
      group: sortedLabels(groupLabels),
      firing: names(firing),
      resolved: names(resolved),
    }));
    const [left, right] = [inGroups(theirs), inGroups(mine)];
    if (!isDeepStrictEqual(left, right)) {
      const show = (said: readonly Said[]) =>
        said.map(
          (one) => `${one.at} ${one.receiver} ${one.group}: ${one.firing} / ${one.resolved}`,
        );
      throw new assert.AssertionError({
        message: `${JSON.stringify(ours(config, receivers))}\n${lines.map((line) => JSON.stringify(line)).join('\n')}\nAlertmanager:\n${show(theirs).join('\n')}\nTocsin:\n${show(mine).join('\n')}`,
        actual: right,
        expected: left,
      });
    }
    return theirs.length;
  } finally {
    await real.stop();
  }
}

/** The first time after another that is so long after a whole minute. */
const nextAfter = (time: number, offset: number) =>
  Math.ceil((time - offset) / MINUTE_MS) * MINUTE_MS + offset;

/** The same in a story that begins later. */
function later({ at, alert, silence }: Step, by: number): Step {
  const shifted = <T extends { startsAt?: number; endsAt?: number }>(one: T): T => ({
    ...one,
    ...(one.startsAt !== undefined && { startsAt: one.startsAt + by }),
    ...(one.endsAt !== undefined && { endsAt: one.endsAt + by }),
  });
  return {
    at: at + by,
    ...(alert && { alert: shifted(alert) }),
    ...(silence && { silence: shifted(silence) }),
  };
}

const ms = (time: number) => `${time < 0 ? '-' : ''}${Math.abs(time)}ms`;

function timeOf(at: string): number {
  const [, seconds = 0, rest = 0] = /^(?:(\d+)s)?(?:(\d+)ms)?$/.exec(at) ?? [];
  return Number(seconds) * 1000 + Number(rest);
}

async function times(random: Random, server: string): Promise<void> {
  await compareStories('times', rounds, random, server, scenarioFrom);
}

async function intervals(random: Random, server: string): Promise<void> {
  await compareStories('intervals', Math.ceil(rounds / 6), random, server, mutedScenarioFrom);
}

async function compareStories(
  name: string,
  count: number,
  random: Random,
  server: string,
  story: Story,
): Promise<void> {
  let [compared, told, slow] = [0, 0, 0];
  for (let round = 0; round < count; round++) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        const seed = random.below(2 ** 31);
        const attempt = () => compareTimes(seed, server, story);
        // What does not show twice was the machine, which stood still.
        const said = await attempt().catch(attempt);
        if (said === undefined) slow++;
        else {
          compared++;
          told += said;
        }
      }),
    );
  }
  tell(`${name}: ${compared} scenarios tell the same ${told} notifications; ${slow} were too slow`);
  assert.ok(compared > 0, 'the machine is too slow for a real clock');
}

type Api = (method: string, path: string, body?: unknown) => Promise<ApiAnswer>;

const iso = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString();

function randomAlert(random: Random): object {
  const startsAt = iso(-60 * random.below(50));
  const endsAt = random.chance(0.3) ? startsAt : iso(60 * (1 + random.below(50)));
  return {
    labels: random.chance(0.03) ? {} : labelsFrom(random),
    annotations: { summary: `ü <b> ${random.below(1_000_000)}` },
    ...(random.chance(0.6) && { startsAt }),
    ...(random.chance(0.6) && { endsAt }),
    ...(random.chance(0.3) && { generatorURL: 'http://prometheus/graph' }),
  };
}

function randomSilence(random: Random, isRight: boolean): object {
  const startsAt = iso(random.chance(0.7) ? -60 * random.below(50) : 60 * (1 + random.below(50)));
  return {
    matchers: Array.from(
      { length: !isRight && random.chance(0.05) ? 0 : 1 + random.below(2) },
      () => ({
        name: random.pick(NAMES),
        value: random.pick(isRight ? ['a', 'a|b'] : ['a', 'b', 'prod', 'a|b', '', '.*', '(']),
        isRegex: random.chance(0.4),
        isEqual: random.chance(0.8),
      }),
    ),
    startsAt,
    endsAt: !isRight && random.chance(0.1) ? startsAt : iso(60 * (51 + random.below(50))),
    ...{ createdBy: random.pick(['me', 'you']), comment: 'x' },
  };
}

/** Alerts and silences at random, given to both; answers with the ids of the silences, which are not the same. */
async function fill(random: Random, apis: readonly Api[]): Promise<string[][]> {
  const both = async (path: string, bodyOf: (at: number) => object) => {
    const answers = await Promise.all(apis.map((api, at) => api('POST', path, bodyOf(at))));
    // What its schema refuses is 422 there, and 400 here.
    const [theirs, mine] = answers.map(({ status }) => (status === 422 ? 400 : status));
    assert.equal(mine, theirs, `${path} ${JSON.stringify(bodyOf(0))} ${JSON.stringify(answers)}`);
    return answers;
  };
  const ids: string[][] = [[], []];
  for (let step = 0; step < 60; step++) {
    if (random.chance(0.6)) {
      const alerts = Array.from({ length: 1 + random.below(4) }, () => randomAlert(random));
      await both('/alerts', () => alerts);
      continue;
    }
    const old = random.below((ids[0]?.length ?? 0) + 1);
    const path = (at: number) => `/silence/${ids[at]?.[old]}`;
    const known = await apis[0]?.('GET', path(0));
    const change = random.below(5);
    // The end of one that is over is an error to Alertmanager 0.25, and nothing to a later one.
    if (change === 0 && known?.status === 200 && known.body.status.state !== 'expired') {
      await Promise.all(apis.map((api, at) => api('DELETE', path(at))));
      continue;
    }
    const same = change === 1 && known?.status === 200;
    // A change that is refused ends the old one in Alertmanager 0.25.
    const silence = randomSilence(random, same);
    const answers = await both('/silences', (at) => ({
      ...silence,
      ...(same && { id: ids[at]?.[old] }),
    }));
    if (answers[0]?.status !== 200) continue;
    for (const [at, { body }] of answers.entries()) ids[at]?.push(body.silenceID);
  }
  return ids;
}

const FLAGS = ['active', 'silenced', 'inhibited'];

const SORTS = new Set(['', 'alerts', 'receivers', 'silencedBy']);

/** An answer without what only one of them has or has of its own: ids, the time of the server, the order. */
function comparable({ body }: ApiAnswer, ids: readonly string[], start: number): unknown {
  const plain = (key: string, value: unknown): unknown => {
    if (['updatedAt', 'mutedBy'].includes(key)) return undefined;
    if (key === 'id') return ids.indexOf(String(value));
    // All are whole minutes from a time that was soon after the start.
    if (['startsAt', 'endsAt'].includes(key))
      return Math.floor((Date.parse(String(value)) - start) / 60_000);
    if (!Array.isArray(value)) return value;
    // A source that holds back is one of several.
    if (key === 'inhibitedBy') return value.length > 0;
    const known = key === 'silencedBy' ? value.map((id) => ids.indexOf(id)) : value;
    if (!SORTS.has(key)) return known;
    const texts = known.map((one) => JSON.stringify(one, sortedKeys)).sort();
    // A receiver that several routes name is there more than once.
    return key === 'receivers' ? [...new Set(texts)] : texts;
  };
  return JSON.parse(JSON.stringify(body), plain);
}

const sortedKeys = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

async function compareApi(random: Random, server: string): Promise<void> {
  const receivers = receiversFrom(random);
  const route = routeFrom(random, {
    depth: 3,
    times: (_, isRoot) => (isRoot ? { group_wait: '1s', group_interval: '1h' } : {}),
    groupBy: [[], ['...'], ['alertname'], ['env', 'team']],
  });
  const inhibit_rules = Array.from({ length: random.below(3) }, () => ({
    ...matchersFrom(random, 'source_'),
    ...matchersFrom(random, 'target_'),
    equal: random.some(NAMES, 2),
  }));
  const config = { route, inhibit_rules };
  const cleanups: (() => unknown)[] = [];
  const real = await RealAlertmanager.start(server, config, receivers);
  try {
    const plane = await startTestControlPlane(
      { after: (fn) => cleanups.push(fn) },
      ours(config, receivers) as Record<string, unknown>,
    );
    const apis: Api[] = [
      (method, path, body) => real.call(method, path, body),
      (method, path, body) => plane.call(method, `/api/v2${path}`, body),
    ];
    const start = Date.now() - 1000;
    const ids = await fill(random, apis);
    for (let queries = 0; queries < 60; queries++) {
      const query = [
        ...random.some(FLAGS, 2).map((flag) => `${flag}=${random.pick(['true', 'false'])}`),
        ...(random.chance(0.3)
          ? [`receiver=${random.pick(['one', 't.*', 'two|four', 'x', '('])}`]
          : []),
        ...random
          .some(['a', 'b', 'c'], 2)
          .map(() => `filter=${encodeURIComponent(matcherText(random))}`),
      ].join('&');
      const path = random.pick(['/alerts', '/alerts', '/alerts/groups', '/silences', '/receivers']);
      const answers = await Promise.all(apis.map((api) => api('GET', `${path}?${query}`)));
      const [theirs, mine] = answers.map((answer, at) =>
        answer.status === 200 ? comparable(answer, ids[at] ?? [], start) : answer.status,
      );
      const only = (some: unknown, others: unknown) =>
        [some].flat().filter((one) => ![others].flat().includes(one));
      assert.deepEqual(
        { onlyAlertmanager: only(theirs, mine), onlyTocsin: only(mine, theirs) },
        { onlyAlertmanager: [], onlyTocsin: [] },
        `${path}?${query} with ${JSON.stringify(config)}`,
      );
    }
  } finally {
    await real.stop();
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}

async function api(random: Random, server: string): Promise<void> {
  for (let round = 0; round < rounds; round++) await compareApi(random, server);
  tell(`api: after ${rounds} times 60 posts, 60 queries are answered the same`);
}

const cleanups: (() => void)[] = [() => rmSync(folder, { recursive: true, force: true })];
try {
  const programs = await debianAlertmanager({ after: (fn) => cleanups.push(fn) });
  if (!programs) tell('skipped: the package prometheus-alertmanager cannot be downloaded here');
  else {
    tell(`SEED=${SEED} ROUNDS=${rounds}`);
    const { server, amtool } = programs;
    const parts = { matchers, routing, api, times, intervals };
    for (const [name, part] of Object.entries(parts)) {
      if (name.includes(ONLY)) await part(new Random(Number(SEED)), server, amtool);
    }
  }
} finally {
  for (const cleanup of cleanups) cleanup();
}
