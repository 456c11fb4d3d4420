import assert from 'node:assert/strict';
import { test } from 'node:test';
import { everywhere, pathsBySubsystem } from '../../src/state/membership.ts';

test('each subsystem has the path of its own hierarchy, else of the unified one', () => {
  const hybrid =
    '7:blkio:/disk\n5:cpu,cpuacct:/a:b/c\n4:memory:/\n1:name=systemd:/x\n0::/unified\n';
  assert.deepEqual(
    [...pathsBySubsystem(hybrid)],
    [
      ['cpuset', '/unified'],
      ['cpu', '/a:b/c'],
      ['cpuacct', '/a:b/c'],
      ['io', '/disk'],
      ['memory', '/'],
    ],
  );
  assert.deepEqual([...pathsBySubsystem('0::/one\n')], [...everywhere('/one')]);
  for (const odd of ['', '\n', 'nonsense', '4:memory', ':::'])
    assert.doesNotThrow(() => pathsBySubsystem(odd));
  assert.equal(pathsBySubsystem('').size, 0);
});
