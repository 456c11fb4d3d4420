/** Files of this package, from here. A bundle of it lies as deep as this module, and keeps the folders of what it starts with. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** Our own rule packs, used when no rules are configured. */
export const LIBRARY_FOLDER = join(root, 'src/rules/library');

/** What the thread of the engine runs. */
export const ENGINE_WORKER = new URL('./engine/worker.js', import.meta.url);

/** Version of this agent. */
export const { version: VERSION } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
) as { version: string };
