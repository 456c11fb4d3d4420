/** The probe and the addon compile for arm64, where its compiler is installed. They cannot be run here. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { PROBE_OBJECTS } from '../lib/binding.ts';

const packageRoot = join(import.meta.dirname, '..', '..');
const COMPILER = 'aarch64-linux-gnu-g++';
const missing =
  spawnSync(COMPILER, ['--version']).status !== 0 && `${COMPILER} is not installed (make arm64)`;
/** e_machine of ELF. */
const MACHINE = { bpf: 247, arm64: 183 };

test('the probe and the addon compile for arm64', { skip: missing }, () => {
  const script = (name: string) => join(packageRoot, 'scripts', name);
  execFileSync(process.execPath, [script('build-bpf.mjs'), '--arch', 'arm64']);
  execFileSync(process.execPath, [script('build-addon-arm64.mjs')]);
  const machine = (name: string) =>
    readFileSync(join(packageRoot, 'build', 'arm64', name)).readUInt16LE(18);
  for (const object of PROBE_OBJECTS) assert.equal(machine(basename(object)), MACHINE.bpf);
  assert.equal(machine('tocsin.node'), MACHINE.arm64);
});
