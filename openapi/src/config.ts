import Type from 'typebox';
import { ChannelEntry, SecretReference } from './channel.ts';
import { DURATION_PATTERN } from './duration.ts';
import { PRIORITIES } from './priority.ts';
import { InhibitRuleConfig, type RouteConfig, TimeIntervalConfig } from './routing.ts';

const priorityName = (description: string) =>
  Type.Enum([...PRIORITIES.map((priority) => priority.toLowerCase())], {
    default: 'debug',
    description,
  });
const duration = (value: string, description: string) =>
  Type.String({ pattern: DURATION_PATTERN, default: value, description });
const section = <P extends Parameters<typeof Type.Object>[0]>(properties: P, description: string) =>
  Type.Object(properties, { additionalProperties: false, default: {}, description });

/** One output of the agent itself, beside the control plane. */
const AgentOutput = Type.Union([
  Type.Enum(['stdout', 'stdout-json', 'syslog'], {
    description: 'Falco text lines, JSON lines, or syslog(3).',
  }),
  Type.TemplateLiteral([Type.Literal('file:'), Type.String()], {
    description: 'The same as `{ file: PATH }`.',
  }),
  Type.Object(
    {
      file: Type.String({
        minLength: 1,
        description: 'Path; JSON lines are appended, reopened on SIGUSR1.',
      }),
    },
    { additionalProperties: false },
  ),
  Type.Object(
    {
      program: Type.Array(Type.String(), {
        minItems: 1,
        description: 'argv of a program that gets JSON lines on stdin.',
      }),
    },
    { additionalProperties: false },
  ),
]);

const alternatives = { additionalProperties: false, minProperties: 1, maxProperties: 1 };

/** Which rules a step of the selection means; with both keys those of either. */
const RuleTarget = Type.Object(
  {
    rule: Type.Optional(
      Type.String({ minLength: 1, description: 'The whole name; `*` stands for any run.' }),
    ),
    tag: Type.Optional(Type.String({ minLength: 1 })),
  },
  { additionalProperties: false, minProperties: 1 },
);

/** One step of the rule selection, as in Falco's `rules`. */
const RuleSelection = Type.Object(
  { enable: Type.Optional(RuleTarget), disable: Type.Optional(RuleTarget) },
  alternatives,
);

/** The API of the cluster that the host is a node of. */
const Kubernetes = Type.Object(
  {
    server: Type.Optional(
      Type.String({ pattern: '^https?://', description: 'Inside of a pod, by its variables.' }),
    ),
    token_file: Type.Optional(
      Type.String({ minLength: 1, description: 'Inside of a pod, that of its service account.' }),
    ),
    ca_file: Type.Optional(
      Type.String({ minLength: 1, description: 'Whom to trust; inside of a pod, its cluster.' }),
    ),
    node: Type.Optional(
      Type.String({ minLength: 1, description: 'Name of this node; else NODE_NAME, or the host.' }),
    ),
  },
  {
    additionalProperties: false,
    description: 'Pods of this node and what they belong to are asked of the Kubernetes API.',
  },
);

/** Adds to the outputs of rules, as Falco's `append_output`. */
const AppendOutput = Type.Object(
  {
    match: Type.Optional(
      Type.Object(
        {
          source: Type.Optional(Type.String({ minLength: 1 })),
          rule: Type.Optional(Type.String({ minLength: 1, description: 'The whole name.' })),
          tags: Type.Optional(
            Type.Array(Type.String({ minLength: 1 }), { description: 'All must be there.' }),
          ),
        },
        { additionalProperties: false, description: 'Which rules; without it all.' },
      ),
    ),
    extra_output: Type.Optional(
      Type.String({ minLength: 1, description: 'Text with %fields, put after a blank.' }),
    ),
    extra_fields: Type.Optional(
      Type.Array(
        Type.Union([
          Type.String({ minLength: 1, description: 'A field, whose type is kept.' }),
          Type.Record(Type.String(), Type.String(), {
            minProperties: 1,
            description: 'Names with text and %fields.',
          }),
        ]),
        { description: 'Only for `output_fields`.' },
      ),
    ),
    suggested_output: Type.Optional(
      Type.Boolean({ description: 'Append the fields of containers and pods.' }),
    ),
  },
  { additionalProperties: false },
);

/**
 * Everything that can be configured: the schema of `tocsin.yaml`. Each key has one environment variable, `TOCSIN_` and its path in
 * capitals (`redis.url` is `TOCSIN_REDIS_URL`). Order of strength: flags, environment, file, defaults.
 */
export const Config = Type.Object(
  {
    listen: Type.String({
      default: '127.0.0.1:2802',
      description: 'host:port of the HTTP API; port 0 takes a free one.',
    }),
    data_dir: Type.String({
      minLength: 1,
      default: './data',
      description: 'Where keys, spool and the embedded Redis live.',
    }),
    log_level: Type.Enum(['debug', 'info', 'warn', 'error'], {
      default: 'warn',
      description: 'Of the process log on stderr.',
    }),
    public_url: Type.Optional(
      Type.String({ description: 'How people reach the HTTP API: links and signatures name it.' }),
    ),
    redis: section(
      {
        url: Type.Optional(
          Type.String({
            description: 'redis:// or rediss:// URL; without it a private redis-server is started.',
          }),
        ),
        server: Type.String({
          default: 'redis-server',
          description: 'Program of the embedded Redis.',
        }),
        fsync: Type.Enum(['always', 'everysec'], {
          default: 'always',
          description: 'Of the embedded Redis: `always` means that 202 survives a power cut.',
        }),
      },
      'Where all state lives.',
    ),
    dedupe: section(
      { window: duration('5m', 'Identical alerts within it are folded into one and counted.') },
      'When alerts are the same.',
    ),
    retention: section(
      {
        alerts: duration('7d', 'How long an alert is kept after it was last seen.'),
        max_alerts: Type.Integer({
          default: 100_000,
          minimum: 1000,
          description: 'Oldest go first, and are counted.',
        }),
        dead_letters: duration(
          '30d',
          'How long a notification that was given up can be sent again.',
        ),
      },
      'How much is kept.',
    ),
    channels: Type.Array(ChannelEntry, { default: [], description: 'Where alerts are told.' }),
    receivers: Type.Array(ChannelEntry, {
      default: [],
      description: 'The same as `channels`, by the name that Alertmanager has for it.',
    }),
    global: section(
      {
        resolve_timeout: duration(
          '5m',
          'An alert without an end is resolved when it was not seen for so long.',
        ),
      },
      'What holds for all routes.',
    ),
    route: Type.Optional(
      Type.Unsafe<RouteConfig>(
        Type.Object(
          {},
          {
            description:
              'The first node of the routing tree. Without it nothing is grouped: every channel is told what its minimum priority allows.',
          },
        ),
      ),
    ),
    inhibit_rules: Type.Array(InhibitRuleConfig, {
      default: [],
      description: 'Which alerts hold others back while they fire.',
    }),
    time_intervals: Type.Array(TimeIntervalConfig, {
      default: [],
      description: 'Times with a name, which routes use to be mute or active.',
    }),
    mute_time_intervals: Type.Array(TimeIntervalConfig, {
      default: [],
      description: 'The same as `time_intervals`, older.',
    }),
    storm: section(
      {
        max_groups: Type.Integer({
          default: 10_000,
          minimum: 1,
          maximum: 1_000_000,
          description: 'Groups that one route may have open.',
        }),
        new_groups: section(
          {
            per_minute: Type.Number({ default: 120, exclusiveMinimum: 0, maximum: 1_000_000 }),
            burst: Type.Integer({ default: 500, minimum: 1, maximum: 1_000_000 }),
          },
          'New groups of one route over time and at once.',
        ),
        new_alerts: Type.Optional(
          Type.Object(
            {
              per_minute: Type.Number({ exclusiveMinimum: 0, maximum: 1_000_000 }),
              burst: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
            },
            {
              additionalProperties: false,
              description: 'New alerts of one rule on one host over time and at once.',
            },
          ),
        ),
      },
      'What is more than this goes into one rolling digest for each route, until it is less again. Critical alerts never do.',
    ),
    intake: section(
      {
        tokens: Type.Array(
          Type.Object(
            {
              name: Type.String({
                pattern: '^[A-Za-z0-9]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?$',
                description: 'Alerts that come with the token are told to be from this source.',
              }),
              token: SecretReference,
              role: Type.Enum(['intake', 'reader', 'operator'], {
                default: 'intake',
                description:
                  '`intake` hands in alerts, `reader` reads them, `operator` does both and silences them.',
              }),
            },
            { additionalProperties: false },
          ),
          { default: [], description: 'Of Falco, Prometheus and others that do not sign.' },
        ),
        trust_loopback: Type.Boolean({
          default: false,
          description:
            'Programs on this machine may hand in alerts, read and silence without a token.',
        }),
      },
      'Alerts of Falco (`POST /`) and of what speaks to Alertmanager (`/api/v2`), which are not signed.',
    ),
    routing: section(
      {
        authority: Type.Enum(['last', 'file', 'seed'], {
          default: 'last',
          description:
            'Who decides on routes, inhibition and time intervals: who changed them last, the file or the API; the file alone; ' +
            'or the API, which the file only gives a start.',
        }),
      },
      'Where routing comes from.',
    ),
    silences: section(
      {
        max_duration: duration('1y', 'A longer silence is refused.'),
        max_hidden_percent: Type.Number({
          default: 100,
          minimum: 0,
          maximum: 100,
          description: 'A silence that would hide more of the recent alerts is refused.',
        }),
        max_count: Type.Integer({ default: 20_000, minimum: 1, maximum: 100_000 }),
      },
      'What silences may be made.',
    ),
    labels: section(
      {
        output_fields: Type.Array(Type.String({ minLength: 1, maxLength: 256 }), {
          default: [],
          maxItems: 64,
          description: 'Output fields of alerts that routes can match and group by.',
        }),
      },
      'What routing sees of an alert beside rule, priority, source, hostname, tags, container, image, namespace and pod.',
    ),
    agent: section(
      {
        enabled: Type.Boolean({
          default: true,
          description: '`tocsin run`: start the local agent too.',
        }),
        server: Type.Optional(
          Type.String({
            description:
              'URL of the control plane; without it the agent only writes its own outputs.',
          }),
        ),
        join_token: Type.Optional(SecretReference),
        hostname: Type.Optional(
          Type.String({
            minLength: 1,
            maxLength: 255,
            description: 'Instead of the name of the host.',
          }),
        ),
        rules: Type.Array(Type.String({ minLength: 1 }), {
          default: [],
          description: 'Rule files, or folders of them, in order; without any, our own packs.',
        }),
        rule_matching: Type.Enum(['first', 'all'], {
          default: 'first',
          description: 'One alert an event, or one for each rule that matches.',
        }),
        follow_links: Type.Boolean({
          default: true,
          description:
            'Conditions that a path must fulfil also hold for the path the kernel came out at, past links; false is as Falco does.',
        }),
        rule_selection: Type.Array(RuleSelection, {
          default: [],
          description: 'Switches rules on and off, in order; the last that fits a rule decides.',
        }),
        append_output: Type.Array(AppendOutput, {
          default: [],
          description: 'What is added to the outputs of rules, in order.',
        }),
        static_fields: Type.Record(Type.String(), Type.String(), {
          default: {},
          description: 'Fixed values that rules and outputs can use as `static.NAME`.',
        }),
        time_format_iso_8601: Type.Boolean({
          default: false,
          description: 'Alert lines begin with date, time and offset rather than the local time.',
        }),
        priority: priorityName('Rules less severe than this are not run.'),
        outputs: Type.Array(AgentOutput, {
          default: [],
          description: 'Where the agent itself writes alerts.',
        }),
        metrics: Type.Optional(
          Type.String({
            description:
              'host:port for GET /metrics and /healthz, best on 127.0.0.1; without it there is none.',
          }),
        ),
        kubernetes: Type.Optional(Kubernetes),
        pushdown: Type.Boolean({
          default: true,
          description:
            'The kernel leaves out events that no rule could match; the alerts are the same without.',
        }),
        ring_bytes: Type.Integer({
          default: 16 * 1024 * 1024,
          enum: Array.from({ length: 13 }, (_, power) => 262_144 * 2 ** power),
          description: 'Of the kernel ring buffer; a power of two from 256 KiB to 1 GiB.',
        }),
        spool_bytes: Type.Integer({
          default: 256 * 1024 * 1024,
          minimum: 1_048_576,
          description: 'On disk while the control plane is away.',
        }),
      },
      'The node agent.',
    ),
  },
  { $id: 'Config', additionalProperties: false },
);
export type Config = Type.Static<typeof Config>;
