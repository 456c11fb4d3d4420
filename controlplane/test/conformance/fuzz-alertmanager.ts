/**
 * Random configurations, alerts and silences, given to `tocsin routes match` and `tocsin routes simulate` and to a real Alertmanager:
 * which matchers are taken and what they mean, which receivers an alert goes to with which keys of groups and in which order, and what
 * is told in which order over time. Left out of the configurations is only where Tocsin means to differ.
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
import { RealAlertmanager, type Receiver } from './alertmanager.ts';
import {
  labelsFrom,
  matchersFrom,
  maybeMatcher,
  Random,
  receiversFrom,
  routeFrom,
} from './generate.ts';
import { scenarioFrom } from './scenario.ts';

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

/** One scenario; undefined when the machine was too slow for the real clock. */
async function compareTimes(random: Random, server: string): Promise<number | undefined> {
  const receivers = receiversFrom(random);
  const { config, steps, untilMs } = scenarioFrom(random);
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
    ['simulate', '--config', file, '--until', `${untilMs}ms`],
    lines,
  );
  const mine = simulated.map(({ at, channel, group_labels, firing, resolved }) => ({
    at: timeOf(at),
    receiver: channel,
    group: sortedLabels(group_labels),
    firing: names(firing),
    resolved: names(resolved),
  }));

  const real = await RealAlertmanager.start(server, config, receivers);
  try {
    const start = Date.now() + 200;
    const iso = (at: number) => new Date(start + at).toISOString();
    for (const { at, alert, silence } of steps) {
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

const ms = (time: number) => `${time < 0 ? '-' : ''}${Math.abs(time)}ms`;

function timeOf(at: string): number {
  const [, seconds = 0, rest = 0] = /^(?:(\d+)s)?(?:(\d+)ms)?$/.exec(at) ?? [];
  return Number(seconds) * 1000 + Number(rest);
}

async function times(random: Random, server: string): Promise<void> {
  let [compared, told, slow] = [0, 0, 0];
  for (let round = 0; round < rounds; round++) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        const seed = random.below(2 ** 31);
        const attempt = () => compareTimes(new Random(seed), server);
        // What does not show twice was the machine, which stood still.
        const count = await attempt().catch(attempt);
        if (count === undefined) slow++;
        else {
          compared++;
          told += count;
        }
      }),
    );
  }
  tell(`times: ${compared} scenarios tell the same ${told} notifications; ${slow} were too slow`);
  assert.ok(compared > 0, 'the machine is too slow for a real clock');
}

const cleanups: (() => void)[] = [() => rmSync(folder, { recursive: true, force: true })];
try {
  const programs = await debianAlertmanager({ after: (fn) => cleanups.push(fn) });
  if (!programs) tell('skipped: the package prometheus-alertmanager cannot be downloaded here');
  else {
    tell(`SEED=${SEED} ROUNDS=${rounds}`);
    const { server, amtool } = programs;
    const parts = { matchers, routing, times };
    for (const [name, part] of Object.entries(parts)) {
      if (name.includes(ONLY)) await part(new Random(Number(SEED)), server, amtool);
    }
  }
} finally {
  for (const cleanup of cleanups) cleanup();
}
