// Puts what the commands of the agent are made of into few files: to find and read a thousand modules takes longer than all else an
// agent does before its first event. What `main.ts` imports when it is asked for stays apart, and so does what the thread of the engine
// and the main thread do not share.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const outdir = join(root, 'dist/bundle');

rmSync(outdir, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: ['dist/src/main.js', 'dist/src/engine/worker.js'],
  outbase: 'dist/src',
  outdir,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  // It finds its addon from where it lies itself.
  external: ['@tocsin/native'],
  // Packages in the older format call this.
  banner: {
    js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
  },
  logLevel: 'warning',
});
