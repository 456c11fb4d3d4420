import Type from 'typebox';
import { Channel, SecretReference } from './channel.ts';
import { DURATION_PATTERN } from './duration.ts';
import { PRIORITIES } from './priority.ts';

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
      },
      'How much is kept.',
    ),
    channels: Type.Array(Channel, { default: [], description: 'Where alerts are told.' }),
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
        priority: priorityName('Rules less severe than this are not run.'),
        outputs: Type.Array(AgentOutput, {
          default: [],
          description: 'Where the agent itself writes alerts.',
        }),
        ring_bytes: Type.Integer({
          default: 16 * 1024 * 1024,
          minimum: 262_144,
          maximum: 1_073_741_824,
          description: 'Of the kernel ring buffer; a power of two.',
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
