// Builds the addon for arm64 on another machine, to build/arm64/tocsin.node, with Debian's g++-aarch64-linux-gnu. The arm64 libbpf need
// not be here: an empty library of its name stands in for it, and the real one is found when the addon is loaded.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const out = join(root, 'build', 'arm64');
const [target] = JSON.parse(readFileSync(join(root, 'binding.gyp'), 'utf8')).targets;
const nodeHeaders = join(dirname(dirname(process.execPath)), 'include', 'node');
const addonApi = dirname(createRequire(import.meta.url).resolve('node-addon-api/package.json'));
const scratch = mkdtempSync(join(tmpdir(), 'tocsin-arm64-'));
const run = (command, ...args) => execFileSync(command, args, { cwd: root, stdio: 'inherit' });

mkdirSync(out, { recursive: true });
try {
  const stand = join(scratch, 'libbpf.so');
  const empty = ['-shared', '-nostdlib', '-Wl,-soname,libbpf.so.1', '-x', 'c', '/dev/null'];
  run('aarch64-linux-gnu-gcc', ...empty, '-o', stand);
  run(
    'aarch64-linux-gnu-g++',
    ...['-shared', '-fPIC', ...target.cflags_cc],
    ...target.defines.map((name) => `-D${name}`),
    ...['-DNODE_GYP_MODULE_NAME=tocsin', '-I', 'include', '-I', nodeHeaders, '-I', addonApi],
    // What libbpf declares is the same on every machine.
    ...['-idirafter', '/usr/include', ...target.sources],
    ...['-o', join(out, 'tocsin.node'), '-Wl,--no-as-needed', stand],
  );
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
