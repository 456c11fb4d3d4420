import Type from 'typebox';
import { DURATION_PATTERN, parseDuration } from './duration.ts';
import { PRIORITIES } from './priority.ts';

/** Where a secret comes from. A `value` can be given and is never shown again. */
export const SecretReference = Type.Union(
  [
    Type.Object({ value: Type.String({ minLength: 1 }) }, { additionalProperties: false }),
    Type.Object(
      {
        env: Type.String({
          minLength: 1,
          description:
            'Name of an environment variable; over the API, one that starts with `TOCSIN_SECRET_`.',
        }),
      },
      { additionalProperties: false },
    ),
    Type.Object(
      {
        file: Type.String({
          minLength: 1,
          description: 'Path of a file; one newline at its end is ignored. Not over the API.',
        }),
      },
      { additionalProperties: false },
    ),
  ],
  {
    title: 'a secret: { env: NAME }, { file: PATH } or { value: TEXT }',
    description: 'A secret: `value`, `env` or `file`.',
    writeOnly: true,
  },
);
export type SecretReference = Type.Static<typeof SecretReference>;

export const ChannelName = Type.String({
  pattern: '^[A-Za-z0-9_]([A-Za-z0-9_./:@ -]{0,126}[A-Za-z0-9_])?$',
  description:
    'Letters, digits, `_`, and inside also `.`, `/`, `:`, `@`, `-` and blanks; at most 128.',
});

const shared = {
  name: ChannelName,
  minimum_priority: Type.Enum([...PRIORITIES.map((priority) => priority.toLowerCase())], {
    default: 'debug',
    description: 'Alerts less severe than this are not told here.',
  }),
  send_resolved: Type.Optional(
    Type.Boolean({ description: 'Whether it is told that an alert is over; true without it.' }),
  ),
  mode: Type.Optional(
    Type.Enum(['every', 'grouped', 'digest'], {
      description:
        '`every`: each alert is a message, so is its end if the channel is told of ends, and what was folded since is told as its count ' +
        '(without a `route`, what is folded within `dedupe.window` is only counted, and a later one is an alert of its own). ' +
        '`grouped`: what a group says at one moment is a message. `digest`: one message each `digest_interval`, in numbers by rule. ' +
        'Without it, `every` for syslog, elasticsearch, splunk and kafka, and `grouped` for the others.',
    }),
  ),
  digest_interval: Type.Optional(
    Type.String({
      pattern: DURATION_PATTERN,
      description:
        'Between two digests, from 10s to 7d, counted from midnight UTC; 1h without it. Only with `mode: digest`.',
    }),
  ),
  fallback: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 128,
      description:
        'Another channel that exists: while this one is broken, what it has to tell is told there. Two may stand in for each other.',
    }),
  ),
  throttle: Type.Optional(
    Type.Object(
      {
        per_minute: Type.Number({
          exclusiveMinimum: 0,
          maximum: 60000,
          description: 'Notifications a minute over time.',
        }),
        burst: Type.Integer({
          minimum: 1,
          maximum: 10000,
          description: 'Notifications at once.',
        }),
      },
      {
        additionalProperties: false,
        description: 'What is held back is told in the next notification.',
      },
    ),
  ),
};

/** The part of a channel that is the same for every kind; `settings` is checked by the kind. */
export const Channel = Type.Object(
  {
    ...shared,
    kind: Type.String({
      description:
        'email, slack, teams, discord, mattermost, telegram, ntfy, pagerduty, opsgenie, webhook, program, syslog, elasticsearch, splunk, kafka, log or none.',
    }),
    settings: Type.Record(Type.String(), Type.Unknown(), {
      description:
        'By kind. Over the API, a secret is a `value`, or an `env` whose name starts with `TOCSIN_SECRET_`; nothing there names ' +
        'a file of the control plane: no `file` secret, no `path` of a log, no `ca_file` of a mail server.',
    }),
  },
  { $id: 'Channel', additionalProperties: false },
);
export type Channel = Type.Static<typeof Channel>;

const HOUR_MS = 3_600_000;
const SHORTEST_DIGEST_MS = 10_000;
const LONGEST_DIGEST_MS = 7 * 24 * HOUR_MS;

/** Between two digests of a channel, ms; undefined when it is none that a channel may have. */
export function digestIntervalMs({ digest_interval }: Pick<Channel, 'digest_interval'>) {
  const ms = digest_interval === undefined ? HOUR_MS : (parseDuration(digest_interval) ?? 0);
  return ms >= SHORTEST_DIGEST_MS && ms <= LONGEST_DIGEST_MS ? ms : undefined;
}

/**
 * A channel in the configuration file: as over the API, or with its settings under the name of its kind (`log: {}`), or as a bare name,
 * where nobody is told.
 */
export const ChannelEntry = Type.Object(
  {
    name: shared.name,
    minimum_priority: Type.Optional(shared.minimum_priority),
    send_resolved: shared.send_resolved,
    mode: shared.mode,
    digest_interval: shared.digest_interval,
    fallback: shared.fallback,
    throttle: shared.throttle,
  },
  {
    additionalProperties: true,
    description: 'Also `kind` and `settings`, or settings under the name of the kind.',
  },
);
export type ChannelEntry = Type.Static<typeof ChannelEntry> & Readonly<Record<string, unknown>>;

/** A channel as the API shows it. */
export const ShownChannel = Type.Object(
  {
    ...Channel.properties,
    origin: Type.Enum(['file', 'api'], {
      description: '`file`: read-only, changed in the configuration file.',
    }),
  },
  { $id: 'ShownChannel', description: 'A channel; secrets given as `value` are hidden.' },
);
export type ShownChannel = Type.Static<typeof ShownChannel>;
