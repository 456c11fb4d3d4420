import { PROBLEM_CODES, type Problem, type ProblemCode } from '@tocsin/openapi';

/** The control plane cannot start; the message is one sentence that says what to do. */
export class StartupError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StartupError';
  }
}

/** A request is answered with this problem. */
export class ProblemError extends Error {
  readonly code: ProblemCode;
  readonly statusCode: number;
  readonly errors: Problem['errors'];

  constructor(code: ProblemCode, detail: string, errors?: Problem['errors']) {
    super(detail);
    this.name = 'ProblemError';
    this.code = code;
    this.statusCode = PROBLEM_CODES[code][0];
    this.errors = errors;
  }
}
