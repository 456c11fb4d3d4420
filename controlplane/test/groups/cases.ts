/**
 * Cases of grouping, repeating, resolving, inhibiting, silencing and muting, most of them those of Alertmanager's own acceptance tests
 * told anew as data: inputs with their times, and everything that must be said, in order. `why` stands where we mean to differ.
 */

/** A step: seconds, and what the simulation reads at that time; `reload` names a configuration of the case. */
export type Step = readonly [at: number, what: Readonly<Record<string, unknown>>];
/** What is said: seconds, channel, firing, resolved, reason. Alerts are named by their label `n`. */
export type Said = readonly [
  at: number,
  channel: string,
  firing: string,
  resolved: string,
  reason: string,
];

export interface Case {
  readonly name: string;
  readonly why?: string;
  readonly config: string;
  /** Other configurations, by the name that a reload gives. */
  readonly configs?: Readonly<Record<string, string>>;
  readonly until: number;
  readonly steps: readonly Step[];
  readonly said: readonly Said[];
}

/** A duration as inputs write it. */
const s = (seconds: number) => {
  const ms = Math.round(seconds * 1000);
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${Math.floor(ms / 1000)}s${ms % 1000}ms`;
};
const push = (
  at: number,
  labels: string,
  starts?: number | undefined,
  ends?: number | undefined,
): Step => [
  at,
  {
    alert: {
      labels: Object.fromEntries(
        labels.split(' ').map((pair, index) => (index === 0 ? ['n', pair] : pair.split('='))),
      ),
      ...(starts !== undefined && { starts_at: s(starts) }),
      ...(ends !== undefined && { ends_at: s(ends) }),
    },
  },
];
const silence = (at: number, matchers: string[], starts: number, ends: number): Step => [
  at,
  { silence: { matchers, starts_at: s(starts), ends_at: s(ends) } },
];
const restart = (at: number): Step => [at, { restart: true }];
const reload = (at: number, name: string): Step => [at, { reload: name }];

const flow = (wait: number, interval: number, repeat: number, more = '') => `
route: {receiver: d, group_by: [], group_wait: ${s(wait)}, group_interval: ${s(interval)}, repeat_interval: ${s(repeat)}}
receivers: [{name: d, log: {}}]
${more}`;

const MERGE: readonly Step[] = [
  push(1, 'test', 1),
  push(2.1, 'test', 2),
  push(3.6, 'test', 1.5),
  push(4.6, 'test', 3, 4.5),
  push(4.8, 'test', 2.9, 4.8),
  push(4.8, 'test', 2.9, 4.1),
];
const JOB_DOWN = `inhibit_rules: [{source_matchers: [kind=job], target_matchers: [kind=instance], equal: [zone]}]`;
const TWO_SOURCES = `inhibit_rules: [{source_matchers: [role=src], target_matchers: [role=tgt], equal: [node]}]`;

const timed = (more: string, intervals: string, rules = '') => `
route: {receiver: d, group_by: [team], group_wait: 10s, group_interval: 5m, routes: [{matchers: ['n=~".+"'], ${more}}]}
receivers: [{name: d, log: {}}]
time_intervals: [${intervals}]
${rules}`;
const clock = (name: string, from: string, to: string) =>
  `{name: ${name}, time_intervals: [{times: [{start_time: '${from}', end_time: '${to}'}]}]}`;

export const CASES: readonly Case[] = [
  {
    name: 'an alert that is sent again and again is one, and the latest end wins',
    config: flow(1, 1, 0.001),
    until: 6.5,
    steps: [...MERGE, push(5.3, 'test', 5)],
    said: [
      [2, 'd', 'test', '', 'first notification'],
      [3, 'd', 'test', '', 'repeat'],
      [4, 'd', 'test', '', 'repeat'],
      [5, 'd', '', 'test', 'resolved'],
      [6.3, 'd', 'test', '', 'first notification'],
    ],
    why: 'an emptied group is gone at once, so that the new alert waits for group_wait',
  },
  {
    name: 'repeats, and is quiet after the end',
    config: flow(1, 1, 0.001),
    until: 20,
    steps: [push(1, 'test', 1), push(3.5, 'test', 1, 3)],
    said: [
      [2, 'd', 'test', '', 'first notification'],
      [3, 'd', 'test', '', 'repeat'],
      [4, 'd', '', 'test', 'resolved'],
    ],
  },
  {
    name: 'a restart changes nothing',
    config: flow(1, 1, 0.001),
    until: 20,
    steps: [push(1, 'test', 1), restart(1.2), push(3.5, 'test', 1, 3), restart(3.6)],
    said: [
      [2, 'd', 'test', '', 'first notification'],
      [3, 'd', 'test', '', 'repeat'],
      [4, 'd', '', 'test', 'resolved'],
    ],
  },
  {
    name: 'flushes on the grid of the first alert',
    config: flow(1, 1, 4.9),
    until: 11,
    steps: [
      push(1.1, '1', 1),
      push(1.7, '5', 1),
      push(3.3, '2', 1.5),
      push(3.3, '3', 1.5),
      push(3.3, '4', 1.6),
    ],
    said: [
      [2.1, 'd', '1 5', '', 'first notification'],
      [4.1, 'd', '1 2 3 4 5', '', 'new alerts'],
      [9.1, 'd', '1 2 3 4 5', '', 'repeat'],
    ],
  },
  {
    name: 'what is not seen any more is resolved',
    config: `global: {resolve_timeout: 10s}\n${flow(1, 5, 3600)}`,
    until: 60,
    steps: [push(1, 'a'), push(1, 'b'), push(1, 'c')],
    said: [
      [2, 'd', 'a b c', '', 'first notification'],
      [12, 'd', '', 'a b c', 'resolved'],
    ],
  },
  {
    name: 'channels that are told of ends, and one that is not',
    config: `
global: {resolve_timeout: 10s}
route:
  receiver: one
  group_by: []
  group_wait: 1s
  group_interval: 5s
  routes: [{receiver: one, continue: true}, {receiver: two}]
receivers: [{name: one, log: {}}, {name: two, log: {send_resolved: false}}]`,
    until: 60,
    steps: [push(1, '1'), push(1, '2'), push(3, '1', 1, 4), push(3, '3'), push(8, '3', 3)],
    said: [
      [2, 'one', '1 2', '', 'first notification'],
      [2, 'two', '1 2', '', 'first notification'],
      [7, 'one', '2 3', '1', 'new alerts'],
      [7, 'two', '2 3', '', 'new alerts'],
      [12, 'one', '3', '2', 'resolved'],
      [22, 'one', '', '3', 'resolved'],
    ],
  },
  {
    name: 'a start forgets nothing and says nothing twice',
    config: flow(1, 6, 600),
    until: 20,
    steps: [push(1, '1'), push(2.1, '2'), restart(5), push(6, '3'), push(7, '4')],
    said: [
      [2, 'd', '1', '', 'first notification'],
      [8, 'd', '1 2 3 4', '', 'new alerts'],
    ],
    why: 'timers are kept',
  },
  {
    name: 'an old alert does not wait',
    config: flow(30, 60, 600),
    until: 100,
    steps: [push(1, '1', -3600), push(2, '2', -3600)],
    said: [
      [1, 'd', '1', '', 'first notification'],
      [61, 'd', '1 2', '', 'new alerts'],
    ],
  },
  {
    name: 'a reload keeps the timers',
    config: flow(1, 6, 600),
    configs: { same: flow(1, 6, 600) },
    until: 20,
    steps: [push(1, '1'), reload(3, 'same'), push(4, '2')],
    said: [
      [2, 'd', '1', '', 'first notification'],
      [8, 'd', '1 2', '', 'new alerts'],
    ],
    why: 'Alertmanager begins its timers anew and says it at 9',
  },
  {
    name: 'a reload that makes an interval shorter makes the group due sooner',
    config: flow(1, 60, 600),
    configs: { short: flow(1, 2, 600), long: flow(1, 600, 6000) },
    until: 600,
    steps: [push(1, '1'), reload(5, 'short'), push(6, '2'), reload(6.5, 'long'), push(7, '3')],
    said: [
      [2, 'd', '1', '', 'first notification'],
      [7, 'd', '1 2 3', '', 'new alerts'],
    ],
  },
  {
    name: 'a reload does not make an end certain that was a guess',
    config: flow(1, 60, 3600),
    configs: { same: flow(1, 60, 3600) },
    until: 200,
    steps: [push(1, '1'), reload(5, 'same'), push(10, '1', 1, 50)],
    said: [
      [2, 'd', '1', '', 'first notification'],
      [62, 'd', '', '1', 'resolved'],
    ],
  },
  {
    name: 'a reload does not cut short what an old alert waits for',
    config: flow(30, 60, 3600),
    configs: { same: flow(30, 60, 3600) },
    until: 50,
    steps: [push(1, '1', -20), reload(20, 'same')],
    said: [[31, 'd', '1', '', 'first notification']],
  },
  {
    name: 'a reload repeats sooner, and only at a tick',
    config: flow(1, 10, 3600),
    configs: { often: flow(1, 10, 25) },
    until: 70,
    steps: [push(1, '1', 1, 3600), reload(35, 'often')],
    said: [
      [2, 'd', '1', '', 'first notification'],
      [42, 'd', '1', '', 'repeat'],
    ],
  },
  {
    name: 'a reload with longer intervals keeps the tick that was next, though nothing was said at the last ones',
    config: flow(1, 10, 25),
    configs: { long: flow(1, 25, 25) },
    until: 70,
    steps: [push(1, '1', 1, 3600), reload(28, 'long')],
    said: [
      [2, 'd', '1', '', 'first notification'],
      [32, 'd', '1', '', 'repeat'],
    ],
  },
  {
    name: 'a reload at the moment of a tick comes before it',
    config: flow(1, 10, 25),
    configs: { long: flow(1, 30, 25) },
    until: 70,
    steps: [push(1, '1', 1, 3600), reload(32, 'long')],
    said: [
      [2, 'd', '1', '', 'first notification'],
      [32, 'd', '1', '', 'repeat'],
      [62, 'd', '1', '', 'repeat'],
    ],
  },
  {
    name: 'a reload that names another channel tells it at the next tick',
    config: flow(1, 10, 3600),
    configs: {
      other: `${flow(1, 10, 3600).replace('receiver: d', 'receiver: x').replace('log: {}}', 'log: {}}, {name: x, log: {}}')}`,
    },
    until: 70,
    steps: [push(1, '1', 1, 3600), reload(25, 'other')],
    said: [
      [2, 'd', '1', '', 'first notification'],
      [32, 'x', '1', '', 'first notification'],
    ],
  },
  {
    name: 'a reload that makes group_wait shorter flushes then, and not in the past',
    config: flow(60, 20, 3600),
    configs: { short: flow(10, 20, 3600) },
    until: 100,
    steps: [
      push(1, '1', 1, 20),
      push(2, '2', 2, 3600),
      reload(30, 'short'),
      push(31, '3', 31, 3600),
    ],
    said: [
      [30, 'd', '2', '1', 'first notification'],
      [50, 'd', '2 3', '', 'new alerts'],
    ],
  },
  {
    name: 'what was held back, ended and fires anew is not woken by the end of what does not hold it',
    config: flow(1, 60, 3600),
    until: 140,
    steps: [
      silence(0, ['n=1'], 0, 5),
      push(1, '1', 1, 4),
      push(1, '2', 1, 3600),
      push(10, '1', 10, 3600),
      silence(10, ['n=3'], 10, 20),
    ],
    said: [
      [2, 'd', '2', '', 'first notification'],
      [62, 'd', '1 2', '', 'new alerts'],
    ],
  },
  {
    name: 'a reload that routes elsewhere tells it there',
    config: flow(1, 6, 600),
    configs: {
      other: `
route: {receiver: d, group_by: [], group_wait: 1s, group_interval: 6s, routes: [{matchers: [team=x], receiver: x}]}
receivers: [{name: d, log: {}}, {name: x, log: {}}]`,
    },
    until: 20,
    steps: [push(1, '1 team=x'), push(1, '2'), reload(3, 'other'), push(4, '2', 1, 4)],
    said: [
      [2, 'd', '1 2', '', 'first notification'],
      [3, 'x', '1', '', 'first notification'],
      [8, 'd', '', '2', 'resolved'],
    ],
  },
  {
    name: 'a reload that takes a mute interval from a route wakes its groups, but no sooner than they are due',
    config: timed('mute_time_intervals: [night]', clock('night', '00:00', '06:00')),
    configs: { bare: timed('', clock('night', '00:00', '06:00')) },
    until: 400,
    steps: [push(1, '1', 1, 3600), push(50, '2 team=x', 50, 3600), reload(305, 'bare')],
    said: [
      [311, 'd', '1', '', 'first notification'],
      [315, 'd', '2', '', 'first notification'],
    ],
    why: 'the end of a hold wakes its group',
  },
  {
    name: 'a reload that makes a mute interval shorter wakes at its new end; what is due sooner stays so',
    config: timed('mute_time_intervals: [night]', clock('night', '00:00', '06:00')),
    configs: {
      short: timed('mute_time_intervals: [night]', clock('night', '00:00', '00:02')),
      over: timed('mute_time_intervals: [night]', clock('night', '00:00', '00:01')),
    },
    until: 300,
    steps: [
      push(1, '1', 1, 3600),
      reload(20, 'short'),
      push(121, '2 team=x', 121, 3600),
      reload(122, 'over'),
    ],
    said: [
      [130, 'd', '1', '', 'first notification'],
      [131, 'd', '2', '', 'first notification'],
    ],
    why: 'the end of a hold wakes its group',
  },
  {
    name: 'a reload that is later than the new end of an interval wakes at once; so does one of an active interval',
    config: timed('active_time_intervals: [day]', clock('day', '06:00', '24:00')),
    configs: { early: timed('active_time_intervals: [day]', clock('day', '00:01', '24:00')) },
    until: 300,
    steps: [push(1, '1', 1, 3600), reload(100, 'early')],
    said: [[110, 'd', '1', '', 'first notification']],
    why: 'the end of a hold wakes its group',
  },
  {
    name: 'a reload that takes an inhibition away wakes what came since the last flush, and nothing else',
    config: timed('', '', TWO_SOURCES),
    configs: { bare: timed('', ''), same: timed('', '', TWO_SOURCES) },
    until: 400,
    steps: [
      push(1, 's role=src node=n1', 1, 3600),
      push(1, '1 team=x', 1, 3600),
      push(2, '2 team=y', 2, 3600),
      push(50, 't role=tgt node=n1 team=x', 50, 3600),
      push(51, '3 team=y', 51, 3600),
      reload(60, 'same'),
      reload(100, 'bare'),
    ],
    said: [
      [11, 'd', '1', '', 'first notification'],
      [11, 'd', 's', '', 'first notification'],
      [12, 'd', '2', '', 'first notification'],
      [110, 'd', '1 t', '', 'new alerts'],
      [312, 'd', '2 3', '', 'new alerts'],
    ],
    why: 'the end of a hold wakes its group',
  },
  {
    name: 'a reload at the very end of an interval that it takes away loses no wake',
    config: timed('mute_time_intervals: [night]', clock('night', '00:00', '00:02')),
    configs: { bare: timed('', '') },
    until: 200,
    steps: [push(1, '1', 1, 3600), reload(120, 'bare')],
    said: [[130, 'd', '1', '', 'first notification']],
    why: 'the end of a hold wakes its group',
  },
  {
    name: 'a silence that came and ended between two flushes wakes what came in it',
    config: flow(10, 300, 3600),
    until: 400,
    steps: [
      push(0, '1', 0, 3600),
      silence(20, ['n=2'], 20, 60),
      push(30, '2', 30, 3600),
      push(40, '3', 40, 3600),
    ],
    said: [
      [10, 'd', '1', '', 'first notification'],
      [70, 'd', '1 2 3', '', 'new alerts'],
    ],
    why: 'the end of a hold wakes its group',
  },
  {
    name: 'flaps with a channel that is not told of ends',
    config: `
route: {receiver: d, group_by: [], group_wait: 1s, group_interval: 2s, repeat_interval: 1h}
receivers: [{name: d, log: {send_resolved: false}}]`,
    until: 20,
    steps: [push(1, '1'), push(3, '1', 1, 3), push(7, '1')],
    said: [
      [2, 'd', '1', '', 'first notification'],
      [8, 'd', '1', '', 'first notification'],
    ],
  },
  {
    name: 'inhibits, and lets go',
    config: flow(1, 1, 1, JOB_DOWN),
    until: 4.5,
    steps: [
      push(1, 'test'),
      push(1, 'I-aa kind=instance zone=aa'),
      push(1, 'I-ab kind=instance zone=ab'),
      push(2.2, 'J kind=job zone=aa'),
      push(3.6, 'J kind=job zone=aa', 2.2, 3.6),
    ],
    said: [
      [2, 'd', 'test I-aa I-ab', '', 'first notification'],
      [3, 'd', 'test I-ab J', '', 'new alerts'],
      [4, 'd', 'test I-aa I-ab', 'J', 'new alerts'],
    ],
  },
  {
    name: 'what was always inhibited is not told to have ended',
    config: flow(1, 1, 3600, JOB_DOWN),
    until: 10,
    steps: [
      push(1, 'I kind=instance zone=aa'),
      push(1, 'J kind=job zone=aa'),
      push(2.6, 'I kind=instance zone=aa', 1, 2.6),
      push(2.6, 'J kind=job zone=aa', 1, 2.6),
    ],
    said: [
      [2, 'd', 'J', '', 'first notification'],
      [3, 'd', '', 'J', 'resolved'],
    ],
    why: 'Alertmanager tells both ends',
  },
  {
    name: 'one source ends and another goes on',
    config: flow(1, 1, 3600, TWO_SOURCES),
    until: 7,
    steps: [
      push(0.5, 'A role=src node=n1', 0.5, 600),
      push(0.5, 'B role=src node=n1', 0.5, 300),
      push(0.6, 't role=tgt node=n1', 0.6, 600),
      push(3.2, 'A role=src node=n1', 0.5, 3.2),
      push(5.2, 'B role=src node=n1', 0.5, 5.2),
    ],
    said: [
      [1.5, 'd', 'A B', '', 'first notification'],
      [3.5, 'd', 'B', 'A', 'resolved'],
      [5.5, 'd', 't', 'B', 'new alerts'],
    ],
  },
  {
    name: 'a source that is not seen any more inhibits no longer, and wakes the group of its target',
    config: `
global: {resolve_timeout: 10s}
route: {receiver: d, group_by: [n], group_wait: 1s, group_interval: 5m}
receivers: [{name: d, log: {}}]
${TWO_SOURCES}`,
    until: 20,
    steps: [push(1, 'A role=src node=n1'), push(1, 't role=tgt node=n1', 1, 600)],
    said: [
      [2, 'd', 'A', '', 'first notification'],
      [12, 'd', 't', '', 'first notification'],
    ],
    why: 'the end of a hold wakes its group',
  },
  {
    name: 'silences one of two',
    config: flow(1, 1, 0.001),
    until: 5.5,
    steps: [push(1, '1'), push(1, '2'), silence(2.3, ['n=1'], 2.5, 4.5)],
    said: [
      [2, 'd', '1 2', '', 'first notification'],
      [3, 'd', '2', '', 'repeat'],
      [4, 'd', '2', '', 'repeat'],
      [5, 'd', '1 2', '', 'new alerts'],
    ],
  },
  {
    name: 'what was told before all of a group was held back stands, and is not told again',
    config: flow(1, 1, 3600),
    until: 20,
    steps: [
      push(1, '1', 1, 600),
      push(1, '2', 1, 600),
      silence(3, ['n=~".+"'], 3, 6.5),
      push(3.5, '3', 3.5, 600),
      push(4.5, '2', 1, 4.5),
      silence(9, ['n=~".+"'], 9, 12.5),
      push(9.5, '4', 9.5, 11),
    ],
    said: [
      [2, 'd', '1 2', '', 'first notification'],
      [5, 'd', '', '2', 'resolved'],
      [7, 'd', '1 3', '', 'new alerts'],
    ],
  },
  {
    name: 'a repeat that a mute interval held back comes at the next flush after it',
    config: `
route: {receiver: d, routes: [{mute_time_intervals: [break], group_wait: 10s, group_interval: 1m, repeat_interval: 5m}]}
receivers: [{name: d, log: {}}]
time_intervals: [{name: break, time_intervals: [{times: [{start_time: '00:04', end_time: '00:08'}]}]}]`,
    until: 600,
    steps: [push(1, '1', 1, 3600), push(250, '2', 250, 400)],
    said: [
      [11, 'd', '1', '', 'first notification'],
      [491, 'd', '1', '', 'repeat'],
    ],
  },
  {
    name: 'a silence holds back from its start until its end, without a gap to the next',
    config: flow(10, 300, 14_400),
    until: 200,
    steps: [silence(0, ['n=~".+"'], 5, 60), push(6, '1', 6, 900), silence(20, ['n="1"'], 60, 90)],
    said: [[100, 'd', '1', '', 'first notification']],
    why: 'the end of a hold wakes its group after group_wait',
  },
  {
    name: 'who was told is told of the end in spite of a silence',
    config: flow(1, 5, 3600),
    until: 60,
    steps: [push(1, '1', 1, 600), silence(3, ['n=1'], 3, 50), push(8, '1', 1, 8)],
    said: [
      [2, 'd', '1', '', 'first notification'],
      [12, 'd', '', '1', 'resolved'],
    ],
    why: 'Alertmanager never tells it',
  },
  {
    name: 'what came and went in a silence is not told',
    config: flow(1, 5, 3600),
    until: 60,
    steps: [silence(0, ['n=1'], 0, 30), push(1, '1', 1, 600), push(8, '1', 1, 8)],
    said: [],
  },
  {
    name: 'a mute interval ends, and its groups wake',
    config: `
route:
  receiver: d
  group_by: [n]
  group_wait: 10s
  group_interval: 5m
  routes:
    - {matchers: ['n="1"'], mute_time_intervals: [early]}
    - {matchers: ['n="2"'], active_time_intervals: [later]}
receivers: [{name: d, log: {}}]
time_intervals:
  - {name: early, time_intervals: [{weekdays: [monday], times: [{start_time: '00:00', end_time: '00:07'}]}]}
  - {name: later, time_intervals: [{location: Asia/Kolkata, times: [{start_time: '05:33', end_time: '06:00'}]}]}`,
    until: 1800,
    steps: [push(1, '1', 1, 900), push(1, '2', 1, 900), push(200, '1', 1, 900)],
    said: [
      [190, 'd', '2', '', 'first notification'],
      [430, 'd', '1', '', 'first notification'],
      [1030, 'd', '', '1', 'resolved'],
      [1090, 'd', '', '2', 'resolved'],
    ],
    why: 'Alertmanager waits for the next flush',
  },
  {
    name: 'inputs of a moment come before its flush, flushes in the order of routes and groups',
    config: `
route:
  receiver: a
  group_by: [n]
  group_wait: 5s
  routes: [{receiver: b, matchers: ['n=~"[xy]"'], continue: true}, {receiver: a}]
receivers: [{name: a, log: {}}, {name: b, log: {}}]`,
    until: 10,
    steps: [push(5, 'late'), push(0, 'y'), push(0, 'x'), push(5, 'x more=1', 5)],
    said: [
      [5, 'b', 'x x', '', 'first notification'],
      [5, 'b', 'y', '', 'first notification'],
      [5, 'a', 'x x', '', 'first notification'],
      [5, 'a', 'y', '', 'first notification'],
      [10, 'a', 'late', '', 'first notification'],
    ],
  },
  {
    name: 'critical alerts do not wait, and are still told once',
    config: `
route:
  receiver: d
  group_by: []
  group_wait: 30s
  group_interval: 5m
  flush_immediately: priority >= critical
receivers: [{name: d, log: {}}]`,
    until: 60,
    steps: [
      push(1, '1 priority=Notice'),
      push(2, '2 priority=Critical'),
      push(3, '2 priority=Critical'),
      push(4, '3 priority=Emergency'),
      push(5, '4 priority=Debug'),
    ],
    said: [
      [2, 'd', '1 2', '', 'first notification'],
      [4, 'd', '1 2 3', '', 'new alerts'],
    ],
  },
  {
    name: 'the labels that a route names make the same thing, whatever the others are',
    config: `
route: {receiver: d, group_by: [], group_wait: 5s, dedupe: {identity: [n]}}
receivers: [{name: d, log: {}}]`,
    until: 10,
    steps: [push(1, '1 pid=1'), push(2, '1 pid=2'), push(3, '2 pid=3')],
    said: [[6, 'd', '1 2', '', 'first notification']],
  },
  {
    name: 'a route that may say little says it together',
    config: `
route: {receiver: d, group_by: [n], group_wait: 1s, throttle: {per_minute: 1, burst: 1}}
receivers: [{name: d, log: {}}]`,
    until: 130,
    steps: [push(0, '1'), push(0, '2'), push(30, '3')],
    said: [
      [1, 'd', '1', '', 'first notification'],
      [61, 'd', '2', '', 'first notification'],
      [121, 'd', '3', '', 'first notification'],
    ],
  },
  ...[true, false].map(
    (ends): Case => ({
      name: `what ends while a throttle keeps it back is told all the same, ${ends ? 'with' : 'without'} ends`,
      why: 'Alertmanager has no throttle; alerts are sent once, and would be lost',
      config: `
global: {resolve_timeout: 100s}
route: {receiver: d, group_by: [n], group_wait: 1s, group_interval: 150s, throttle: {per_minute: 1, burst: 1}}
receivers: [{name: d, log: {send_resolved: ${ends}}}]`,
      until: 200,
      steps: [push(0, '1'), push(0, '2'), push(0, '3'), push(0, '4')],
      said: [
        [1, 'd', '1', '', 'first notification'],
        [61, 'd', '2', '', 'first notification'],
        [121, 'd', '3', '', 'first notification'],
        // Longer than its interval after it was due.
        ends
          ? [181, 'd', '', '4', 'first notification']
          : [181, 'd', '4', '', 'first notification'],
      ],
    }),
  ),
  {
    name: 'a digest of nothing but ends',
    config: `
global: {resolve_timeout: 90s}
route: {receiver: d, group_by: [], group_wait: 1s, group_interval: 5s}
receivers: [{name: d, mode: digest, digest_interval: 1m, log: {}}]`,
    until: 130,
    steps: [push(0, '1')],
    said: [
      [60, 'd', '', '', 'digest'],
      [120, 'd', '', '', 'digest'],
    ],
  },
  {
    name: 'a storm of new groups is one digest, without what is critical, and ends by itself',
    config: `
global: {resolve_timeout: 60s}
storm: {new_groups: {per_minute: 60, burst: 2}}
route: {receiver: d, group_by: [n], group_wait: 1s, group_interval: 5s, repeat_interval: 1h}
receivers: [{name: d, log: {}}]`,
    until: 90,
    steps: [
      push(0, '1'),
      push(0, '2'),
      push(0, '3'),
      push(0.1, '4'),
      push(0.2, '5 priority=Critical'),
      push(3, '6'),
      push(4.5, '4'),
    ],
    said: [
      [1, 'd', '1', '', 'first notification'],
      [1, 'd', '2', '', 'first notification'],
      [1, 'd', '3 4', '', 'digest'],
      [1.2, 'd', '5', '', 'first notification'],
      [4, 'd', '6', '', 'first notification'],
      [61, 'd', '', '1', 'resolved'],
      [61, 'd', '', '2', 'resolved'],
      [61, 'd', '4', '3', 'digest'],
      [61.2, 'd', '', '5', 'resolved'],
      [64, 'd', '', '6', 'resolved'],
      [66, 'd', '', '4', 'digest'],
    ],
  },
  {
    name: 'a rule that floods from one host goes into the digest',
    config: `
storm: {new_alerts: {per_minute: 1, burst: 2}}
route: {receiver: d, group_by: [rule], group_wait: 1s}
receivers: [{name: d, log: {}}]`,
    until: 10,
    steps: [
      push(0, '1 rule=r hostname=h'),
      push(0, '2 rule=r hostname=h'),
      push(0, '3 rule=r hostname=h'),
      push(0, '3 rule=r hostname=h'),
      push(0, '4 rule=r hostname=other'),
    ],
    said: [
      [1, 'd', '1 2 4', '', 'first notification'],
      [1, 'd', '3', '', 'digest'],
    ],
  },
  {
    name: 'told alert by alert: at once, repeats at ticks, and neither reminded nor again after a silence or a restart',
    config: `
route: {receiver: d, group_by: [], group_wait: 30s, group_interval: 10s, repeat_interval: 20s}
receivers: [{name: d, mode: every, log: {}}]`,
    until: 400,
    steps: [
      push(0, 'a'),
      push(1, 'a'),
      [2, { silence: { matchers: ['n=s'], ends_at: '25s' } }],
      push(3, 's'),
      [4, { restart: true }],
      push(5, 'b'),
      push(12, 'a'),
    ],
    said: [
      [0, 'd', 'a', '', 'new alerts'],
      [3, 'd', 'a', '', 'repeat'],
      [5, 'd', 'b', '', 'new alerts'],
      [15, 'd', 'a', '', 'repeat'],
      [25, 'd', 's', '', 'new alerts'],
      [305, 'd', '', 's', 'resolved'],
      [305, 'd', '', 'b', 'resolved'],
      [315, 'd', '', 'a', 'resolved'],
    ],
  },
  {
    name: 'a reload changes what a channel is told, and nothing is told twice or lost',
    config: `
route: {receiver: d, group_by: [], group_wait: 1s, group_interval: 10s}
receivers: [{name: d, log: {send_resolved: false}}]`,
    configs: {
      'every.yaml': `
route: {receiver: d, group_by: [], group_wait: 1s, group_interval: 10s}
receivers: [{name: d, mode: every, log: {send_resolved: false}}]`,
      'digest.yaml': `
route: {receiver: d, group_by: [], group_wait: 1s, group_interval: 10s}
receivers: [{name: d, mode: digest, digest_interval: 1m, log: {send_resolved: false}}]`,
    },
    until: 400,
    steps: [
      push(0, 'a'),
      [5, { reload: 'every.yaml' }],
      push(6, 'b'),
      [7, { reload: 'digest.yaml' }],
      push(8, 'c'),
      push(9, 'c'),
    ],
    said: [
      [1, 'd', 'a', '', 'first notification'],
      [6, 'd', 'b', '', 'new alerts'],
      [60, 'd', '', '', 'digest'],
    ],
  },
  {
    name: 'a channel is not told what is less severe than it wants to know, whatever ends meanwhile',
    config: `
route: {receiver: d, group_by: [], group_wait: 1s, group_interval: 10s}
receivers: [{name: d, minimum_priority: warning, log: {}}]`,
    configs: {
      'all.yaml': `
route: {receiver: d, group_by: [], group_wait: 1s, group_interval: 10s}
receivers: [{name: d, log: {}}]`,
    },
    until: 60,
    steps: [
      push(0, 'a priority=Notice'),
      push(0, 'b priority=Error'),
      push(0, 'c priority=debug', undefined, 5),
      push(0, 'e'),
      silence(0, ['n=none'], 0, 3),
      [22, { reload: 'all.yaml' }],
    ],
    said: [
      [1, 'd', 'b e', '', 'first notification'],
      [31, 'd', 'a b e', '', 'new alerts'],
    ],
  },
  {
    name: 'what ends an inhibition wakes what it held back once, and not what came later',
    config: `
route: {receiver: d, group_by: [team], group_wait: 1s, group_interval: 60s}
receivers: [{name: d, log: {}}]
inhibit_rules: [{source_matchers: [role=src], target_matchers: [role=tgt]}]`,
    until: 130,
    steps: [
      push(0, 's role=src team=2'),
      push(0, 'a role=tgt team=1'),
      push(5, 's role=src team=2', 0, 5),
      push(20, 'b role=tgt team=1'),
      push(30, 's role=src team=2', 0, 5),
      push(40, 'u role=src team=3', 40, 40),
      push(70, 'v role=src team=2', 70, 75),
      push(75, 'c role=tgt team=1'),
    ],
    said: [
      [1, 'd', 's', '', 'first notification'],
      [6, 'd', 'a', '', 'first notification'],
      [61, 'd', '', 's', 'resolved'],
      [66, 'd', 'a b', '', 'new alerts'],
      [71, 'd', 'v', '', 'first notification'],
      [126, 'd', 'a b c', '', 'new alerts'],
    ],
  },
];
