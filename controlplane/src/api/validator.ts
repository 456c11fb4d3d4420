import { explainErrors } from '@tocsin/openapi';
import type { FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { Convert, Default } from 'typebox/value';
import { ProblemError } from '../errors.ts';

/**
 * Checks requests with TypeBox, so that HTTP and the configuration file explain errors in the same words. Bodies are taken as they
 * are; only what comes as text (query, path, headers) is converted. Unknown keys are refused where the schema says so.
 */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const checker = Compile(schema);
  return (value: unknown) => {
    const candidate = Default(schema, httpPart === 'body' ? value : Convert(schema, value));
    if (checker.Check(candidate)) return { value: candidate };
    const found = explainErrors(schema, candidate);
    // Into a body leads a JSON pointer; a parameter is known by its name.
    const errors =
      httpPart === 'body' ? found : found.map((one) => ({ ...one, pointer: one.pointer.slice(1) }));
    const where = httpPart === 'querystring' ? 'query' : (httpPart ?? 'request');
    return {
      error: new ProblemError('validation_failed', `The ${where} does not fit the schema.`, errors),
    };
  };
};
