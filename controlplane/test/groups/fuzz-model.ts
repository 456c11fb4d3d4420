/**
 * Random stories under the clock of a simulation, told by the production code and by a model of it that knows no Redis, no index and no
 * shortcut: it looks at every group at every tick and at every end of a hold. SEED repeats a run, ROUNDS makes it longer.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkFileChannels } from '../../src/channels/definition.ts';
import { findChannelKind } from '../../src/delivery/channels/index.ts';
import {
  type SimulatedConfiguration,
  type SimulatedInput,
  Simulation,
  type TimedInput,
} from '../../src/groups/simulation.ts';
import { compileRouting, type Routing } from '../../src/routing/compile.ts';
import { parseMatchers } from '../../src/routing/matcher.ts';
import { groupKey } from '../../src/routing/tree.ts';
import type { Route } from '../../src/routing/types.ts';
import { readSettings } from '../../src/settings.ts';
import { matcherText, Random, receiversFrom, routeFrom } from '../conformance/generate.ts';

type Labels = Readonly<Record<string, string>>;

/** A Monday. */
const START = Date.parse('2026-01-05T00:00:00Z');
const { SEED = String(Date.now() % 1_000_000), ROUNDS = '400' } = process.env;

interface Alert {
  readonly labels: Labels;
  starts: number;
  ends: number;
  isGuess: boolean;
}

interface Mark {
  told: boolean;
  wasHeld: boolean;
}

interface Log {
  readonly channel: string;
  readonly at: number;
  readonly firing: ReadonlySet<string>;
  readonly resolved: ReadonlySet<string>;
}

interface Group {
  readonly route: Route;
  readonly key: string;
  readonly created: number;
  readonly members: Map<string, Mark>;
  due: number;
  /** What ticks are counted from; undefined before the first flush. */
  flushed: number | undefined;
  log: Log | undefined;
}

interface Said {
  readonly at: number;
  readonly channel: string;
  readonly key: string;
  readonly reason: string;
  readonly firing: string;
  readonly resolved: string;
}

const nameOf = (labels: Labels) => JSON.stringify(Object.entries(labels).sort());
const isWithin = (some: ReadonlySet<string>, all: ReadonlySet<string>) =>
  [...some].every((one) => all.has(one));
const list = (alerts: readonly Labels[]) => alerts.map(nameOf).sort().join(' ');

/** What must be said. */
class Model {
  readonly said: Said[] = [];
  #configuration: SimulatedConfiguration;
  #routing: Routing;
  readonly #alerts = new Map<string, Alert>();
  readonly #groups = new Map<string, Group>();
  readonly #silences: { matches(labels: Labels): boolean; from: number; to: number }[] = [];

  constructor(configuration: SimulatedConfiguration) {
    this.#configuration = configuration;
    this.#routing = compileRouting(configuration.config);
  }

  run(inputs: readonly TimedInput[], until: number): void {
    let position = 0;
    for (let now = inputs[0]?.at ?? until; ; ) {
      const next = Math.min(
        inputs[position]?.at ?? Number.POSITIVE_INFINITY,
        ...[...this.#groups.values()].map(({ due }) => due),
        ...this.#changes(now),
      );
      if (next > until) return;
      const before = this.#heldAt(next - 1);
      now = next;
      for (; inputs[position]?.at === now; position++)
        this.#apply((inputs[position] as TimedInput).input, now);
      this.#wake(before, now);
      for (const group of [...this.#groups.values()])
        if (group.due === now) this.#flush(group, now);
    }
  }

  /** When something that holds back can end. */
  #changes(now: number): number[] {
    const minute = (Math.floor(now / 60_000) + 1) * 60_000;
    const ends = [
      ...[...this.#alerts.values()].map(({ ends }) => ends),
      ...this.#silences.map(({ to }) => to),
    ];
    return [minute, ...ends.filter((at) => at > now)];
  }

  #apply(input: SimulatedInput, now: number): void {
    if (input.kind === 'silence') {
      const matchers = input.matchers.flatMap((text) => parseMatchers(text));
      const matches = (labels: Labels) => matchers.every((one) => one.matches(labels));
      this.#silences.push({ matches, from: Math.max(now, input.startsAt), to: input.endsAt });
    } else if (input.kind === 'alert') this.#admit(input, now);
    else if (input.kind === 'reload') this.#reload(input.configuration, now);
  }

  #admit(input: SimulatedInput & { kind: 'alert' }, now: number): void {
    const { labels, startsAt, endsAt } = input;
    const name = nameOf(labels);
    const { resolveTimeoutMs, tree } = this.#routing;
    const routes = tree?.match(labels) ?? [];
    const waits = routes.map(({ resolveAfterMs = resolveTimeoutMs }) => resolveAfterMs);
    const ends = endsAt ?? now + Math.max(...waits);
    const alert = {
      labels,
      starts: startsAt ?? Math.min(now, ends),
      ends,
      isGuess: endsAt === undefined,
    };
    const old = this.#alerts.get(name);
    if (old && [alert.starts, alert.ends].some((at) => at > old.starts && at < old.ends)) {
      alert.starts = Math.min(alert.starts, old.starts);
      if (alert.ends <= now) {
        if (old.ends <= now) alert.ends = Math.max(alert.ends, old.ends);
      } else if (old.ends > alert.ends && !old.isGuess) alert.ends = old.ends;
    }
    if (old && alert.starts >= old.ends && alert.ends > now) this.#begin(name);
    this.#alerts.set(name, alert);
    this.#join(name, alert, now);
  }

  /** What it began to be is not what was held back. */
  #begin(name: string): void {
    for (const { members } of this.#groups.values()) {
      const mark = members.get(name);
      if (mark) mark.wasHeld = false;
    }
  }

  #join(
    name: string,
    { labels, starts, ends }: Alert,
    now: number,
    known?: ReadonlyMap<Group, ReadonlySet<string>>,
  ): void {
    for (const route of this.#routing.tree?.match(labels) ?? []) {
      const key = this.#keyOf(route, labels);
      const isOld = starts + route.groupWaitMs < now;
      let group = this.#groups.get(key);
      if (!group) {
        const due = now + route.groupWaitMs;
        group = {
          route,
          key,
          created: now,
          members: new Map(),
          due,
          flushed: undefined,
          log: undefined,
        };
        this.#groups.set(key, group);
      }
      if (!group.members.has(name)) group.members.set(name, { told: false, wasHeld: false });
      const isUrgent = route.flushImmediately?.matches(labels) ?? false;
      if (group.flushed !== undefined) {
        if (isUrgent && ends > now && !group.log?.firing.has(name)) group.due = now;
      } else if ((isOld || isUrgent) && !known?.get(group)?.has(name)) group.due = now;
    }
  }

  /** Its matchers name a route, and its place among those with the same. */
  #nameOf(route: Route): string {
    const same = this.#routing.tree?.routes.filter(({ key }) => key === route.key) ?? [];
    return `${same.indexOf(route)}${route.key}`;
  }

  #keyOf(route: Route, labels: Labels): string {
    return `${this.#nameOf(route)} ${groupKey(route, labels)}`;
  }

  #reload(configuration: SimulatedConfiguration, now: number): void {
    this.#configuration = configuration;
    this.#routing = compileRouting(configuration.config);
    const routes = new Map(this.#routing.tree?.routes.map((route) => [this.#nameOf(route), route]));
    const firing = [...this.#alerts].filter(([, { ends }]) => ends > now);
    for (const [key, group] of this.#groups) {
      const route = routes.get(key.slice(0, key.lastIndexOf(` ${group.route.key}:`)));
      if (!route) {
        this.#groups.delete(key);
        continue;
      }
      const { flushed, due, created } = group;
      if (flushed === undefined)
        group.due = Math.min(due, Math.max(now, created + route.groupWaitMs));
      else if (route.groupIntervalMs !== group.route.groupIntervalMs) {
        group.due = Math.min(due, Math.max(now, flushed + route.groupIntervalMs));
        group.flushed = group.due - route.groupIntervalMs;
      }
      Object.assign(group, { route });
    }
    const known = new Map(
      [...this.#groups.values()].map((one) => [one, new Set(one.members.keys())]),
    );
    for (const [name, alert] of firing) this.#join(name, alert, now, known);
    for (const [key, { members }] of this.#groups) {
      for (const [name, { labels }] of firing) {
        const places = this.#routing.tree?.match(labels).map((route) => this.#keyOf(route, labels));
        if (!places?.includes(key)) members.delete(name);
      }
      if (members.size === 0) this.#groups.delete(key);
    }
  }

  #holdOf(labels: Labels, route: Route, now: number): boolean {
    const { inhibitRules, timeIntervals } = this.#routing;
    const fits = (matchers: readonly { matches(labels: Labels): boolean }[], of: Labels) =>
      matchers.every((one) => one.matches(of));
    const inhibited = inhibitRules.some(
      ({ source, target, equal, equalMissing }) =>
        fits(target, labels) &&
        [...this.#alerts.values()].some(
          (other) =>
            other.ends > now &&
            fits(source, other.labels) &&
            !(fits(source, labels) && fits(target, other.labels)) &&
            equal.every((name) =>
              other.labels[name] === undefined && labels[name] === undefined
                ? equalMissing === 'match'
                : other.labels[name] === labels[name],
            ),
        ),
    );
    const at = new Date(now);
    const contains = (name: string) => timeIntervals.get(name)?.contains(at) ?? false;
    const { muteTimeIntervals, activeTimeIntervals } = route;
    const muted =
      muteTimeIntervals.some(contains) ||
      (activeTimeIntervals.length > 0 && !activeTimeIntervals.some(contains));
    const silenced = this.#silences.some(
      ({ matches, from, to }) => from <= now && now < to && matches(labels),
    );
    return inhibited || muted || silenced;
  }

  #heldAt(now: number): Set<string> {
    const held = new Set<string>();
    for (const { key, members, route } of this.#groups.values())
      for (const name of members.keys())
        if (this.#holdOf((this.#alerts.get(name) as Alert).labels, route, now))
          held.add(`${key} ${name}`);
    return held;
  }

  /** What was held back, is no longer, and was never said. */
  #wake(before: ReadonlySet<string>, now: number): void {
    for (const group of this.#groups.values()) {
      const { key, members, route, log } = group;
      for (const [name, { told }] of members) {
        const { labels, ends } = this.#alerts.get(name) as Alert;
        const wasHeld = before.has(`${key} ${name}`);
        if (!wasHeld || told || log?.firing.has(name) || ends <= now) continue;
        if (!this.#holdOf(labels, route, now))
          group.due = Math.min(group.due, now + route.groupWaitMs);
      }
    }
  }

  #flush(group: Group, now: number): void {
    const { route, members, key } = group;
    if (group.log && group.log.channel !== route.channel) {
      // What another channel was told counts for nothing.
      group.log = undefined;
      for (const mark of members.values()) mark.told = false;
    }
    const channel = this.#configuration.channels.find(({ name }) => name === route.channel);
    const tellsEnds = channel?.send_resolved ?? true;
    const parts = this.#partsOf(group, now);
    const { firing, resolved, held, isHidden } = parts;
    const reason = reasonOf(group, parts, tellsEnds, now);
    const told = tellsEnds ? resolved : new Set<string>();
    const isSent = reason !== undefined && firing.size + told.size > 0;
    if (isSent) {
      const name = key.slice(key.indexOf(` ${route.key}:`) + 1);
      const [fires, ends] = [this.#shown(firing), this.#shown(told)];
      const where = { at: now, channel: route.channel, key: name };
      this.said.push({ ...where, reason, firing: fires, resolved: ends });
    }
    if (reason) {
      const standing = [...held].filter((name) => isHidden && group.log?.firing.has(name));
      const all = new Set([...firing, ...standing]);
      group.log = { channel: route.channel, at: now, firing: all, resolved };
    }
    for (const [name, mark] of members) {
      if (this.#alert(name).ends <= now) members.delete(name);
      else if (isSent && firing.has(name)) [mark.told, mark.wasHeld] = [true, false];
      else if (held.has(name) && !mark.told) mark.wasHeld = true;
    }
    if (members.size === 0) this.#groups.delete(key);
    else arm(group, reason !== undefined, now);
  }

  #partsOf({ members, route }: Group, now: number): Parts {
    const [firing, resolved, held] = [new Set<string>(), new Set<string>(), new Set<string>()];
    let [isHidden, owed] = [true, false];
    for (const [name, { told, wasHeld }] of members) {
      const { labels, ends } = this.#alert(name);
      const hold = this.#holdOf(labels, route, now);
      const fires = ends > now;
      if (fires) (hold ? held : firing).add(name);
      else if (told || !(hold || wasHeld)) resolved.add(name);
      owed ||= !fires && told;
      isHidden &&= hold || !(fires || resolved.has(name));
    }
    return { firing, resolved, held, isHidden, owed };
  }

  #alert = (name: string) => this.#alerts.get(name) as Alert;
  #shown = (names: ReadonlySet<string>) => list([...names].map((name) => this.#alert(name).labels));
}

interface Parts {
  readonly firing: ReadonlySet<string>;
  readonly resolved: ReadonlySet<string>;
  readonly held: ReadonlySet<string>;
  /** Everything that there is to see is held back. */
  readonly isHidden: boolean;
  /** Something ended that was told. */
  readonly owed: boolean;
}

function reasonOf(group: Group, parts: Parts, tellsEnds: boolean, now: number): string | undefined {
  const owes = parts.owed && (tellsEnds || parts.isHidden) ? 'resolved' : undefined;
  return (parts.isHidden ? undefined : changeOf(group, parts, tellsEnds, now)) ?? owes;
}

/** Alertmanager's decision. */
function changeOf({ log, route }: Group, parts: Parts, tellsEnds: boolean, now: number) {
  const { firing, resolved } = parts;
  if (!log) return firing.size > 0 ? 'first notification' : undefined;
  if (!isWithin(firing, log.firing))
    return log.firing.size === 0 ? 'first notification' : 'new alerts';
  if (firing.size === 0) return log.firing.size > 0 ? 'resolved' : undefined;
  if (tellsEnds && !isWithin(resolved, log.resolved)) return 'resolved';
  return log.at < now - route.repeatIntervalMs ? 'repeat' : undefined;
}

/** Ticks are counted from a flush that says something, too. */
function arm(group: Group, says: boolean, now: number): void {
  const { groupIntervalMs } = group.route;
  const { flushed } = group;
  if (flushed === undefined || says || (now - flushed) % groupIntervalMs === 0) group.flushed = now;
  const from = group.flushed as number;
  group.due = from + (Math.floor((now - from) / groupIntervalMs) + 1) * groupIntervalMs;
}

const VALUES = ['a', 'b'];
const clock = (minute: number) => `00:${String(minute).padStart(2, '0')}`;

/** In most, inputs are at 100 ms of a second, ends of alerts at 250 or 100, holds at 550; in others, all are at whole seconds. */
function storyFrom(random: Random) {
  const part = random.chance(0.7) ? 50 : 0;
  const channels = receiversFrom(random);
  const intervals = ['first', 'second'].map((name) => {
    const from = random.below(4);
    const times = [{ start_time: clock(from), end_time: clock(from + 1 + random.below(3)) }];
    return { name, time_intervals: [{ times }] };
  });
  const mutes = random.chance(0.5);
  const times = (one: Random, isRoot: boolean) => ({
    ...((isRoot || one.chance(0.5)) && {
      group_wait: one.pick(['0s', '1s', '7s', '30s']),
      group_interval: one.pick(['1s', '10s', '15s', '60s']),
      repeat_interval: one.pick(['1s', '17s', '60s', '100s', '1h']),
    }),
    ...(one.chance(0.15) && { flush_immediately: matcherText(one, VALUES) }),
    ...(one.chance(0.15) && { resolve_after: one.pick(['15s', '70s']) }),
    ...(!isRoot &&
      mutes &&
      one.chance(0.4) && {
        [one.pick(['mute_time_intervals', 'active_time_intervals'])]: one.pick([
          ['first'],
          ['second'],
          ['first', 'second'],
        ]),
      }),
  });
  const route = routeFrom(random, {
    depth: 3,
    times,
    groupBy: [[], ['...'], ['alertname'], ['env', 'team'], ['job', 'x_y']],
    values: VALUES,
  });
  const rules = () =>
    Array.from({ length: random.below(3) }, () => ({
      source_matchers: [matcherText(random, VALUES)],
      target_matchers: [matcherText(random, VALUES)],
      equal: random.some(['env', 'team', 'job'], 2),
      ...(random.chance(0.5) && { equal_missing: 'match' }),
    }));
  const config = {
    global: { resolve_timeout: random.pick(['20s', '90s', '1h']) },
    route,
    receivers: channels.map(({ name, sendResolved }) => ({
      name,
      log: { send_resolved: sendResolved },
    })),
    time_intervals: intervals,
    inhibit_rules: random.chance(0.6) ? rules() : [],
  };
  const again = JSON.parse(JSON.stringify(config)) as typeof config;
  again.inhibit_rules = rules();
  if (random.chance(0.5))
    again.time_intervals[0] = { ...(intervals[1] as (typeof intervals)[0]), name: 'first' };
  const waits = (node: Record<string, unknown>) => {
    for (const key of ['group_interval', 'repeat_interval', 'group_wait'])
      if (node[key] && random.chance(0.3)) node[key] = random.pick(['2s', '10s', '25s']);
    for (const child of (node['routes'] ?? []) as Record<string, unknown>[]) waits(child);
  };
  if (random.chance(0.5)) waits(again.route as Record<string, unknown>);
  const moves = (node: Record<string, unknown>) => {
    const children = (node['routes'] ?? []) as Record<string, unknown>[];
    for (const child of children) moves(child);
    if (children.length > 0 && random.chance(0.2))
      children.splice(random.below(children.length), 1);
    if (random.chance(0.2)) children.reverse();
    if (node['group_by'] && random.chance(0.1)) node['group_by'] = ['alertname'];
    if (node['receiver'] && random.chance(0.1)) node['receiver'] = 'one';
  };
  if (random.chance(0.5)) moves(again.route as Record<string, unknown>);
  const seconds = () => random.below(200);
  const alerts = Array.from({ length: 2 + random.below(6) }, () =>
    Object.fromEntries(
      ['alertname', ...random.some(['job', 'env', 'team', 'x_y'], 3)].map((name) => [
        name,
        random.pick(VALUES),
      ]),
    ),
  );
  const lines: [number, unknown][] = [];
  for (const labels of alerts) {
    for (let count = 1 + random.below(5); count > 0; count--) {
      const at = seconds() * 1000 + 2 * part;
      const starts = random.pick([
        undefined,
        at,
        at - 1000 * random.below(60),
        at + 1000 * random.below(15),
      ]);
      const end = random.pick([
        undefined,
        undefined,
        at,
        at - 1000 * random.below(30),
        at + 3 * part + 1000 * random.below(60),
        at + 1000 * random.below(60),
      ]);
      if (end !== undefined && starts !== undefined && end < starts) continue;
      lines.push([at, { kind: 'alert', labels, fields: {}, startsAt: starts, endsAt: end }]);
    }
  }
  for (let count = random.below(4); count > 0; count--) {
    const at = seconds() * 1000 + 2 * part;
    const from = at + 9 * part + 1000 * random.pick([0, 0, random.below(40)]);
    const startsAt = random.chance(0.3) ? at : from;
    const matchers = Array.from({ length: 1 + random.below(2) }, () => matcherText(random, VALUES));
    lines.push([
      at,
      { kind: 'silence', matchers, startsAt, endsAt: from + 1000 * (1 + random.below(80)) },
    ]);
  }
  for (let count = random.below(3); count > 0; count--)
    lines.push([seconds() * 1000 + 2 * part, { kind: 'restart' }]);
  if (random.chance(0.5)) lines.push([seconds() * 1000 + 8 * part, { kind: 'reload' }]);
  return { config, again, lines: lines.sort(([a], [b]) => a - b) };
}

const folder = mkdtempSync(join(tmpdir(), 'tocsin-model-'));
let files = 0;
function load(config: object): SimulatedConfiguration {
  const file = join(folder, `${++files}.json`);
  writeFileSync(file, JSON.stringify(config));
  const read = readSettings({ config: file }, {});
  rmSync(file);
  return {
    config: read.config,
    channels: checkFileChannels(read.config, findChannelKind).channels,
  };
}

const UNTIL = START + 400_000;

async function compare(seed: number): Promise<number> {
  const { config, again, lines } = storyFrom(new Random(seed));
  const [first, second] = [load(config), load(again)];
  const shift = (value: unknown) => (typeof value === 'number' ? value + START : value);
  const inputs = lines.map(([at, input]) => {
    const { startsAt, endsAt, ...rest } = input as Record<string, unknown>;
    const whole = {
      ...rest,
      startsAt: shift(startsAt),
      endsAt: shift(endsAt),
      configuration: second,
    };
    return { at: START + at, input: whole as unknown as SimulatedInput };
  });
  const model = new Model(first);
  model.run(inputs, UNTIL);
  const told: Said[] = [];
  await new Simulation(first).run(inputs, UNTIL, ({ at, channel, entry: { group } }) => {
    if (!group) throw new Error('a digest');
    const labels = (alerts: readonly { labels: Labels }[]) => list(alerts.map((one) => one.labels));
    told.push({
      ...{ at, channel, key: group.key, reason: group.reason },
      ...{ firing: labels(group.firing), resolved: labels(group.resolved) },
    });
  });
  const shown = (said: readonly Said[]) =>
    said
      .map(({ at, ...rest }) => `${(at - START) / 1000} ${Object.values(rest).join(' | ')}`)
      .sort((a, b) => Number.parseFloat(a) - Number.parseFloat(b) || (a < b ? -1 : 1));
  const story = () =>
    `SEED of the story ${seed}\n${JSON.stringify(config)}\nreload ${JSON.stringify(again)}\n${lines.map((line) => JSON.stringify(line)).join('\n')}`;
  assert.deepEqual(shown(told), shown(model.said), story());
  return told.length;
}

try {
  process.stdout.write(`SEED=${SEED} ROUNDS=${ROUNDS}\n`);
  const random = new Random(Number(SEED));
  let said = 0;
  for (let round = 0; round < Number(ROUNDS); round += 4)
    for (const count of await Promise.all(
      Array.from({ length: 4 }, () =>
        compare(process.env['STORY'] ? Number(process.env['STORY']) : random.below(2 ** 31)),
      ),
    ))
      said += count;
  process.stdout.write(`${ROUNDS} stories tell the same ${said} notifications as the model\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
