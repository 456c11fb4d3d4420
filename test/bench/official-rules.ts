import { join } from 'node:path';
import { ROOT } from '../support/tocsin.ts';

/** Falco's own rule files; they are no part of the project and may not be there. Their folder can be given as an argument. */
export const OFFICIAL = ['falco_rules', 'falco-incubating_rules', 'falco-sandbox_rules'].map(
  (name) => join(process.argv[2] ?? join(ROOT, '../shared/falco-rules'), `${name}.yaml`),
);
