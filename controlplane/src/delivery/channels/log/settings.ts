import Type from 'typebox';
import { FormatSetting } from '../../formats/index.ts';

/** Settings of a `log` channel. */
export const LogSettings = Type.Object(
  {
    path: Type.Optional(
      Type.String({
        title: 'an absolute path',
        pattern: '^/[^\\0]*$',
        maxLength: 4096,
        description:
          'Absolute path of a file that lines are appended to; without it, standard output. Not over the API.',
      }),
    ),
    format: Type.Optional(FormatSetting),
    rotate: Type.Optional(
      Type.Object(
        {
          max_bytes: Type.Integer({
            minimum: 4096,
            maximum: 1024 ** 4,
            description: 'The file is renamed to `.1` before it grows beyond this.',
          }),
          keep: Type.Optional(
            Type.Integer({
              minimum: 1,
              maximum: 100,
              default: 5,
              description: 'How many renamed files are kept; `.1` is the newest.',
            }),
          ),
        },
        {
          additionalProperties: false,
          description: 'Without it the file grows; another program may rename it at any time.',
        },
      ),
    ),
  },
  {
    additionalProperties: false,
    description: 'Lines on standard output or in a file, one an alert.',
  },
);
export type LogSettings = Type.Static<typeof LogSettings>;
