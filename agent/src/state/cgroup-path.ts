import type { ByteString } from '../rules/field.ts';
import type { ContainerRuntime } from './container.ts';

/** A container as its cgroup's path tells it. */
export interface ContainerName {
  readonly runtime: ContainerRuntime;
  readonly fullId: ByteString;
}

const ID = '([0-9a-f]{64})';

/** What one component of a path may be, most telling first. */
const COMPONENTS: readonly [RegExp, ContainerRuntime][] = [
  [new RegExp(`^libpod-(?:payload-)?${ID}(?:\\.scope)?$`), 'podman'],
  [new RegExp(`^docker-${ID}\\.scope$`), 'docker'],
  [new RegExp(`^crio-${ID}(?:\\.scope)?$`), 'cri-o'],
  [new RegExp(`^cri-containerd-${ID}\\.scope$`), 'containerd'],
  [new RegExp(`:cri-containerd:${ID}$`), 'containerd'],
  [new RegExp(`^nerdctl-${ID}\\.scope$`), 'containerd'],
  [/^lxc\.payload\.([^/]+)$/, 'lxc'],
  [/^([^/]+)\.libvirt-lxc$/, 'libvirt-lxc'],
  [/-lxc\\x2d([^/]+)\.scope$/, 'libvirt-lxc'],
  [/^bpm-([^/]+?)(?:\.scope)?$/, 'bpm'],
];

const BARE_ID = new RegExp(`^${ID}$`);
const TASK_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Names that only mean something below a certain parent. */
function byParent(parent: ByteString, name: ByteString, grandparent: ByteString) {
  if (parent === 'lxc' && grandparent === 'libvirt') return named('libvirt-lxc', name);
  if (parent === 'lxc' || parent === 'lxc.payload') return named('lxc', name);
  if (parent === 'mesos' && TASK_ID.test(name)) return named('mesos', name);
  return undefined;
}

function named(runtime: ContainerRuntime, fullId: ByteString): ContainerName {
  return { runtime, fullId };
}

/** The innermost container a cgroup path names, or undefined for the host's own groups. */
export function containerOfPath(path: ByteString): ContainerName | undefined {
  const components = path.split('/').filter((component) => component !== '');
  for (let i = components.length - 1; i >= 0; i--) {
    const name = components[i] ?? '';
    const found =
      byName(name, path) ?? byParent(components[i - 1] ?? '', name, components[i - 2] ?? '');
    if (found !== undefined) return found;
  }
  return undefined;
}

function byName(name: ByteString, path: ByteString): ContainerName | undefined {
  for (const [pattern, runtime] of COMPONENTS) {
    const id = pattern.exec(name)?.[1];
    if (id !== undefined) return named(runtime, id);
  }
  if (!BARE_ID.test(name)) return undefined;
  return named(path.includes('kubepods') ? 'containerd' : 'docker', name);
}

/** `/<namespace>/<id>` as `ctr` makes it: only a guess, to be confirmed by the bundle's being there. */
export function plainContainerd(path: ByteString): { namespace: string; id: string } | undefined {
  const match = /^\/([A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*)\/([^/]{1,64})$/.exec(path);
  const [, namespace, id] = match ?? [];
  if (namespace === undefined || id === undefined) return undefined;
  return /\.(?:service|slice|scope)$/.test(id) ? undefined : { namespace, id };
}
