/** What can be configured of routing; the keys are those of Alertmanager where it has one. */
import Type from 'typebox';
import { DURATION_PATTERN } from './duration.ts';

const strict = { additionalProperties: false } as const;
const duration = (description: string) =>
  Type.Optional(Type.String({ pattern: DURATION_PATTERN, description }));
const texts = (description: string) =>
  Type.Optional(Type.Array(Type.String({ minLength: 1 }), { description }));
const MATCHERS = 'Matchers such as `env="prod"`, all of which must hold.';
const scalars = (description: string) =>
  Type.Optional(
    Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]), {
      description,
    }),
  );

const routeProperties = {
  receiver: Type.Optional(
    Type.String({ minLength: 1, description: 'Name of the channel; inherited.' }),
  ),
  group_by: texts('Labels that make a group; `...` alone is all of them. Inherited.'),
  group_wait: duration('How long the first notification of a group waits. Inherited; 30s.'),
  group_interval: duration('How long news of a group waits. Inherited; 5m.'),
  repeat_interval: duration('When what still fires is told again. Inherited; 4h.'),
  continue: Type.Optional(
    Type.Boolean({ description: 'Siblings after this one are asked even if it matches.' }),
  ),
  matchers: Type.Optional(Type.Array(Type.String(), { description: MATCHERS })),
  match: scalars('Labels and their values; older than `matchers`.'),
  match_re: scalars('Labels and regular expressions; older than `matchers`.'),
  mute_time_intervals: texts('Names of time intervals in which nothing firing is told.'),
  active_time_intervals: texts('Names of time intervals outside of which nothing firing is told.'),
  dedupe: Type.Optional(
    Type.Object(
      {
        window: duration('Within it the same thing again is only counted.'),
        identity: texts('Labels that tell what is the same thing; without it, all of them.'),
      },
      { ...strict, description: 'What is the same thing here. Inherited.' },
    ),
  ),
  throttle: Type.Optional(
    Type.Object(
      {
        per_minute: Type.Number({ exclusiveMinimum: 0, maximum: 60_000 }),
        burst: Type.Integer({ minimum: 1, maximum: 10_000 }),
      },
      { ...strict, description: 'Notifications of this route over time and at once. Inherited.' },
    ),
  ),
  resolve_after: duration('An alert that is not seen for so long is resolved. Inherited.'),
  flush_immediately: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'Matchers of alerts that do not wait: `priority >= critical`. Inherited.',
    }),
  ),
  routes: Type.Optional(
    Type.Array(Type.Unknown(), { description: 'Routes below this one, of the same shape.' }),
  ),
};

/** One node of the routing tree; the nodes below it are checked one by one. */
export const RouteNode = Type.Object(routeProperties, { $id: 'Route', ...strict });
export interface RouteConfig extends Omit<Type.Static<typeof RouteNode>, 'routes'> {
  routes?: RouteConfig[];
}

const matcherList = Type.Optional(Type.Array(Type.String(), { description: MATCHERS }));

/** While a source fires, the targets that agree with it are held back. */
export const InhibitRuleConfig = Type.Object(
  {
    name: Type.Optional(Type.String()),
    source_matchers: matcherList,
    source_match: scalars('Older than `source_matchers`.'),
    source_match_re: scalars('Older than `source_matchers`.'),
    target_matchers: matcherList,
    target_match: scalars('Older than `target_matchers`.'),
    target_match_re: scalars('Older than `target_matchers`.'),
    equal: texts('Labels in which source and target must agree.'),
    equal_missing: Type.Enum(['match', 'no_match'], {
      default: 'no_match',
      description: 'Whether a label that both lack is one in which they agree.',
    }),
  },
  { $id: 'InhibitRule', ...strict },
);
export type InhibitRuleConfig = Type.Static<typeof InhibitRuleConfig>;

const ranges = (description: string) =>
  Type.Optional(Type.Array(Type.Union([Type.String(), Type.Integer()]), { description }));

/** A set of times: every key that is given must fit with one of its values. */
export const TimeIntervalSpec = Type.Object(
  {
    times: Type.Optional(
      Type.Array(Type.Object({ start_time: Type.String(), end_time: Type.String() }, strict), {
        description: '`HH:MM`, the end excluded; `24:00` ends a day.',
      }),
    ),
    weekdays: ranges('`monday:friday`.'),
    days_of_month: ranges('`1:5`; `-1` is the last day.'),
    months: ranges('`january:march` or `1:3`.'),
    years: ranges('`2026:2028`.'),
    location: Type.Optional(
      Type.String({ minLength: 1, description: 'Time zone such as Europe/Berlin; UTC without.' }),
    ),
  },
  strict,
);
export type TimeIntervalSpec = Type.Static<typeof TimeIntervalSpec>;

/** Times with a name, which routes use to be mute or active. */
export const TimeIntervalConfig = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 128 }),
    time_intervals: Type.Array(TimeIntervalSpec, { default: [] }),
  },
  { $id: 'TimeInterval', ...strict },
);
export type TimeIntervalConfig = Type.Static<typeof TimeIntervalConfig>;

/** Routing as a whole: what a version of it holds. */
export const RoutingDocument = Type.Object(
  {
    global: Type.Object(
      { resolve_timeout: Type.String({ pattern: DURATION_PATTERN, default: '5m' }) },
      { ...strict, default: {} },
    ),
    route: Type.Optional(
      Type.Unknown({ description: 'The first node of the tree; without it nothing is grouped.' }),
    ),
    inhibit_rules: Type.Array(InhibitRuleConfig, { default: [] }),
    time_intervals: Type.Array(TimeIntervalConfig, { default: [] }),
  },
  strict,
);
export type RoutingDocument = Type.Static<typeof RoutingDocument>;

/** What is told of a version without its content. */
export const RoutingVersionInfo = Type.Object({
  version: Type.Integer(),
  made_at: Type.String({ format: 'date-time' }),
  made_by: Type.String(),
  comment: Type.String(),
});

/** A version of the routing as the API shows it. */
export const RoutingVersion = Type.Object(
  {
    ...RoutingVersionInfo.properties,
    authority: Type.Enum(['file', 'seed', 'last'], {
      description: 'Who decides: the file, the API after the file, or who changed it last.',
    }),
    ...RoutingDocument.properties,
  },
  { $id: 'Routing' },
);
