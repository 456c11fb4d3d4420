import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { EVENT_EXEC, openProbe } from '../lib/index.ts';
import { drain, skip, stage } from './live.ts';

const packageRoot = join(import.meta.dirname, '..', '..');

describe('an optional program that the kernel refuses', { skip }, () => {
  test('is left out and told with the words of the verifier, and the others run', () => {
    const on = stage();
    const object = join(on.folder, 'refused.bpf.o');
    const script = join(packageRoot, 'scripts', 'build-bpf.mjs');
    const source = join(packageRoot, 'test', 'refused.bpf.c');
    execFileSync(process.execPath, [script, source, object]);
    const probe = openProbe({ syscalls: [], keepFailed: [], object });
    try {
      const [absent, refused, ...others] = probe.skipped.toSorted((a, b) =>
        a.program.localeCompare(b.program),
      );
      assert.deepEqual(others, on.probe.skipped);
      assert.deepEqual(absent, {
        program: 'absent',
        reason: 'this kernel has no tracepoint no_such_tracepoint',
        log: '',
      });
      assert.equal(refused?.program, 'refused');
      assert.match(refused.reason, /refused/);
      assert.match(refused.log, /invalid mem access 'map_value_or_null'/);
      assert.ok(refused.log.split('\n').length <= 32, refused.log);
      execFileSync('/bin/true');
      assert.ok(drain(probe).some(({ kind }) => kind === EVENT_EXEC));
    } finally {
      probe.close();
      on.remove();
    }
  });
});
