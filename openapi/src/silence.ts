import Type from 'typebox';
import { DURATION_PATTERN } from './duration.ts';

const text = Type.String({ minLength: 1, maxLength: 16_384 });
const matchers = Type.Union([Type.Array(text, { minItems: 1 }), Type.Array(Type.Array(text))], {
  description:
    'Matchers such as `env="prod"` that must all hold, or sets of them of which one must hold.',
});

/** What a silence is made of. */
export const SilenceRequest = Type.Object(
  {
    matchers,
    starts_at: Type.Optional(Type.String({ format: 'date-time', description: 'Now without it.' })),
    ends_at: Type.Optional(Type.String({ format: 'date-time' })),
    duration: Type.Optional(
      Type.String({ pattern: DURATION_PATTERN, description: 'Instead of `ends_at`: `2h`.' }),
    ),
    created_by: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 256,
        description: 'Without it the name of the token.',
      }),
    ),
    comment: Type.String({ minLength: 1, maxLength: 4096, description: 'Why.' }),
  },
  { additionalProperties: false },
);
export type SilenceRequest = Type.Static<typeof SilenceRequest>;

/** A silence as the API shows it. */
export const Silence = Type.Object(
  {
    id: Type.String(),
    state: Type.Enum(['pending', 'active', 'expired']),
    matchers: Type.Array(Type.Array(Type.String()), {
      description: 'Sets of matchers, of which one must hold.',
    }),
    starts_at: Type.String({ format: 'date-time' }),
    ends_at: Type.String({ format: 'date-time' }),
    created_by: Type.String(),
    comment: Type.String(),
    updated_at: Type.String({ format: 'date-time' }),
  },
  { $id: 'Silence', description: 'Alerts that match are not told while it is active.' },
);
export type Silence = Type.Static<typeof Silence>;

/** Which matchers to try; the rest of a silence may be there, so that one can be shown before it is made. */
export const SilencePreviewRequest = Type.Object(
  { ...Type.Partial(SilenceRequest).properties, matchers },
  { additionalProperties: false },
);
