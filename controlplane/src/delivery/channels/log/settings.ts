import Type from 'typebox';

/** Settings of a `log` channel. */
export const LogSettings = Type.Object(
  {
    path: Type.Optional(
      Type.String({
        pattern: '^/[^\\0]*$',
        maxLength: 4096,
        description:
          'Absolute path of a file that JSON lines are appended to; without it, standard output. Not over the API.',
      }),
    ),
  },
  { additionalProperties: false, description: 'Falco JSON lines on standard output or in a file.' },
);
export type LogSettings = Type.Static<typeof LogSettings>;
