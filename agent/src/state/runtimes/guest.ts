import { lstat } from 'node:fs/promises';
import type { Container, ContainerRuntime } from '../container.ts';

/** What root keeps of a guest while it is there, by runtime. These runtimes tell no more than the name. */
const PROOFS: Partial<Record<ContainerRuntime, (name: string) => string[]>> = {
  lxc: (name) => [`/var/lib/lxc/${name}`],
  'libvirt-lxc': (name) => [`/run/libvirt/lxc/${name.replace(/^\d+\\x2d/, '')}.pid`],
  'systemd-nspawn': (name) => [`/run/systemd/machines/${name}`],
  mesos: (name) => [`/run/mesos/containers/${name}`, `/run/mesos/runtime/containers/${name}`],
};

/** Whether root's files tell of the guest; undefined for runtimes that keep bundles or nothing. */
export async function isGuest({ runtime, fullId }: Container): Promise<boolean | undefined> {
  const places = PROOFS[runtime]?.(fullId);
  if (places === undefined) return undefined;
  const owners = await Promise.all(
    places.map((place) =>
      lstat(place).then(
        ({ uid }) => uid,
        () => -1,
      ),
    ),
  );
  return owners.includes(0);
}
