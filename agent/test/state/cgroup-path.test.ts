import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { containerOfPath, plainContainerd } from '../../src/state/cgroup-path.ts';

const id = '3f'.repeat(32);
const inner = 'ab'.repeat(32);

const paths: [string, string | undefined][] = [
  [`/docker/${id}`, `docker ${id}`],
  [`/system.slice/docker-${id}.scope`, `docker ${id}`],
  [`/docker/${id}/system.slice/ssh.service`, `docker ${id}`],
  [`/docker/${id}/docker/${inner}`, `docker ${inner}`],
  [`/kubepods/besteffort/pod1c5e/${id}`, `containerd ${id}`],
  [
    `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-${id}.scope`,
    `containerd ${id}`,
  ],
  [`/kubelet-kubepods-pod1.slice:cri-containerd:${id}`, `containerd ${id}`],
  [`/kubepods.slice/crio-${id}.scope`, `cri-o ${id}`],
  [`/kubepods.slice/crio-${id}`, `cri-o ${id}`],
  [`/kubepods.slice/crio-conmon-${id}.scope`, undefined],
  [`/machine.slice/libpod-${id}.scope`, `podman ${id}`],
  [`/machine.slice/libpod-${id}.scope/container`, `podman ${id}`],
  [`/libpod_parent/libpod-${id}`, `podman ${id}`],
  [`/user.slice/libpod-payload-${id}.scope`, `podman ${id}`],
  [`/machine.slice/libpod-conmon-${id}.scope`, undefined],
  [`/system.slice/nerdctl-${id}.scope`, `containerd ${id}`],
  ['/lxc/web', 'lxc web'],
  ['/lxc.payload/web', 'lxc web'],
  ['/lxc.payload.web', 'lxc web'],
  ['/lxc.payload.web/system.slice/cron.service', 'lxc web'],
  ['/machine/guest.libvirt-lxc', 'libvirt-lxc guest'],
  ['/machine.slice/machine-lxc\\x2d42\\x2dguest.scope/libvirt', 'libvirt-lxc 42\\x2dguest'],
  ['/libvirt/lxc/guest', 'libvirt-lxc guest'],
  ['/system.slice/bpm-redis.scope', 'bpm redis'],
  ['/mesos/12345678-1234-1234-1234-123456789abc', 'mesos 12345678-1234-1234-1234-123456789abc'],
  ['/', undefined],
  ['', undefined],
  ['/system.slice/ssh.service', undefined],
  ['/user.slice/user-1000.slice/session-1.scope', undefined],
  [`/docker/${id.slice(1)}`, undefined],
  [`/docker/${id}0`, undefined],
  [`/docker/${id.replaceAll('f', 'g')}`, undefined],
  [`/docker/../${'x'.repeat(100_000)}`, undefined],
];

describe('containerOfPath', () => {
  for (const [path, expected] of paths) {
    it(`reads ${path.slice(0, 100) || 'nothing'}`, () => {
      const found = containerOfPath(path);
      assert.equal(found && `${found.runtime} ${found.fullId}`, expected);
    });
  }

  it('only guesses at names given to ctr', () => {
    assert.deepEqual(plainContainerd('/default/redis'), { namespace: 'default', id: 'redis' });
    assert.equal(plainContainerd('/system.slice/ssh.service'), undefined);
    assert.equal(plainContainerd('/a/b/c'), undefined);
    assert.equal(plainContainerd('/../etc'), undefined);
  });
});
