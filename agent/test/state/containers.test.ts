import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOST } from '../../src/state/container.ts';
import { Containers } from '../../src/state/containers.ts';

const OUTSIDE = 5;
const INSIDE = 6;
const place = `/docker/${'4e'.repeat(32)}`;

test('a process that moved on before it was looked at takes nobody else with it', () => {
  let cgroup = place;
  const containers = new Containers({
    hierarchy: '/nowhere',
    host: {
      listCgroups: () => [],
      cgroupId: (_hierarchy, path) => ({ '/': 1, '/init.scope': OUTSIDE, [place]: INSIDE })[path],
      readCgroup: () => `8:pids:${cgroup}\n0::/\n`,
      exists: () => false,
    },
    lookup: { readFiles: async () => undefined, ask: async () => undefined },
    retryMs: [],
  });
  // An event of the host, whose process is in a container by now.
  containers.ofCgroup(OUTSIDE, 100);
  assert.equal(containers.cgroupCount, 0);
  cgroup = '/init.scope';
  assert.equal(containers.ofCgroup(OUTSIDE, 101), HOST);
  // The other way round.
  containers.ofCgroup(INSIDE, 100);
  cgroup = place;
  assert.equal(containers.ofCgroup(INSIDE, 102).cgroupPath, place);
  assert.equal(containers.cgroupCount, 2);
});
