import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const manifest = join(import.meta.dirname, '../../../package.json');

/** Version of this agent. */
export const { version: VERSION } = JSON.parse(readFileSync(manifest, 'utf8')) as {
  version: string;
};
