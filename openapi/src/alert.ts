import Type from 'typebox';
import { PRIORITIES } from './priority.ts';

/** Limits of one alert and one batch. What is longer is refused by the control plane and cut by the agent. */
export const ALERT_LIMITS = {
  batchAlerts: 1000,
  batchBytes: 4 * 1024 * 1024,
  lineBytes: 256 * 1024,
  ruleLength: 512,
  outputLength: 64 * 1024,
  outputFields: 256,
  tags: 64,
  tagLength: 256,
} as const;

const alertProperties = {
  uuid: Type.String({
    pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
    description: 'Made by the agent; the same in every retry.',
  }),
  time: Type.String({
    pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,9})?Z$',
    description: 'When the event happened, UTC, up to nanoseconds.',
  }),
  rule: Type.String({ minLength: 1, maxLength: ALERT_LIMITS.ruleLength }),
  priority: Type.Enum([...PRIORITIES]),
  source: Type.String({
    minLength: 1,
    maxLength: 64,
    description: '`syscall`, or `internal` for what Tocsin says of itself.',
  }),
  output: Type.String({ maxLength: ALERT_LIMITS.outputLength }),
  output_fields: Type.Record(Type.String(), Type.Unknown(), {
    maxProperties: ALERT_LIMITS.outputFields,
    description: 'The fields of the output template, typed; null when the event has no such value.',
  }),
  hostname: Type.String({ minLength: 1, maxLength: 255 }),
  tags: Type.Array(Type.String({ maxLength: ALERT_LIMITS.tagLength }), {
    maxItems: ALERT_LIMITS.tags,
  }),
};

/** One rule match as an agent sends it: Falco's JSON keys and `uuid`. */
export const Alert = Type.Object(alertProperties, { $id: 'Alert', additionalProperties: false });
export type Alert = Type.Static<typeof Alert>;

const { uuid: _uuid, ...told } = alertProperties;

/** What a program that speaks to Alertmanager said of an alert. */
export const ExternalAlert = Type.Object(
  {
    labels: Type.Record(Type.String(), Type.String()),
    annotations: Type.Record(Type.String(), Type.String()),
    starts_at: Type.Union([Type.String(), Type.Null()]),
    ends_at: Type.Union([Type.String(), Type.Null()]),
    generator_url: Type.String(),
  },
  { description: 'As it came, when it came over the API of Alertmanager.' },
);
export type ExternalAlert = Type.Static<typeof ExternalAlert>;

/** An alert as the API shows it: the first of its kind, with how often it was seen since. */
export const StoredAlert = Type.Object(
  {
    id: alertProperties.uuid,
    ...told,
    fingerprint: Type.String({
      description: 'Identity: alerts of one fingerprint are folded within the window.',
    }),
    agent: Type.String({ description: 'Id of the agent that sent it.' }),
    count: Type.Integer({ minimum: 1 }),
    external: Type.Optional(ExternalAlert),
    first_seen: Type.String({ format: 'date-time' }),
    last_seen: Type.String({ format: 'date-time' }),
  },
  { $id: 'StoredAlert' },
);
export type StoredAlert = Type.Static<typeof StoredAlert>;
