import Type from 'typebox';
import { PROBLEM_CODES, type ProblemCode } from './codes.ts';

/** The body of every error answer (RFC 9457, `application/problem+json`). */
export const Problem = Type.Object(
  {
    type: Type.Literal('about:blank'),
    title: Type.String({ description: 'What the code means, the same for every occurrence.' }),
    status: Type.Integer(),
    code: Type.Unsafe<ProblemCode>({ type: 'string', enum: Object.keys(PROBLEM_CODES) }),
    detail: Type.String({ description: 'What went wrong this time and what to do about it.' }),
    request_id: Type.Optional(Type.String()),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: Type.String({
            description: 'JSON pointer into the body, or the name of the parameter.',
          }),
          message: Type.String(),
        }),
      ),
    ),
  },
  { $id: 'Problem', description: 'An error (RFC 9457).' },
);
export type Problem = Type.Static<typeof Problem>;

/** Builds the body of an error answer. */
export function problemOf(
  code: ProblemCode,
  detail: string,
  more: Pick<Problem, 'request_id' | 'errors'> = {},
): Problem {
  const [status, title] = PROBLEM_CODES[code];
  return { type: 'about:blank', title, status, code, detail, ...more };
}
