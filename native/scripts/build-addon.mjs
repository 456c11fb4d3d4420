// Builds the addon with node-gyp. Headers come with this Node when it has them (Debian and NodeSource packages do).
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const prefix = dirname(dirname(process.execPath));
const headers = existsSync(join(prefix, 'include', 'node', 'node_api.h'))
  ? [`--nodedir=${prefix}`]
  : [];
const nodeGyp = join(
  dirname(createRequire(import.meta.url).resolve('node-gyp/package.json')),
  'bin',
  'node-gyp.js',
);

execFileSync(process.execPath, [nodeGyp, 'configure', 'build', '--loglevel=error', ...headers], {
  cwd: join(import.meta.dirname, '..'),
  // What make tells is only of interest when it fails; then it is part of the error.
  stdio: ['ignore', 'pipe', 'inherit'],
});
