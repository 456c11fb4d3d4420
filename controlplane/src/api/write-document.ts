/** Writes `openapi/openapi.json`, or checks that the committed one is what the routes say. Run by `npm run generate`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { apiDocumentOfRoutes } from './document.ts';

const path = join(import.meta.dirname, '../../../../openapi/openapi.json');
const document = await apiDocumentOfRoutes();
if (process.argv.includes('--check')) {
  if (readFileSync(path, 'utf8') !== document) {
    process.stderr.write('openapi/openapi.json is not what the routes say: run `make generate`.\n');
    process.exitCode = 1;
  }
} else {
  writeFileSync(path, document);
}
