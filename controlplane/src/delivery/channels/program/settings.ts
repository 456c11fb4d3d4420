import { SecretReference } from '@tocsin/openapi';
import Type from 'typebox';

const NO_NUL = '^[^\\0]*$';

/** Settings of a `program` channel. */
export const ProgramSettings = Type.Object(
  {
    argv: Type.Array(Type.String({ pattern: NO_NUL, maxLength: 8192 }), {
      minItems: 1,
      maxItems: 256,
      description: 'The program and its arguments; no shell reads them.',
    }),
    environment: Type.Optional(
      Type.Record(
        Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,127}$' }),
        Type.Union([Type.String({ pattern: NO_NUL, maxLength: 8192 }), SecretReference]),
        {
          additionalProperties: false,
          maxProperties: 64,
          description: 'All there is besides PATH; values may be secrets.',
        },
      ),
    ),
    working_directory: Type.Optional(
      Type.String({
        title: 'an absolute path',
        pattern: '^/[^\\0]*$',
        description: 'Absolute path; without it, `/`.',
      }),
    ),
    user: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$',
        description: 'Name of the user to run it as; without it, that of the control plane.',
      }),
    ),
    max_memory_bytes: Type.Optional(
      Type.Integer({
        minimum: 1_048_576,
        maximum: 2 ** 40,
        description: 'Address space that it and each of its children may have.',
      }),
    ),
    keep_alive: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          'It is started once and gets a line a notification; what went into its pipe counts as told, and it is started again when it ended.',
      }),
    ),
    timeout: Type.Optional(
      Type.String({
        title: 'a time from 1s to 30s',
        pattern: '^([1-9]|[12][0-9]|30)s$',
        default: '10s',
        description:
          'Then the program and its children are killed: for the whole run, or with `keep_alive` for reading a line; `1s` to `30s`.',
      }),
    ),
  },
  {
    additionalProperties: false,
    description:
      'A program that gets the notification as JSON on standard input. Exit status 0 is success, 75 means try again.',
  },
);
export type ProgramSettings = Type.Static<typeof ProgramSettings>;
