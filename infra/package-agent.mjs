// Makes build/tocsin-agent-VERSION-linux-ARCH.tar.gz of what was built: everything the agent needs but Node itself, so that a host needs
// neither compilers nor libraries. Another folder for it can be given as an argument.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';

const root = join(import.meta.dirname, '..');
const out = resolve(process.argv[2] ?? join(root, 'build'));
const packages = ['native', 'agent'];
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const name = `tocsin-agent-${version}-linux-${process.arch}`;

/** What each package runs from. */
const FILES = [
  ...['tocsin.js', 'package.json', 'LICENSE', 'README.md'],
  ...packages.map((one) => `${one}/package.json`),
  ...['native/dist/lib', 'agent/dist/bundle', 'agent/src/rules/library'],
  ...['probe', 'probe-typed', 'probe-legacy'].map((one) => `native/build/${one}.bpf.o`),
  'native/build/Release/tocsin.node',
];
/** Not every host has these; what Node needs itself (libstdc++, libc) is there. */
const LIBRARIES = /^lib(bpf|elf|z|zstd)\.so/;

function librariesOf(addon) {
  const lines = execFileSync('ldd', [addon], { encoding: 'utf8' }).split('\n');
  return lines.flatMap((line) => {
    const [, library, path] = /^\s*(\S+) => (\/\S+)/.exec(line) ?? [];
    return library && LIBRARIES.test(library) ? [[library, path]] : [];
  });
}

/** Of the modules in the bundle, which want to be named. */
const NOTICES = /^(package\.json|(licen[cs]e|notice|copying)\b.*)$/i;

/** Folders of the modules that a package is made of, found as Node does; ours are copied by themselves. */
function addModules(folder, found) {
  const { dependencies, optionalDependencies } = JSON.parse(
    readFileSync(join(root, folder, 'package.json'), 'utf8'),
  );
  for (const module of Object.keys({ ...dependencies, ...optionalDependencies })) {
    if (module.startsWith('@tocsin/')) continue;
    let above = folder;
    while (above !== '.' && !existsSync(join(root, above, 'node_modules', module)))
      above = dirname(above);
    const path = join(above, 'node_modules', module);
    if (found.has(path) || !existsSync(join(root, path))) continue;
    found.add(path);
    addModules(path, found);
  }
  return found;
}

const isProduct = (path) =>
  !/\.(map|d\.ts|tsbuildinfo)$/.test(path) && !path.includes('/library/tests');

const scratch = mkdtempSync(join(tmpdir(), 'tocsin-package-'));
try {
  const stage = join(scratch, name);
  const copy = (path) =>
    cpSync(join(root, path), join(stage, path), { recursive: true, filter: isProduct });
  mkdirSync(stage);
  for (const path of FILES) copy(path);
  for (const path of ['openapi', ...packages].reduce(
    (found, one) => addModules(one, found),
    new Set(),
  ))
    for (const file of readdirSync(join(root, path)).filter((one) => NOTICES.test(one)))
      copy(join(path, file));
  mkdirSync(join(stage, 'node_modules/@tocsin'), { recursive: true });
  for (const one of packages) symlinkSync(`../../${one}`, join(stage, 'node_modules/@tocsin', one));
  cpSync(join(root, 'infra/tocsin-agent.service'), join(stage, 'tocsin-agent.service'));
  const addon = 'native/build/Release/tocsin.node';
  for (const [library, path] of librariesOf(join(root, addon)))
    cpSync(path, join(stage, 'native/build/Release', library), { dereference: true });
  mkdirSync(join(stage, 'bin'));
  writeFileSync(
    join(stage, 'bin/tocsin'),
    '#!/bin/sh\nexec node "$(dirname "$(readlink -f "$0")")/../tocsin.js" "$@"\n',
  );
  chmodSync(join(stage, 'bin/tocsin'), 0o755);
  mkdirSync(out, { recursive: true });
  const archive = join(out, `${name}.tar.gz`);
  const owner = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner'];
  execFileSync('tar', ['-C', scratch, ...owner, '-czf', archive, basename(stage)]);
  process.stdout.write(`${archive}\n`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
