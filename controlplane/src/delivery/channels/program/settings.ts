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
      Type.String({ pattern: '^/[^\\0]*$', description: 'Absolute path; without it, `/`.' }),
    ),
    timeout: Type.Optional(
      Type.String({
        pattern: '^([1-9]|[12][0-9]|30)s$',
        default: '10s',
        description: 'Then the program and its children are killed; `1s` to `30s`.',
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
