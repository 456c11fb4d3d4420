import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { containerOfPath, guessOfPath, isCgroupOf } from '../../src/state/cgroup-path.ts';

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
  [
    `/docker/${id}/kubelet.slice/kubelet-kubepods.slice/cri-containerd-${inner}.scope`,
    `containerd ${inner}`,
  ],
  [`/docker/${id}/kubelet/kubepods/besteffort/pod1/${inner}`, `containerd ${inner}`],
  [`/system.slice/k3s.service/kubepods/pod1/${id}`, `containerd ${id}`],
  [`/kubepods.slice/kubepods-pod1.slice/docker-${id}.scope`, `docker ${id}`],
  [
    `/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${id}.scope/container`,
    `podman ${id}`,
  ],
  [`/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-conmon-${id}.scope`, undefined],
  [`/user.slice/user-1000.slice/user@1000.service/app.slice/docker-${id}.scope`, `docker ${id}`],
  [`/docker-ce/docker/buildkit/${id}`, `docker ${id}`],
  [`/lxc/web/docker/${id}`, `docker ${id}`],
  [`/docker/${id.toUpperCase()}`, undefined],
  [`/docker-${id}.service`, undefined],
  [`/evil-docker-${id}.scope`, undefined],
  [`/docker/${id}\n`, undefined],
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

  it('tells the path of the group that is the container, not of groups inside', () => {
    assert.equal(containerOfPath(`/docker/${id}/init.scope/x`)?.path, `/docker/${id}`);
    const podman = `/machine.slice/libpod-${id}.scope`;
    assert.equal(containerOfPath(`${podman}/container`)?.path, podman);
  });

  const guesses: [string, string | undefined][] = [
    ['/default/redis', 'containerd redis /default/redis default/redis'],
    ['/default/redis/inner', 'containerd redis /default/redis default/redis'],
    ['/a/b/c', 'containerd b /a/b a/b'],
    ['/system.slice/ssh.service', undefined],
    ['/machine.slice/machine-qemu\\x2d1\\x2dvm.scope', undefined],
    [
      '/machine.slice/systemd-nspawn@web\\x2d1.service/payload',
      'systemd-nspawn web-1 /machine.slice/systemd-nspawn@web\\x2d1.service /run/systemd/machines/web-1',
    ],
    ['/../etc', undefined],
    ['/default/..', 'containerd .. /default/.. default/..'],
    [`/default/${'x'.repeat(65)}`, undefined],
  ];
  for (const [path, expected] of guesses) {
    it(`guesses at ${path.slice(0, 60)}`, () => {
      const guess = guessOfPath(path);
      const told = guess && [guess.runtime, guess.fullId, guess.path, guess.proof].join(' ');
      assert.equal(told, expected);
    });
  }
});

describe('isCgroupOf', () => {
  const podSlice = 'kubepods-burstable-pod1.slice';
  const cases: [string, string, boolean][] = [
    [`/docker/${id}`, `/docker/${id}`, true],
    [`/docker/${id}`, `docker//${id}/`, true],
    [`/evil/docker/${id}`, `/docker/${id}`, false],
    [`/user.slice/user-1000.slice/docker-${id}.scope`, `system.slice:docker:${id}`, false],
    [`/system.slice/docker-${id}.scope`, `system.slice:docker:${id}`, true],
    [`/system.slice/docker-${id}.scope`, `:docker:${id}`, true],
    [
      `/kubepods.slice/kubepods-burstable.slice/${podSlice}/cri-containerd-${id}.scope`,
      `${podSlice}:cri-containerd:${id}`,
      true,
    ],
    [`/kubepods.slice/cri-containerd-${id}.scope`, `${podSlice}:cri-containerd:${id}`, false],
    [`/${podSlice}:cri-containerd:${id}`, `${podSlice}:cri-containerd:${id}`, true],
    [`/machine.slice/libpod-${id}.scope`, `machine.slice:libpod:${id}`, true],
    [`/docker/${inner}`, `/docker/${id}`, false],
    [`/docker/${id}`, '', false],
  ];
  for (const [path, told, expected] of cases) {
    it(`${expected ? 'takes' : 'refuses'} ${path.slice(0, 60)} for ${told.slice(0, 40)}`, () => {
      assert.equal(isCgroupOf(path, told), expected);
    });
  }

  it('knows only the end of a path inside of a cgroup namespace', () => {
    assert.equal(isCgroupOf(`/outer/docker/${id}`, `/docker/${id}`, true), true);
    assert.equal(isCgroupOf(`/outer/xdocker/${id}`, `/docker/${id}`, true), false);
  });
});
