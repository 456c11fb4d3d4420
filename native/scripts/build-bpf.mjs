// Compiles bpf/probe.bpf.c to build/ with clang when a source is newer, or a SOURCE to an OBJECT given as arguments. Debug sections
// that only DWARF tools read are stripped. `--arch arm64` builds for that machine, to build/arm64/.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { arch: { type: 'string', default: process.arch } },
});
const { arch } = values;
const isCross = arch !== process.arch;
const root = join(import.meta.dirname, '..');
const architectures = { x64: ['x86', 'x86_64-linux-gnu'], arm64: ['arm64', 'aarch64-linux-gnu'] };
const known = architectures[arch];
if (!known)
  throw new Error(
    `the probe is not written for ${arch}; it knows ${Object.keys(architectures).join(', ')}`,
  );
const [target, triplet] = known;
const build = isCross ? join(root, 'build', arch) : join(root, 'build');
const source = join(root, 'bpf', 'probe.bpf.c');
const run = (command, ...args) => execFileSync(command, args, { stdio: 'inherit' });
const flags = ['-target', 'bpf', '-mcpu=v2', '-g', '-O2', `-D__TARGET_ARCH_${target}`];
const warnings = ['-Wall', '-Wextra', '-Werror', '-Wno-unused-parameter', '-Wno-unused-function'];
// Where Debian puts the kernel's headers for this machine, and for another.
const headers = isCross ? `/usr/${triplet}/include` : `/usr/include/${triplet}`;
const includes = ['-idirafter', headers, '-I', join(root, 'include')];
// The second is for kernels before 6.2, the third for those before 5.11.
const variants = {
  'probe.bpf.o': [],
  'probe-typed.bpf.o': ['-DTOCSIN_TYPED'],
  'probe-legacy.bpf.o': ['-DTOCSIN_LEGACY'],
};

mkdirSync(build, { recursive: true });
const inputs = [join(root, 'bpf'), join(root, 'include')].flatMap((folder) =>
  readdirSync(folder).map((name) => join(folder, name)),
);
const changed = Math.max(
  ...[...inputs, import.meta.filename].map((path) => statSync(path).mtimeMs),
);
function compile(from, to, defines) {
  run('clang', ...flags, ...warnings, ...defines, ...includes, '-c', from, '-o', to);
  run('llvm-strip', '-g', to);
}

const [givenSource, givenObject] = positionals;
if (givenSource) {
  compile(givenSource, givenObject, []);
} else {
  for (const [name, defines] of Object.entries(variants)) {
    const output = join(build, name);
    if ((statSync(output, { throwIfNoEntry: false })?.mtimeMs ?? 0) > changed) continue;
    compile(source, output, defines);
  }
}
