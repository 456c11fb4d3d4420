// Compiles bpf/probe.bpf.c to build/probe.bpf.o with clang; debug sections that only DWARF tools read are stripped.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const architectures = { x64: ['x86', 'x86_64-linux-gnu'], arm64: ['arm64', 'aarch64-linux-gnu'] };
const known = architectures[process.arch];
if (!known)
  throw new Error(
    `the probe is not written for ${process.arch}; it knows ${Object.keys(architectures).join(', ')}`,
  );
const [target, triplet] = known;
const output = join(root, 'build', 'probe.bpf.o');

mkdirSync(join(root, 'build'), { recursive: true });
const run = (command, ...args) => execFileSync(command, args, { stdio: 'inherit' });
run(
  'clang',
  ...[
    '-target',
    'bpf',
    '-mcpu=v2',
    `-D__TARGET_ARCH_${target}`,
    '-g',
    '-O2',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-Wno-unused-parameter',
  ],
  ...['-I', `/usr/include/${triplet}`, '-I', join(root, 'include')],
  ...['-c', join(root, 'bpf', 'probe.bpf.c'), '-o', output],
);
run('llvm-strip', '-g', output);
