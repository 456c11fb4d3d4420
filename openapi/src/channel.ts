import Type from 'typebox';
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
  { description: 'A secret: `value`, `env` or `file`.' },
);
export type SecretReference = Type.Static<typeof SecretReference>;

export const ChannelName = Type.String({
  pattern: '^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$',
  description: 'Lower-case letters, digits, `-` and `_`, at most 63.',
});

/** The part of a channel that is the same for every kind; `settings` is checked by the kind. */
export const Channel = Type.Object(
  {
    name: ChannelName,
    kind: Type.String({
      description:
        'email, slack, teams, discord, mattermost, telegram, ntfy, pagerduty, opsgenie, webhook, program, syslog, elasticsearch, splunk or log.',
    }),
    minimum_priority: Type.Enum([...PRIORITIES.map((priority) => priority.toLowerCase())], {
      default: 'debug',
      description: 'Alerts less severe than this are not told here.',
    }),
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
    settings: Type.Record(Type.String(), Type.Unknown(), {
      description:
        'By kind. Over the API, a secret is a `value`, or an `env` whose name starts with `TOCSIN_SECRET_`; nothing there names ' +
        'a file of the control plane: no `file` secret, no `path` of a log, no `ca_file` of a mail server.',
    }),
  },
  { $id: 'Channel', additionalProperties: false },
);
export type Channel = Type.Static<typeof Channel>;

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
