/**
 * Random stories for a real clock. Each kind of event has its own part of a second, so that none is at the same time as another:
 * alerts come at whole seconds, holds and ends are at a quarter, flushes at a half, and old alerts, which flush at once, at three.
 */
import { NAMES, type Random, routeFrom } from './generate.ts';

type Labels = Readonly<Record<string, string>>;

export interface Step {
  /** Times are ms since the start of the story. */
  readonly at: number;
  readonly alert?: {
    readonly labels: Labels;
    readonly startsAt?: number;
    readonly endsAt?: number;
  };
  readonly silence?: {
    readonly matchers: readonly {
      readonly name: string;
      readonly value: string;
      readonly isRegex: boolean;
      readonly isEqual: boolean;
    }[];
    readonly startsAt: number;
    readonly endsAt: number;
  };
}

export interface Scenario {
  readonly config: object;
  /** It begins so long after a whole minute, ms; undefined: at any time. */
  readonly startsAt?: number;
  readonly steps: readonly Step[];
  readonly untilMs: number;
}

const LAST_S = 8;
const UNTIL_MS = 13_000;
const VALUES = ['a', 'b', 'c'];

const whole = (random: Random, from = 0, to = LAST_S) => (from + random.below(to - from)) * 1000;

/** A story without holds, where alerts come, come again, end, time out and come back; or one with holds, where what is held goes on. */
export function scenarioFrom(random: Random): Scenario {
  const holds = random.chance(0.6);
  const alerts = Array.from({ length: 3 + random.below(5) }, (_, index): Labels => {
    const names = ['alertname', ...random.some(NAMES, 4)];
    const own = Object.fromEntries(names.map((name) => [name, random.pick(VALUES)]));
    return { ...own, n: String(index) };
  });
  const times = (one: Random, isRoot: boolean) => {
    if (!isRoot && one.chance(0.5)) return {};
    return {
      // A group that a hold lets go is told at the next flush by Alertmanager: so it is here when group_wait is the longer one.
      group_wait: holds ? '3500ms' : one.pick(['500ms', '1500ms', '2500ms']),
      group_interval: one.pick(['1s', '2s', '3s']),
      repeat_interval: one.pick(['1700ms', '3700ms', '1h']),
    };
  };
  const groupBy = [[], ['alertname'], ['env', 'team'], ['job', 'instance']];
  const route = routeFrom(random, { depth: 2, times, groupBy, values: VALUES });
  return holds ? withHolds(random, route, alerts) : withoutHolds(random, route, alerts);
}

const clock = (minutes: number) =>
  [Math.floor(minutes / 60) % 24, minutes % 60]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');

/** Minutes of a day from a minute on: some of the next ones, which may go over midnight. */
function window(random: Random, minute: number) {
  const from = minute + random.below(3);
  const times = Array.from({ length: 1 + random.below(2) }, (_none, index) => ({
    start_time: clock(from + index),
    end_time: clock(from + index + 1).replace('00:00', '24:00'),
  }));
  return [{ times }];
}

/**
 * A story that begins shortly before a whole minute, with routes that are mute or active in the next ones. `minute` is that of the day in
 * which it begins: it is the only difference between two stories of the same seed.
 */
export function mutedScenarioFrom(random: Random, minute: number): Scenario {
  const times = (one: Random, isRoot: boolean) => ({
    ...((isRoot || one.chance(0.5)) && {
      // A group that an interval lets go is told at the next flush by Alertmanager.
      group_wait: '7500ms',
      group_interval: one.pick(['3s', '5s', '7s']),
      repeat_interval: one.pick(['8700ms', '23700ms', '1h']),
    }),
    ...(!isRoot &&
      one.chance(0.7) && {
        [one.pick(['mute_time_intervals', 'active_time_intervals'])]: one.pick([
          ['first'],
          ['second'],
          ['first', 'second'],
        ]),
      }),
  });
  const groupBy = [[], ['alertname'], ['env', 'team']];
  const route = routeFrom(random, { depth: 2, times, groupBy, values: VALUES });
  const time_intervals = ['first', 'second'].map((name) => ({
    name,
    time_intervals: window(random, minute),
  }));
  // What ends while it is muted is told at once here: nothing ends.
  const steps = Array.from({ length: 12 }, (_none, index): Step => {
    const at = whole(random, 0, 100);
    const names = ['alertname', ...random.some(NAMES, 4)];
    const own = Object.fromEntries(names.map((name) => [name, random.pick(VALUES)]));
    return { at, alert: { labels: { ...own, n: String(index) }, startsAt: at, endsAt: 3_600_000 } };
  });
  const config = { global: { resolve_timeout: '1h' }, route, time_intervals };
  return { config, steps: inOrder(steps), startsAt: 40_250, untilMs: 150_000 };
}

const inOrder = (steps: Step[]) => steps.sort((a, b) => a.at - b.at);

function withoutHolds(random: Random, route: object, alerts: Labels[]): Scenario {
  const steps: Step[] = [];
  for (const [index, labels] of alerts.entries()) {
    const first = whole(random, 0, 4);
    // One at most: the first of two would not wait for the second.
    const old = index === 0 && random.chance(0.4);
    const at = old ? first + 750 : first;
    // A group that is empty is gone at once here: what comes back comes into a group that is not.
    steps.push({
      at: first,
      alert: { labels: { ...labels, n: `${labels['n']}+` }, endsAt: 3_600_000, startsAt: first },
    });
    const startsAt = old ? -3_600_000 : at;
    steps.push({ at, alert: { labels, ...(random.chance(0.5) || old ? { startsAt } : {}) } });
    let now = first;
    while (now < LAST_S * 1000 && random.chance(0.7)) {
      now += 1000 * (1 + random.below(3));
      const begun = random.chance(0.7) ? startsAt : now;
      switch (random.below(4)) {
        case 0:
          steps.push({ at: now, alert: { labels } });
          break;
        case 1:
          steps.push({ at: now, alert: { labels, startsAt: begun, endsAt: now } });
          break;
        case 2:
          steps.push({
            at: now,
            alert: { labels, startsAt: begun, endsAt: now + 250 + whole(random, 0, 4) },
          });
          break;
        default:
          steps.push({ at: now, alert: { labels, startsAt: begun } });
      }
    }
  }
  const resolve_timeout = random.pick(['2250ms', '4250ms', '1h']);
  return {
    config: { global: { resolve_timeout }, route },
    steps: inOrder(steps),
    untilMs: UNTIL_MS,
  };
}

function withHolds(random: Random, route: object, alerts: Labels[]): Scenario {
  const steps: Step[] = [];
  // What has this label is held and goes on until the end; what has another one holds, and ends at any time.
  const marked = alerts.map((labels, index) => ({
    ...labels,
    n: String(index),
    role: index === 0 ? 'source' : random.pick(['source', 'target', 'target']),
  }));
  for (const labels of marked) {
    const first = whole(random, 0, 7);
    // A group that is empty is gone at once here: none becomes so.
    const anchor = { ...labels, n: `${labels.n}+`, role: 'anchor' };
    steps.push({ at: first, alert: { labels: anchor, startsAt: first, endsAt: 3_600_000 } });
    steps.push({ at: first, alert: { labels, startsAt: first } });
    while (random.chance(0.3)) steps.push({ at: whole(random, first / 1000), alert: { labels } });
    if (labels.role === 'target' || random.chance(0.3)) continue;
    const endsAt = first + 1000 * (1 + random.below(6));
    steps.push({ at: endsAt, alert: { labels, startsAt: first, endsAt } });
  }
  for (let count = random.below(3); count > 0; count--) {
    const at = whole(random);
    const startsAt = at + 250 + whole(random, 0, 3);
    const name = random.pick(NAMES);
    const value = random.pick(VALUES);
    const isRegex = random.chance(0.3);
    const matcher = {
      name,
      value: isRegex ? `${value}|x.*` : value,
      isRegex,
      isEqual: random.chance(0.8),
    };
    const targets = { name: 'role', value: 'target', isRegex: false, isEqual: true };
    const endsAt = startsAt + 1000 * (1 + random.below(6));
    const matchers = random.chance(0.5) ? [targets] : [targets, matcher];
    steps.push({ at, silence: { matchers, startsAt, endsAt } });
  }
  const inhibit_rules = Array.from({ length: random.below(3) }, () => ({
    source_matchers: [
      `role=${random.pick(['source', 'source', '"source"'])}`,
      ...(random.chance(0.4) ? [`${random.pick(NAMES)}=${random.pick(VALUES)}`] : []),
    ],
    target_matchers: [
      'role="target"',
      ...(random.chance(0.4) ? [`${random.pick(NAMES)}!=${random.pick(VALUES)}`] : []),
    ],
    equal: random.some(NAMES, 2),
  }));
  return {
    config: { global: { resolve_timeout: '1h' }, route, inhibit_rules },
    steps: inOrder(steps),
    untilMs: UNTIL_MS,
  };
}
