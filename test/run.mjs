// Runs the compiled tests (default), benchmarks (--bench) or fuzzers (--fuzz). Words narrow the files by their path.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';

const root = join(import.meta.dirname, '..');
const { values, positionals: words } = parseArgs({
  allowPositionals: true,
  options: { bench: { type: 'boolean' }, fuzz: { type: 'boolean' } },
});

const compiled = ['openapi', 'native', 'agent', 'controlplane', 'test'].flatMap((folder) =>
  readdirSync(join(root, folder, 'dist'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name))),
);
const wanted = (pattern) =>
  compiled
    .filter((file) => pattern.test(file) && words.every((word) => file.includes(word)))
    .sort();

function run(args, title) {
  if (title) process.stdout.write(`\n== ${title}\n`);
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

async function runEach(pattern) {
  const files = wanted(pattern);
  if (files.length === 0) process.exitCode = 1;
  for (const file of files) {
    process.exitCode ||= await run(
      ['--expose-gc', file],
      file.replace(/^.*\/dist\//, '').replace(/\.js$/, ''),
    );
  }
}

if (values.bench)
  await runEach(/^test\/dist\/bench\/(?!report|agent-load|official-rules)[^/]+\.js$/);
else if (values.fuzz) await runEach(/\/fuzz(-[a-z]+)?\.js$/);
else {
  const files = wanted(/\.test\.js$/);
  if (files.length === 0)
    throw new Error('no test file is built, or none has these words in its path');
  const options = [
    '--test',
    '--test-concurrency=2',
    '--test-timeout=300000',
    '--test-reporter=spec',
  ];
  process.exitCode = await run([...options, ...files]);
}
